//! An issuer that does what it is told, and a keeper that works with it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use pullmint::clock::{Clock, TokioClock};
use pullmint::credential::{Credential, Expiry, TokenHandle};
use pullmint::cron::Ticks;
use pullmint::keeper::slot::{Coverage, Minted, Slot};
use pullmint::keeper::{Keeper, Task};
use pullmint::metrics::Metrics;
use pullmint::provider::{MintError, Provider, PullLimit, Reason, Revocation};
use pullmint::registry::{Host, RegistryName};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

pub(crate) const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3600);

/// What the issuer does when it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// Issues a token that lives so long.
    Mints(Duration),
    /// Shows the token in a file, which has no end.
    Reads(&'static str),
    Fails(Reason, Option<Duration>),
    Hangs,
}

#[derive(Debug)]
struct State {
    answer: Answer,
    attempts: Vec<Timestamp>,
    refusal: Option<Reason>,
    registry_hangs: bool,
    revoked: Vec<String>,
    keeps_tokens: bool,
    disowns_tokens: bool,
    answers_late: Duration,
    pull_limit: Result<Option<PullLimit>, Reason>,
    limit_asked: usize,
}

/// A clock that runs as fast as the test, and that can be set.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: TokioClock,
    set_back: Mutex<Duration>,
}

impl Watch {
    pub(crate) fn set_back(&self, by: Duration) {
        *self.set_back.lock().expect("no panic") += by;
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        self.clock.now() - *self.set_back.lock().expect("no panic")
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime()
    }
}

#[derive(Debug)]
pub(crate) struct Issuer {
    clock: Arc<Watch>,
    hosts: [Host; 1],
    state: Mutex<State>,
}

impl Issuer {
    fn new(answer: Answer, clock: Arc<Watch>) -> Self {
        let state = State {
            answer,
            attempts: Vec::new(),
            refusal: None,
            registry_hangs: false,
            revoked: Vec::new(),
            keeps_tokens: false,
            disowns_tokens: false,
            answers_late: Duration::ZERO,
            pull_limit: Ok(None),
            limit_asked: 0,
        };
        Self { clock, hosts: [Host::docker_hub()], state: Mutex::new(state) }
    }

    /// The issuer and its clock, as others know them.
    pub(crate) fn parts(self: &Arc<Self>) -> (Arc<dyn Provider>, Arc<dyn Clock>) {
        (Arc::clone(self) as _, Arc::clone(&self.clock) as _)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    pub(crate) fn answers(&self, answer: Answer) {
        self.state().answer = answer;
    }

    /// With what the registry refuses credentials, or that it accepts them.
    pub(crate) fn registry_says(&self, refusal: Option<Reason>) {
        self.state().refusal = refusal;
    }

    pub(crate) fn registry_hangs(&self) {
        self.state().registry_hangs = true;
    }

    /// Whether tokens can be deleted.
    pub(crate) fn keeps_tokens(&self, keeps: bool) {
        self.state().keeps_tokens = keeps;
    }

    /// Tokens are another login's from now on.
    pub(crate) fn disowns_tokens(&self) {
        self.state().disowns_tokens = true;
    }

    /// A mint takes so long from now on.
    pub(crate) fn answers_late(&self, delay: Duration) {
        self.state().answers_late = delay;
    }

    /// What the registry says of its pull limit from now on.
    pub(crate) fn tells_limit(&self, limit: Result<Option<PullLimit>, Reason>) {
        self.state().pull_limit = limit;
    }

    /// How often it was asked for it.
    pub(crate) fn limit_asked(&self) -> usize {
        self.state().limit_asked
    }

    pub(crate) fn attempts(&self) -> Vec<Timestamp> {
        self.state().attempts.clone()
    }

    pub(crate) fn revoked(&self) -> Vec<String> {
        self.state().revoked.clone()
    }
}

#[async_trait]
impl Provider for Issuer {
    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    async fn mint(&self) -> Result<Credential, MintError> {
        let now = self.clock.now();
        let (answer, number, delay) = {
            let mut state = self.state();
            state.attempts.push(now);
            (state.answer, state.attempts.len(), state.answers_late)
        };
        tokio::time::sleep(delay).await;
        let username = "acme".to_owned();
        match answer {
            Answer::Mints(life) => Ok(Credential {
                username,
                password: format!("password-{number}").into(),
                expiry: Expiry::At(now + life),
                handle: Some(TokenHandle(format!("token-{number}"))),
            }),
            Answer::Reads(password) => {
                Ok(Credential { username, password: password.into(), expiry: Expiry::Never, handle: None })
            }
            Answer::Fails(reason, wait) => Err(MintError::new(reason, "mint", "wait").after(wait)),
            Answer::Hangs => std::future::pending().await,
        }
    }

    fn is_polled(&self) -> bool {
        matches!(self.state().answer, Answer::Reads(_))
    }

    async fn revoke(&self, handle: &TokenHandle) -> Result<Revocation, MintError> {
        let mut state = self.state();
        if state.keeps_tokens {
            return Err(MintError::new(Reason::Unexpected, "delete a token", "wait"));
        }
        if state.disowns_tokens {
            return Ok(Revocation::OutOfReach);
        }
        state.revoked.push(handle.0.clone());
        Ok(Revocation::Gone)
    }

    async fn verify(&self, _credential: &Credential) -> Result<(), MintError> {
        if self.state().registry_hangs {
            std::future::pending::<()>().await;
        }
        match self.state().refusal {
            Some(reason) => Err(MintError::new(reason, "try it", "wait")),
            None => Ok(()),
        }
    }

    async fn pull_limit(&self, _credential: &Credential) -> Result<Option<PullLimit>, MintError> {
        let mut state = self.state();
        state.limit_asked += 1;
        state.pull_limit.map_err(|reason| MintError::new(reason, "ask for the limit", "wait"))
    }
}

/// A keeper at work, until dropped.
pub(crate) struct Bench {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) renew_now: Arc<Notify>,
    pub(crate) clock: Arc<Watch>,
    slot: watch::Receiver<Slot>,
    coverage: watch::Sender<Coverage>,
    _keeper: JoinSet<()>,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::with(Answer::Mints(LIFE))
    }

    pub(crate) fn with(answer: Answer) -> Self {
        Self::scheduled(answer, None)
    }

    /// With a cron expression, whose ticks the test brings.
    pub(crate) fn scheduled(answer: Answer, schedule: Option<&str>) -> Self {
        let clock = Arc::new(Watch { clock: TokioClock::starting_at(START), set_back: Mutex::default() });
        let ticks = schedule.map(|schedule| Ticks::parse(schedule).expect("a schedule"));
        Self::of(Arc::new(Issuer::new(answer, clock)), ticks, Slot::default(), Coverage::new())
    }

    fn of(issuer: Arc<Issuer>, ticks: Option<Ticks>, slot: Slot, coverage: Coverage) -> Self {
        let (told, slot) = watch::channel(slot);
        let (coverage, covered) = watch::channel(coverage);
        let (provider, clock) = issuer.parts();
        let registry = RegistryName::new("hub");
        let task = Task { registry, provider, renew_at: 0.5, ticks, verify: true, metrics: Metrics::default() };
        let (watch, keeper) = (Arc::clone(&issuer.clock), Keeper::new(task, clock, Arc::new(told), covered));
        let renew_now = keeper.renew_now();
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run());
        Self { issuer, renew_now, clock: watch, slot, coverage, _keeper: tasks }
    }

    /// The next process, with the same issuer.
    pub(crate) fn succeeded_by(self, slot: Slot, coverage: Coverage) -> Self {
        let issuer = Arc::clone(&self.issuer);
        drop(self);
        Self::of(issuer, None, slot, coverage)
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot.borrow().clone()
    }

    pub(crate) fn current(&self) -> Option<Arc<Minted>> {
        self.slot().current
    }

    /// Tells that every Secret holds the credential in force.
    pub(crate) fn cover(&self) {
        let minted_at = self.current().expect("a credential").minted_at;
        self.coverage.send_replace([(RegistryName::new("hub"), minted_at)].into());
    }
}
