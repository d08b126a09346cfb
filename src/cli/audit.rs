//! `pullmint audit`: images that would not be pulled on a fresh node, told before one comes.

use clap::Args;

use crate::cli::Outcome;
use crate::cli::why::{Means, tell};
use crate::why::gather::Target;

/// What `audit` takes.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[command(flatten)]
    means: Means,
}

pub(super) async fn audit(args: &AuditArgs) -> Outcome {
    let choose = |namespace| {
        let namespace = args.namespace.clone().unwrap_or(namespace);
        Ok(Target::Audit((!args.all_namespaces).then_some(namespace)))
    };
    tell(&args.means, choose).await
}
