//! Registry pull credentials for Kubernetes, kept fresh.
//!
//! ```text
//! TOML ─load─► Settings ─build─► Provider ─mint─► Credential
//!  ▲ follow                         ▲               │
//!  └─ directory                   Keeper ──────► watch<Slot>        one per registry, while this process leads
//!                                                   │ latest value
//!  namespaces, our Secrets, ServiceAccounts ─┐      ▼
//!  (watches)                                 └► queue of keys ─► gather ─► decide ─► manifest ─► apply ─► Secret
//!                                                                  └─► metrics, Events, status (read only)
//! ```
//!
//! Data flows one way, as values and not as requests. Each state has one writer:
//!
//! | State | Written by | Read by |
//! |---|---|---|
//! | [`Settings`](config::Settings), the way to the clouds that belongs to them, and what is wrong with the files | [`reload::follow`] | everybody |
//! | which registries are at work, and what belongs where | the [`Daemon`](daemon::Daemon) | syncer, status |
//! | [`Slot`](keeper::slot::Slot): the credential in force, the last failure | its [`Keeper`](keeper::Keeper); between two of them, or when other settings come, the [`Daemon`](daemon::Daemon) | syncer, state, Events, status |
//! | what the watches show, what is written where | the [`Syncer`](sync::Syncer) | nobody else |
//! | [`Summary`](sync::summary::Summary): how far it has come | the [`Syncer`](sync::Syncer) | status, commands |
//! | [`Coverage`](keeper::slot::Coverage): which credential is everywhere | the [`Syncer`](sync::Syncer) | keepers, before they delete a replaced token |
//! | [`Leadership`](leader::Leadership): whether this process works or stands by | its [`Elector`](leader::Elector) | the daemon, status |
//! | the Lease | the [`Elector`](leader::Elector) that leads, or whose turn it is | all others |
//! | what the Events have told already | [`events::publish`] | nobody else |
//! | [`Failures`](pulls::table::Failures): images that do not pull, and why | [`pulls::explain`], for one term; emptied by the [`Daemon`](daemon::Daemon) | status, metrics, recovery |
//! | which pods a renewed credential cures | [`pulls::recovery::recover`], for one term | nobody else |
//! | the log filter in force | [`LogFilter::set`](telemetry::LogFilter::set), for the configuration | the log |
//! | [`Pulses`](pulse::Pulses): signs of life | each loop its own; of watches, the [client](cluster::client) too | status |
//! | [`Metrics`](metrics::Metrics): what is counted | keepers, [`Syncer`](sync::Syncer) and [recovery](pulls::recovery), each its own series | scrapers |
//! | the state Secret | [`StateSecret::keep`](state::StateSecret::keep) | the next leader, when it begins |
//!
//! Decisions are pure functions that take the time as an input: [`keeper::schedule::next`] says when to ask a cloud,
//! [`sync::decide::decide`] what to do with a Secret, [`pulls::recovery::decide::decide`] which pod to delete. Whatever
//! goes wrong stands in the slot or in the summary, with what a person can do about it. A task that ends although it
//! never should ends the process.

pub mod admin;
pub mod causes;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod credential;
pub mod cron;
pub mod daemon;
pub mod dockerconfig;
pub mod events;
pub mod keeper;
pub mod leader;
pub mod metrics;
pub mod network;
pub mod provider;
pub mod pulls;
pub mod pulse;
pub mod rbac;
pub mod registry;
pub mod reload;
pub mod reminder;
pub mod state;
pub mod status;
pub mod sync;
pub mod telemetry;
pub mod watching;
pub mod why;

/// Closes the process to others of the same user: no core dump, no ptrace, so that credentials in memory stay there.
///
/// Done first thing, and said when refused: a debugger at work is no reason not to start.
pub fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() || setrlimit(Resource::Core, no_core).is_err() {
        eprintln!(
            "pullmint: could not forbid core dumps and ptrace; credentials in memory are as safe as this machine"
        );
    }
    // The one TLS stack, chosen before anything could ask for it. Fails only when it is chosen already.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
