//! Which emulated service a host name and a path mean. The names are the production ones.

use super::Service;
use super::call::Call;
use super::seed;

/// Suffixes of ECR's API and registry names: the `aws` partition, China, the dual-stack forms of both.
const AWS_SUFFIXES: [&str; 6] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".on.aws",
    ".on.amazonwebservices.com.cn",
];

/// A host of the emulated internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The global name has no region of its own.
    Sts(Option<String>),
    Ecr(String),
    EcrPublicApi,
    EcrPublic,
    EcrRegistry {
        account: String,
        region: String,
    },
    Entra,
    /// Where an administrator manages resources.
    ResourceManager,
    /// Where an administrator manages the tenant's directory.
    Graph,
    Acr(String),
    HubApi,
    HubIdentity,
    HubAuth,
    HubRegistry,
    /// Loopback and link-local addresses: services without a public name, and AWS by endpoint override.
    Local,
}

impl Place {
    /// The place a host name (without port) means, if it is part of this internet.
    pub(crate) fn of(host: &str) -> Option<Self> {
        Some(match host {
            "hub.docker.com" => Self::HubApi,
            "identity.docker.com" => Self::HubIdentity,
            "auth.docker.io" => Self::HubAuth,
            "registry-1.docker.io" | "index.docker.io" | "docker.io" => Self::HubRegistry,
            "public.ecr.aws" | "ecr-public.aws.com" => Self::EcrPublic,
            "sts.amazonaws.com" => Self::Sts(None),
            "management.azure.com" => Self::ResourceManager,
            "graph.microsoft.com" => Self::Graph,
            "127.0.0.1" | "localhost" | "169.254.169.254" | "169.254.170.23" => Self::Local,
            _ if seed::AUTHORITIES.contains(&host) => Self::Entra,
            _ if seed::LOGIN_SERVERS.contains(&host) => Self::Acr(host.to_owned()),
            _ => Self::of_aws(host)?,
        })
    }

    fn of_aws(host: &str) -> Option<Self> {
        let stem = AWS_SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix))?;
        let labels: Vec<_> = stem.split('.').collect();
        Some(match labels.as_slice() {
            ["api", "ecr-public", "us-east-1"] | ["ecr-public", "us-east-1"] => Self::EcrPublicApi,
            ["api", "ecr" | "ecr-fips", region] | ["ecr" | "ecr-fips", region] => Self::Ecr((*region).to_owned()),
            ["sts" | "sts-fips", region] => Self::Sts(Some((*region).to_owned())),
            [account, "dkr", "ecr" | "ecr-fips", region] | [account, "dkr-ecr" | "dkr-ecr-fips", region]
                if account.len() == 12 =>
            {
                Self::EcrRegistry { account: (*account).to_owned(), region: (*region).to_owned() }
            }
            _ => return None,
        })
    }

    /// The service that a call at this place is for.
    pub(crate) fn service(&self, call: &Call) -> Option<Service> {
        let path = call.path.trim_end_matches('/');
        let registry = path == "/v2" || path.starts_with("/v2/");
        Some(match self {
            Self::Sts(_) => Service::Sts,
            Self::Ecr(_) => Service::Ecr,
            Self::EcrPublicApi => Service::EcrPublic,
            Self::EcrPublic if registry => Service::EcrPublicRegistry,
            Self::EcrPublic if path == "/token" => Service::EcrPublicToken,
            Self::EcrRegistry { .. } => Service::EcrRegistry,
            Self::Entra => Service::Entra,
            Self::Acr(_) if registry => Service::AcrRegistry,
            Self::Acr(_) if path == "/oauth2/exchange" => Service::AcrExchange,
            Self::Acr(_) if path == "/oauth2/token" => Service::AcrToken,
            Self::HubApi if path == "/v2/auth/token" => Service::HubLogin,
            Self::HubApi => Service::HubTokens,
            Self::HubIdentity if path == "/oauth/token" => Service::HubOidc,
            Self::HubAuth if path == "/token" => Service::HubToken,
            Self::HubRegistry => Service::HubRegistry,
            Self::Local => local(call)?,
            Self::EcrPublic | Self::Acr(_) | Self::HubIdentity | Self::HubAuth => return None,
            Self::ResourceManager | Self::Graph => return None,
        })
    }

    /// Under which name the registry's repositories are kept in the one real registry behind all of them.
    pub(crate) fn shelf(&self) -> Option<String> {
        Some(match self {
            // FIPS and dual-stack names are other doors to the same registry.
            Self::EcrRegistry { account, region } => format!("{account}.dkr.ecr.{region}.amazonaws.com"),
            Self::EcrPublic => "public.ecr.aws".to_owned(),
            Self::Acr(server) => server.clone(),
            Self::HubRegistry => "docker.io".to_owned(),
            _ => return None,
        })
    }
}

/// Loopback serves several clouds at once: a path or AWS's own target header tells which is meant.
fn local(call: &Call) -> Option<Service> {
    let target = call.header("x-amz-target");
    Some(match call.path.as_str() {
        "/v1/credentials" => Service::PodIdentity,
        "/msi/token" | "/metadata/identity/oauth2/token" => Service::ManagedIdentity,
        _ if target.starts_with("AmazonEC2ContainerRegistry") => Service::Ecr,
        _ if target.starts_with("SpencerFrontendService") => Service::EcrPublic,
        _ if call.form().opt("Action").is_some() => Service::Sts,
        _ => return None,
    })
}
