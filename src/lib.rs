//! Registry pull credentials for Kubernetes, kept fresh.
