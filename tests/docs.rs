//! The documentation is true: its commands run, its examples are valid, its links lead somewhere, and what is generated
//! is up to date.

#[path = "docs/aws.rs"]
mod aws;
#[path = "docs/azure.rs"]
mod azure;
#[path = "docs/cloud_tools.rs"]
mod cloud_tools;
#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/eks.rs"]
mod eks;
#[path = "docs/examples.rs"]
mod examples;
#[path = "docs/external_secrets.rs"]
mod external_secrets;
#[path = "docs/generated.rs"]
mod generated;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/make.rs"]
mod make;
#[path = "docs/migration.rs"]
mod migration;
#[path = "docs/objects.rs"]
mod objects;
#[path = "docs/pages.rs"]
mod pages;
#[path = "docs/runners.rs"]
mod runners;
#[path = "end_to_end/scene.rs"]
#[allow(dead_code, reason = "tests/end_to_end.rs uses all of it")]
mod scene;
#[path = "docs/shell.rs"]
mod shell;
#[path = "docs/vigil.rs"]
mod vigil;
#[path = "docs/watch.rs"]
mod watch;
