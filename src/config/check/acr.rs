//! Azure Container Registry.

use std::path::Path;

use super::{Choice, chosen, path};
use crate::config::document::Document;
use crate::config::file::{self, Identity};
use crate::config::report::Flaw;
use crate::config::settings::{Acr, AzureCloud, AzureIdentity, ManagedIdentity};
use crate::registry::Host;

pub(super) const IDENTITIES: [Choice; 4] = [
    Choice { name: "workload-identity", needs: &[], takes: &["client_id", "token_file", "tenant"] },
    Choice { name: "managed-identity", needs: &[], takes: &["client_id", "resource_id", "tenant"] },
    Choice { name: "client-secret", needs: &["client_id", "client_secret_file", "tenant"], takes: &[] },
    Choice { name: "developer-cli", needs: &[], takes: &["tenant"] },
];

pub(super) fn registries(document: &mut Document<'_>, acr: &file::Acr, dir: &Path) -> Option<Vec<Acr>> {
    let cloud = match acr.cloud.0.as_str() {
        "public" => AzureCloud::Public,
        "us-government" => AzureCloud::UsGovernment,
        "china" => AzureCloud::China,
        authority => AzureCloud::Custom { authority: authority.to_owned() },
    };
    let mut servers: Vec<Host> = Vec::new();
    for text in acr.login_servers.iter().map(|server| &server.0) {
        let Ok(server) = text.parse::<Host>() else { continue };
        let its = cloud_of(&server).filter(|(its, _)| *its != cloud && !matches!(cloud, AzureCloud::Custom { .. }));
        if let Some((_, its)) = its {
            let flaw = Flaw::new(format!("`{server}` is not in the cloud `{}`", acr.cloud.0));
            document.report(
                document.item("login_servers", text),
                flaw.help(format!("give `cloud = \"{its}\"`, in a file of its own if others are not")),
            );
        }
        if let Some(twin) = servers.iter().find(|other| label(other) == label(&server)) {
            let flaw = Flaw::new(format!("`{server}` and `{twin}` would both be called NAME.{}", label(&server)));
            document.report(document.item("login_servers", text), flaw.help("give one of them a file of its own"));
        }
        servers.push(server);
    }
    let identity = identity(document, acr, dir)?;
    let registry = |login_server| Acr {
        login_server,
        identity: identity.clone(),
        tenant: acr.tenant.as_ref().map(|tenant| tenant.0.clone()),
        cloud: cloud.clone(),
        audience: acr.audience.0.clone(),
        repositories: acr.repositories.iter().map(|repository| repository.0.clone()).collect(),
    };
    Some(servers.into_iter().map(registry).collect())
}

/// The first label of a login server.
pub(super) fn label(server: &Host) -> &str {
    server.as_str().split(['.', ':']).next().unwrap_or_default()
}

fn cloud_of(server: &Host) -> Option<(AzureCloud, &'static str)> {
    match server.as_str().rsplit_once(".azurecr.")?.1 {
        "io" => Some((AzureCloud::Public, "public")),
        "us" => Some((AzureCloud::UsGovernment, "us-government")),
        "cn" => Some((AzureCloud::China, "china")),
        _ => None,
    }
}

fn identity(document: &mut Document<'_>, acr: &file::Acr, dir: &Path) -> Option<AzureIdentity> {
    let client_id = || acr.client_id.as_ref().map(|id| id.0.clone());
    let name = match acr.identity {
        Identity::Workload => "workload-identity",
        Identity::Managed => "managed-identity",
        Identity::ClientSecret => "client-secret",
        Identity::DeveloperCli => "developer-cli",
    };
    chosen(document, "identity", name, &IDENTITIES);
    Some(match acr.identity {
        Identity::Workload => AzureIdentity::WorkloadIdentity {
            client_id: client_id(),
            token_file: acr.token_file.as_ref().map(|file| path(dir, file)),
        },
        Identity::Managed => AzureIdentity::ManagedIdentity(match (client_id(), &acr.resource_id) {
            (None, None) => ManagedIdentity::System,
            (Some(id), None) => ManagedIdentity::ClientId(id),
            (None, Some(id)) => ManagedIdentity::ResourceId(id.0.clone()),
            (Some(_), Some(_)) => {
                let flaw = Flaw::new("`client_id` and `resource_id` both name the managed identity");
                document.report(document.key("resource_id"), flaw.help("keep one of them"));
                return None;
            }
        }),
        Identity::ClientSecret => AzureIdentity::ClientSecret {
            client_id: client_id()?,
            client_secret_file: path(dir, acr.client_secret_file.as_ref()?),
        },
        Identity::DeveloperCli => AzureIdentity::DeveloperCli,
    })
}
