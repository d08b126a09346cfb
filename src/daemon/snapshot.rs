//! The whole truth at one instant, gathered from those who write it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::keeper::slot::Slot;
use crate::leader::Leadership;
use crate::pulls;
use crate::pulse::Pulses;
use crate::registry::{Host, RegistryName};
use crate::status::{
    AttemptStatus, ConfigurationStatus, CredentialStatus, FailureStatus, LeadershipStatus, LoopStatus, RateLimitStatus,
    RegistryStatus, Role, Status,
};
use crate::sync::summary::Summary;

/// One registry, as far as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its name.
    pub name: RegistryName,
    /// Who mints.
    pub provider: &'static str,
    /// What the credential opens.
    pub hosts: Vec<Host>,
    /// The Secret that it stands in.
    pub secret: String,
    /// Whether its provider is polled, as a file is that others write.
    pub polled: bool,
    /// Its keeper's word.
    pub slot: watch::Receiver<Slot>,
}

/// Who this process is.
#[derive(Clone, Debug)]
pub struct Whoami {
    /// pullmint's own namespace.
    pub namespace: String,
    /// The Pod's name, or the machine's.
    pub instance: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// Where the truth is written.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The registries there are now.
    pub shown: watch::Receiver<Arc<[Shown]>>,
    /// The syncer's word.
    pub summary: watch::Receiver<Summary>,
    /// The elector's word.
    pub leadership: watch::Receiver<Leadership>,
    /// The daemon's word on whether another has led while this process was there.
    pub stood_by: watch::Receiver<bool>,
    /// The reader's word on the files.
    pub configuration: watch::Receiver<Arc<ConfigurationStatus>>,
    /// The word on images that do not pull.
    pub pulls: pulls::table::Shown,
    /// All signs of life.
    pub pulses: Pulses,
}

impl Sources {
    /// Everything, at this instant.
    #[must_use]
    pub fn status(&self, whoami: &Whoami, now: Timestamp) -> Status {
        let summary = self.summary.borrow();
        let leadership = leadership(&self.leadership.borrow(), &whoami.instance);
        // Who led once still has slots of that time; they say nothing of now.
        let nothing = Slot::default();
        let told = |shown: &Shown| match leadership.role {
            Role::Leader => registry(shown, &shown.slot.borrow(), now),
            Role::Standby => registry(shown, &nothing, now),
        };
        let listed_then_led = summary.first_listed_at.zip(leadership.since);
        let stood_ready =
            *self.stood_by.borrow() && listed_then_led.is_some_and(|(listed_at, since)| listed_at <= since);
        let registries = self.shown.borrow().iter().map(told).collect();
        let loops = self.pulses.beats().into_iter().map(|beat| LoopStatus {
            name: beat.name,
            last_beat_at: beat.last,
            silent_seconds: beat.silence.as_secs(),
            limit_seconds: beat.limit.as_secs(),
            problem: beat.trouble,
        });
        Status {
            version: env!("CARGO_PKG_VERSION"),
            namespace: whoami.namespace.clone(),
            instance: whoami.instance.clone(),
            started_at: whoami.started_at,
            now,
            leadership,
            configuration: ConfigurationStatus::clone(&self.configuration.borrow()),
            registries,
            secrets: summary.board.secrets.clone(),
            service_accounts: summary.board.service_accounts.clone(),
            namespaces: summary.board.namespaces.clone(),
            namespaces_total: summary.board.namespaces_total,
            namespaces_troubled: summary.board.namespaces_troubled,
            pull_failures: self.pulls.borrow().as_deref().map(pulls::causes::status),
            settled: summary.settled,
            watches_listed: summary.first_listed_at.is_some(),
            stood_ready,
            first_pass_at: summary.first_pass_at,
            queued: summary.queued,
            loops: loops.collect(),
        }
    }
}

fn leadership(leadership: &Leadership, instance: &str) -> LeadershipStatus {
    match leadership {
        Leadership::Leading { since } => {
            LeadershipStatus { role: Role::Leader, holder: Some(instance.to_owned()), since: Some(*since) }
        }
        Leadership::Standby { holder } => LeadershipStatus { role: Role::Standby, holder: holder.clone(), since: None },
    }
}

fn registry(shown: &Shown, slot: &Slot, now: Timestamp) -> RegistryStatus {
    RegistryStatus {
        name: shown.name.clone(),
        provider: shown.provider,
        hosts: shown.hosts.clone(),
        secret: shown.secret.clone(),
        credential: slot.current.as_ref().map(|minted| CredentialStatus {
            fingerprint: minted.credential.fingerprint().to_string(),
            issued_at: minted.minted_at,
            expires_at: minted.credential.expiry.instant(),
            verification: minted.verification.as_str(),
            verified_at: minted.verified_at,
        }),
        failure: slot.failure.as_ref().map(|failure| FailureStatus {
            reason: failure.reason,
            message: failure.message.clone(),
            remedy: failure.remedy.clone(),
            consecutive: failure.consecutive,
            since: failure.since,
        }),
        next_renewal_at: slot.next_attempt,
        polled: shown.polled,
        attempts: slot
            .attempts_of_day(now)
            .map(|attempt| AttemptStatus { at: attempt.at, reason: attempt.failed })
            .collect(),
        rate_limit: slot.pull_limit.map(|(limit, at)| RateLimitStatus {
            limit: limit.limit,
            remaining: limit.remaining,
            window_seconds: limit.window.as_secs(),
            at,
        }),
    }
}
