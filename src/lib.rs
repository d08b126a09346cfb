//! Registry pull credentials for Kubernetes, kept fresh.

pub mod clock;
pub mod config;
pub mod credential;
pub mod dockerconfig;
pub mod provider;
pub mod registry;
