//! The real binary, a real cluster, a real registry, and the emulated clouds under their own names.
//!
//! All tests share one cluster and one registry. Each has a pullmint, clouds and namespaces of its own, so the faults
//! of one are no other's.

#[path = "end_to_end/authorities.rs"]
mod authorities;
#[path = "end_to_end/canary.rs"]
mod canary;
#[path = "end_to_end/check.rs"]
mod check;
#[path = "end_to_end/commands.rs"]
mod commands;
#[path = "end_to_end/cover.rs"]
mod cover;
#[path = "end_to_end/deaf.rs"]
mod deaf;
#[path = "end_to_end/demo.rs"]
mod demo;
#[path = "end_to_end/failure.rs"]
mod failure;
#[path = "end_to_end/hub_tokens.rs"]
mod hub_tokens;
#[path = "end_to_end/lines.rs"]
mod lines;
#[path = "end_to_end/once.rs"]
mod once;
#[path = "end_to_end/pods.rs"]
mod pods;
#[path = "end_to_end/rbac.rs"]
mod rbac;
#[path = "end_to_end/recovery.rs"]
mod recovery;
#[path = "end_to_end/refused.rs"]
mod refused;
#[path = "end_to_end/reload.rs"]
mod reload;
#[path = "end_to_end/reload_storm.rs"]
mod reload_storm;
#[path = "end_to_end/renewal.rs"]
mod renewal;
#[path = "end_to_end/restart.rs"]
mod restart;
#[path = "end_to_end/scene.rs"]
mod scene;
#[path = "end_to_end/secrets.rs"]
mod secrets;
#[path = "end_to_end/series.rs"]
mod series;
#[path = "end_to_end/shutdown.rs"]
mod shutdown;
#[path = "end_to_end/standby.rs"]
mod standby;
#[path = "end_to_end/state.rs"]
mod state;
#[path = "end_to_end/tenants.rs"]
mod tenants;
#[path = "end_to_end/thousand.rs"]
mod thousand;
#[path = "end_to_end/told.rs"]
mod told;
#[path = "end_to_end/verify.rs"]
mod verify;
#[path = "end_to_end/volume.rs"]
mod volume;
#[path = "end_to_end/witness.rs"]
mod witness;
