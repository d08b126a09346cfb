//! A real Kubernetes, a real registry and emulated clouds on one machine, for tests, the demo and benchmarks.

pub mod clouds;
pub mod internet;
