//! The story: what a user would do while pullmint runs, and what must come of it. Each step has its time, and a step
//! whose time runs out is a failure.

use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::log::Log;
use super::options::DemoOptions;
use super::scenery::{ECR, Scenery};
use super::screen::{Screen, spell};
use super::secrets::{Secrets, Seen, left};
use crate::Result;
use crate::process::Process;
use crate::stage::IMAGES;

/// The longest that anything may take which pullmint does at once.
const AT_ONCE: Duration = Duration::from_secs(30);
/// The kubelet's back-off after two refused pulls, and time for the pull.
const BACK_OFF: Duration = Duration::from_secs(45);

/// The Secret of each registry, and an image there: host and repository.
pub(super) const REGISTRIES: [(&str, (&str, &str)); 4] = [
    ("pullmint-docker-hub", IMAGES[0]),
    ("pullmint-acr", IMAGES[1]),
    ("pullmint-ecr", IMAGES[2]),
    ("pullmint-ecr-public", IMAGES[3]),
];

/// pullmint while it runs, and everything that looks on.
pub(super) struct Show<'a> {
    pub(super) scenery: &'a Scenery,
    pub(super) screen: &'a Screen,
    life: Duration,
    pullmint: Mutex<Process>,
    log: Log,
    pub(super) secrets: Secrets,
    pub(super) began: Instant,
    pulls: Mutex<u64>,
}

impl<'a> Show<'a> {
    pub(super) fn start(options: &DemoOptions, scenery: &'a Scenery, screen: &'a Arc<Screen>) -> Result<Self> {
        let began = Instant::now();
        let (client, selected) = (scenery.client.clone(), scenery.selected.clone());
        let secrets = Secrets::watch(client, selected, began, screen.clone());
        let pullmint =
            scenery.stage.pullmint("pullmint", &options.program, &["run", "--log-format", "json"]).start()?;
        screen.act("pullmint", &format!("{} run --log-format json", options.program_name()));
        let log = Log::follow(&pullmint.log(), screen.clone())?;
        Ok(Self {
            scenery,
            screen,
            life: options.life(),
            pullmint: Mutex::new(pullmint),
            log,
            secrets,
            began,
            pulls: Mutex::default(),
        })
    }

    /// What is left of the life of the credentials in force.
    pub(super) fn lives(&self) -> String {
        self.secrets.lives(&self.team(0))
    }

    pub(super) async fn tell(&self) {
        if !self.step("written", AT_ONCE, self.all_are_written()).await {
            return;
        }
        let first = REGISTRIES.map(|(secret, image)| (secret, image, self.secrets.get(&self.team(0), secret)));
        let at_once = async {
            self.step("left alone", AT_ONCE, self.others_have_none()).await;
            self.step("served", AT_ONCE, self.a_new_namespace_is_served()).await;
            self.step("restored", AT_ONCE, self.a_deleted_secret_is_restored()).await;
            self.step("repaired", AT_ONCE, self.an_edited_secret_is_repaired()).await;
        };
        tokio::join!(at_once, self.step("pulled", BACK_OFF, self.the_first_pod_gets_its_image()));
        let mortal = first.iter().filter_map(|(secret, image, seen)| {
            let seen = seen.clone()?;
            Some((*secret, *image, seen.expires_at?, seen))
        });
        let mortal: Vec<_> = mortal.collect();
        for (secret, _, _, seen) in &mortal {
            self.step("renewed", self.life + AT_ONCE, self.until_renewed(secret, seen)).await;
        }
        let who = match self.scenery.stage.world.node {
            Some(_) => "the kubelet and containerd",
            None => self.scenery.puller.name(),
        };
        self.screen.act("pull", &format!("with the rotated Secrets, by {who}, under the images' production names"));
        for (secret, image) in REGISTRIES {
            self.step("pulled", BACK_OFF, self.pull("rotated", secret, image)).await;
        }
        for (secret, image, expires, seen) in mortal.iter().filter(|(secret, ..)| *secret != "pullmint-ecr-public") {
            // One second more, as some clouds count whole ones only.
            sleep(left(*expires) + Duration::from_secs(1)).await;
            self.step("expired", AT_ONCE, self.the_old_one_is_refused(secret, *image, seen)).await;
        }
        self.step("pulled", BACK_OFF, self.pull("later", "pullmint-ecr", ECR)).await;
    }

    /// How pullmint ended, if it did, which it never should by itself.
    pub(super) fn has_ended(&self) -> Option<ExitStatus> {
        self.pullmint.lock().expect("no panic while asking").status()
    }

    /// Ends pullmint and sums up.
    pub(super) fn finish(self) {
        if let Some(status) = self.has_ended() {
            self.screen.bad("pullmint", &format!("ended by itself: {status}"));
        }
        self.pullmint.lock().expect("no panic while asking").stop();
        let mints = self.log.mints();
        let (all, first) = (mints.values().sum::<u64>(), mints.len() as u64);
        let served = self.secrets.namespaces().intersection(&self.places()).count();
        let (writes, pulls) = (self.secrets.writes(), *self.pulls.lock().expect("no panic while counting"));
        let (time, renewals) = (spell(self.began.elapsed()), all - first);
        let images = if pulls == 1 { "image" } else { "images" };
        self.screen.plain("");
        self.screen.title(&format!(
            "In {time}: {all} mints, {renewals} of them renewals; {writes} Secrets written in {served} namespaces; \
             {pulls} {images} pulled."
        ));
        match self.screen.failures() {
            0 => {}
            1 => self.screen.title("One thing did not happen as it should: see ✘."),
            failures => self.screen.title(&format!("{failures} things did not happen as they should: see ✘.")),
        }
    }

    /// Says what came of a step, or that nothing did in time.
    async fn step(&self, what: &str, within: Duration, work: impl Future<Output = Result<Option<String>>>) -> bool {
        match timeout(within, work).await {
            Ok(Ok(text)) => {
                text.iter().for_each(|text| self.screen.good(what, text));
                return true;
            }
            Ok(Err(error)) => self.screen.bad(what, &error.to_string()),
            Err(_) => self.screen.bad(what, &format!("not within {}", spell(within))),
        }
        false
    }

    pub(super) async fn until_secret(&self, namespace: &str, name: &str, is: impl Fn(&Seen) -> bool) {
        let key = (namespace.to_owned(), name.to_owned());
        self.secrets.until(|all| all.get(&key).filter(|seen| is(seen)).map(drop)).await;
    }

    pub(super) fn team(&self, number: usize) -> String {
        format!("{}team-{number}", self.scenery.prefix)
    }

    /// Where Secrets ought to be.
    fn places(&self) -> BTreeSet<String> {
        let new = format!("{}team-new", self.scenery.prefix);
        self.scenery.selected.iter().cloned().chain([new]).collect()
    }

    pub(super) fn count_pull(&self) {
        *self.pulls.lock().expect("no panic while counting") += 1;
    }
}
