//! Why an image does not pull: the true cause, what shows it, and what mends it.
//!
//! ```text
//!              API server                         registries
//!                  │                                  ▲ │
//!                  ▼                                  │ ▼
//! Target ─gather─► Case ─Evidence::gather─► keyring ─► Inquiry ─► Evidence
//!                  │                                                │
//!                  └──────────────────► judge (pure) ◄──────────────┘
//!                                          │
//!                                       Finding ─► Report ─► text, JSON
//! ```
//!
//! It rebuilds what the kubelet knew ([`keyring`]), asks the registry with exactly those credentials ([`probe`]), and
//! weighs the answers ([`verdict`]). It never needs the daemon, and writes nothing; the daemon
//! needs it, to tell by itself.

use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;

pub mod answer;
pub mod backoff;
pub mod case;
pub mod catalogue;
pub mod evidence;
pub mod finding;
pub mod gather;
pub mod inquiry;
pub mod kept;
pub mod keyring;
pub mod login;
pub mod message;
pub mod pods;
pub mod probe;
pub mod reference;
pub mod report;
pub mod tags;
pub mod verdict;

use case::Case;
use evidence::Evidence;
use finding::Finding;
use inquiry::Inquiry;

/// Cases that are looked into at the same time; their questions have a limit of their own.
const IN_FLIGHT: usize = 256;

/// Looks into every case and judges it; `done` is called after each.
pub async fn judge_all(
    cases: Vec<Case>,
    inquiry: &Inquiry,
    now: Timestamp,
    done: impl Fn(),
) -> Vec<(Case, Vec<Finding>)> {
    let done = &done;
    let judged = stream::iter(cases).map(|case| async move {
        let evidence = Evidence::gather(&case, inquiry).await;
        let findings = verdict::judge(&case, &evidence, now);
        done();
        (case, findings)
    });
    judged.buffered(IN_FLIGHT).collect().await
}
