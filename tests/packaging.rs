//! What people install: the chart and its like for kustomize, by real Helm and kubectl, on a real API server.

#[path = "packaging/chart.rs"]
mod chart;
#[path = "packaging/documents.rs"]
mod documents;
#[path = "packaging/dry_run.rs"]
mod dry_run;
#[path = "packaging/image.rs"]
mod image;
#[path = "packaging/kustomize.rs"]
mod kustomize;
#[path = "packaging/notes.rs"]
mod notes;
#[path = "packaging/odd.rs"]
mod odd;
#[path = "docs/pages.rs"]
#[allow(dead_code, reason = "tests/docs.rs uses all of it")]
mod pages;
#[path = "packaging/pods.rs"]
mod pods;
#[path = "packaging/policy.rs"]
mod policy;
#[path = "packaging/reader.rs"]
mod reader;
#[path = "packaging/roles.rs"]
mod roles;
#[path = "docs/runners.rs"]
mod runners;
#[path = "packaging/scope.rs"]
mod scope;
#[path = "packaging/self_built.rs"]
mod self_built;
#[path = "packaging/tools.rs"]
mod tools;
