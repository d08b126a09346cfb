//! Registry pull credentials for Kubernetes, kept fresh.

pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod credential;
pub mod daemon;
pub mod dockerconfig;
pub mod keeper;
pub mod provider;
pub mod rbac;
pub mod registry;
pub mod state;
pub mod sync;
pub mod telemetry;

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
