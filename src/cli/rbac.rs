//! `pullmint rbac`: the least roles, as YAML.

use clap::Args;

use crate::cli::{ConfigArgs, Outcome, print, yaml};
use crate::rbac;

/// What `rbac` takes.
#[derive(Debug, Args)]
pub(super) struct RbacArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The namespace that pullmint runs in
    #[arg(short, long, default_value = "pullmint", value_name = "NAME")]
    namespace: String,
}

pub(super) fn rbac(args: &RbacArgs) -> Outcome {
    let settings = match args.config.load() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let objects = rbac::roles(&settings, &args.namespace).objects();
    print(&objects.iter().map(yaml::document).collect::<String>())
}
