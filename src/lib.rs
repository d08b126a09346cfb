//! Registry pull credentials for Kubernetes, kept fresh.

pub mod clock;
pub mod cluster;
pub mod config;
pub mod credential;
pub mod dockerconfig;
pub mod keeper;
pub mod provider;
pub mod rbac;
pub mod registry;
pub mod state;
pub mod sync;
pub mod telemetry;
