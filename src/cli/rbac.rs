//! `pullmint rbac`: the least roles, as YAML.

use clap::Args;

use crate::cli::{ConfigArgs, Outcome, print, yaml};
use crate::rbac::{self, Roles};

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
    let Roles { service_account, cluster_role, cluster_role_binding, role, role_binding } =
        rbac::roles(&settings, &args.namespace);
    let mut text = yaml::document(&service_account);
    text.push_str(&yaml::document(&cluster_role));
    text.push_str(&yaml::document(&cluster_role_binding));
    text.push_str(&yaml::document(&role));
    text.push_str(&yaml::document(&role_binding));
    print(&text)
}
