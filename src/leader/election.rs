//! Who leads, and what to do next: decided from what was observed of the Lease, with the time as an input.
//!
//! Its laws, which the tests hold:
//!
//! 1. No two of them lead at the same time, however late or lost their calls, and however long they are frozen.
//! 2. Only our own clock counts, and only differences on it: a holder is given up when the Lease has not changed for
//!    its length since we saw it change. Nobody else's time is compared with ours.
//! 3. Leadership runs from the instant at which the write was sent, not from its answer, and ends by itself.

use std::time::Duration;

use crate::leader::Timing;

/// The Lease as the API server showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its version: another one means that it changed.
    pub version: String,
    /// Who holds it; `None`: nobody.
    pub holder: Option<String>,
    /// For how long the holder is trusted without a sign of life.
    pub length: Duration,
    /// How often it has changed hands.
    pub transitions: i32,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the Lease.
    Look,
    /// Make one that nobody holds.
    Create,
    /// Become its holder, if it still has this version.
    Take(Record),
    /// Show that we live, if it still has this version.
    Renew(Record),
    /// Nothing until then, unless the Lease changes.
    Wait(Duration),
}

/// One participant's knowledge. All instants are readings of its own [`Clock::uptime`](crate::clock::Clock::uptime).
#[derive(Debug)]
pub struct Election {
    me: String,
    timing: Timing,
    seen: Option<Seen>,
    /// When the write was sent that made us the holder, or kept us so.
    renewed_at: Option<Duration>,
    /// Patience after a failure.
    not_before: Duration,
}

/// The Lease as it was last observed.
#[derive(Debug)]
struct Seen {
    record: Option<Record>,
    heard_at: Duration,
    /// When it may be taken, if it does not change until then.
    free_at: Duration,
}

impl Election {
    /// One that has seen nothing yet. `me` must be unique to this process.
    #[must_use]
    pub fn new(me: String, timing: Timing) -> Self {
        Self { me, timing, seen: None, renewed_at: None, not_before: Duration::ZERO }
    }

    /// Whether we lead at this instant.
    #[must_use]
    pub fn leads(&self, now: Duration) -> bool {
        self.leads_until().is_some_and(|until| now < until)
    }

    /// When our leadership ends unless it is renewed.
    #[must_use]
    pub fn leads_until(&self) -> Option<Duration> {
        self.renewed_at.map(|at| at + self.timing.deadline)
    }

    /// The holder, as last observed.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.record.as_ref()?.holder.as_deref()
    }

    /// The version of the Lease, as last observed.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        Some(self.seen.as_ref()?.record.as_ref()?.version.as_str())
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self, now: Duration) -> Step {
        let end = self.leads_until().filter(|until| now < *until);
        let patience = self.not_before.min(end.unwrap_or(Duration::MAX));
        if now < patience {
            return Step::Wait(patience);
        }
        let Some(Seen { record, heard_at, free_at }) = &self.seen else { return Step::Look };
        match record {
            Some(record) if end.is_some() => {
                let due = *heard_at + self.timing.retry;
                if now < due { Step::Wait(due.min(end.unwrap_or(due))) } else { Step::Renew(record.clone()) }
            }
            Some(record) if self.is_me(record) || *free_at <= now => Step::Take(record.clone()),
            None if *free_at <= now => Step::Create,
            _ => {
                // A holder that lives is heard of by the watch; this is for a watch that has gone deaf.
                let look_at = *heard_at + self.timing.retry * 2;
                if now < look_at { Step::Wait(look_at.min(*free_at)) } else { Step::Look }
            }
        }
    }

    /// The Lease was seen as it is, or not to exist.
    pub fn observe(&mut self, now: Duration, record: Option<Record>) {
        let before = self.seen.take();
        let free_at = match (&before, &record) {
            (Some(Seen { record: Some(old), free_at, .. }), Some(new)) if old.version == new.version => *free_at,
            (Some(Seen { record: None, free_at, .. }), None) => *free_at,
            // Whoever held it does not know yet that somebody deleted it.
            (Some(Seen { record: Some(old), .. }), None) => now + self.trust_in(old),
            (_, Some(new)) => now + self.trust_in(new),
            (None, None) => now,
        };
        if !record.as_ref().is_some_and(|record| self.is_me(record)) {
            self.renewed_at = None;
        }
        self.seen = Some(Seen { record, heard_at: now, free_at });
    }

    /// Our write succeeded, which was sent at `sent_at`: we are the holder.
    pub fn hold(&mut self, sent_at: Duration, record: Record) {
        self.renewed_at = Some(sent_at);
        self.not_before = Duration::ZERO;
        self.seen = Some(Seen { record: Some(record), heard_at: sent_at, free_at: Duration::MAX });
    }

    /// The Lease was not as we knew it when we wrote.
    pub fn lose_race(&mut self, now: Duration) {
        self.seen = None;
        self.not_before = now + self.timing.retry / 4;
    }

    /// A call failed, and whether it had an effect is not known.
    pub fn fail(&mut self, now: Duration) {
        self.not_before = now + self.timing.retry;
    }

    fn is_me(&self, record: &Record) -> bool {
        record.holder.as_deref() == Some(&self.me)
    }

    /// How long its holder is trusted without a sign of life.
    fn trust_in(&self, record: &Record) -> Duration {
        if record.holder.is_none() || self.is_me(record) { Duration::ZERO } else { record.length }
    }
}

#[cfg(test)]
mod laws;
