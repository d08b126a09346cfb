//! How objects are watched: how long in one piece, how patiently after a failure, and what a failure means.
//!
//! A watch that falls silent is deaf, and only a restart may mend it. One that is refused, or finds no API server, has
//! been told so: it lives, its trouble is shown, and it tries again by itself.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use hyper_util::client::legacy::Error as ClientError;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Error, Resource};
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use crate::causes;
use crate::clock::Clock;
use crate::pulse::{self, Pulses, Trouble, TroubleReason};

mod patience;

use patience::Patience;

const GRANT: &str = "grant list and watch as `pullmint rbac` prints them";

const IDENTIFY: &str = "see whether the token or certificate by which pullmint asks is still valid";

const REACH: &str = "see whether the API server is well, and can be reached from here; pullmint tries again by itself";

/// Objects a page of a list. Decoded they take ten kilobytes each, most of it managed fields, and what a page takes is
/// what a process keeps.
const PAGE: u32 = 100;

/// After which the same failure is told again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// A watch of the objects that match this selector, in all namespaces, for ever.
///
/// Silence for `deaf_after` means that it is deaf: the API server is asked to end it, in good order, after a third of that
/// time. Bookmarks alone would not do: there are none while nothing of the kind changes, unless etcd is set up to tell of
/// its progress more often than its usual ten minutes.
pub fn watch<K>(
    api: Api<K>,
    fields: Option<&str>,
    deaf_after: Duration,
) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let seconds = u32::try_from(deaf_after.as_secs() / 3).unwrap_or(u32::MAX);
    let config = Config { field_selector: fields.map(str::to_owned), ..Config::default() };
    let config = config.timeout(seconds.clamp(1, 290)).page_size(PAGE);
    watcher::watcher(api, config).backoff(Patience::below(deaf_after)).boxed()
}

/// Hears what comes of one watch: notes its signs of life and its troubles, and tells people what is wrong.
pub struct Listener {
    /// The resource, and the objects' name where the watch is limited to one.
    objects: String,
    name: String,
    pulses: Pulses,
    clock: Arc<dyn Clock>,
    /// The failure that the log has told of, and when.
    told: Option<(String, Duration)>,
}

impl Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Listener {
    /// One that has heard nothing yet.
    #[must_use]
    pub fn new(objects: String, pulses: Pulses, clock: Arc<dyn Clock>) -> Self {
        Self { name: pulse::watch_name(&objects), objects, pulses, clock, told: None }
    }

    /// Takes note of an event. Returns the trouble that it tells of.
    pub fn hear<K>(&mut self, event: &watcher::Result<Event<K>>) -> Option<Trouble> {
        let error = match event {
            // A list is about to be asked for, which is no answer.
            Ok(Event::Init) => return None,
            Ok(_) => {
                self.pulses.heard(&self.name, self.clock.now());
                self.told = None;
                return None;
            }
            Err(error) => error,
        };
        let trouble = trouble(error);
        let is_missed = match &trouble {
            Some(trouble) => self.pulses.troubled(&self.name, trouble, self.clock.now()),
            None => true,
        };
        self.tell(error, trouble.as_ref(), is_missed);
        trouble
    }

    /// The same failure is told once a minute; of a watch that nobody waits for it is no news.
    fn tell(&mut self, error: &watcher::Error, trouble: Option<&Trouble>, is_missed: bool) {
        let (objects, now) = (&self.objects, self.clock.uptime());
        let words = trouble.map_or_else(|| causes::joined(error, ": "), |trouble| trouble.message.clone());
        let is_known = |(told, at): &(String, Duration)| *told == words && now.saturating_sub(*at) < TELL_AGAIN;
        if !is_missed || self.told.as_ref().is_some_and(is_known) {
            debug!(objects, error = %words, "a watch failed again");
            return;
        }
        match trouble {
            Some(Trouble { reason: TroubleReason::Refused, remedy, .. }) => {
                warn!(objects, error = %words, remedy, "may not watch");
            }
            Some(Trouble { reason: TroubleReason::Unavailable, remedy, .. }) => {
                warn!(objects, error = %words, remedy, "cannot watch; trying again");
            }
            None => warn!(objects, error = %words, "a watch broke; starting it again"),
        }
        self.told = Some((words, now));
    }
}

/// What a failure tells, if the API server has answered or cannot be reached. Silence tells nothing, nor does it that a
/// watch broke that was open: the next request will.
fn trouble(error: &watcher::Error) -> Option<Trouble> {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return None;
    };
    let refused = |message: &String, remedy| (TroubleReason::Refused, message.clone(), remedy);
    let (reason, message, remedy) = match error {
        Error::Api(status) => match status.code {
            401 => refused(&status.message, IDENTIFY),
            403 => refused(&status.message, GRANT),
            code => (TroubleReason::Unavailable, format!("{code}: {}", status.message), REACH),
        },
        error if is_silence(error) => return None,
        error => (TroubleReason::Unavailable, causes::joined(error, ": "), REACH),
    };
    Some(Trouble { reason, message, remedy })
}

/// Whether the API server was asked and did not answer in time. One that could not even be asked is not silent.
fn is_silence(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_connect = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<ClientError>().is_some_and(ClientError::is_connect)
    };
    let is_timeout = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
    };
    !causes::each(error).any(is_connect) && causes::each(error).any(is_timeout)
}
