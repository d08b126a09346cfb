//! The configuration as it is meant: complete, checked, with defaults applied. Nothing here is optional
//! unless its absence means something.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::network::Network;
use crate::registry::{Host, RegistryName};

/// The Secret of pullmint's own namespace in which it keeps its state. No Secret for pulling has this name.
pub const STATE_SECRET: &str = "pullmint-state";

/// Everything pullmint was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// One per registry file, in the order of their names. An ACR file with several login servers counts once each.
    pub registries: Vec<Registry>,
    /// Names that are configured no more.
    pub retired: Retired,
    /// Applies in flight at the API server.
    pub concurrency: usize,
    /// Writes a second at the API server, at most; `None`: as many as it bears.
    pub max_writes_per_second: Option<f64>,
    /// PEM file of additional certificate authorities trusted for registries and clouds.
    pub ca_file: Option<PathBuf>,
    /// What is logged; `None`: what the command line says.
    pub log: Option<String>,
    /// Where metrics, health and status are served.
    pub admin: Admin,
    /// Whether, and how, images that do not pull are looked into.
    pub pulls: Pulls,
}

/// Names that are configured no more, under which nothing of pullmint's is to be left. Of one that a registry has all the
/// same, this says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// Of Secrets.
    pub secrets: Vec<String>,
    /// Of ServiceAccounts.
    pub service_accounts: Vec<String>,
}

/// Where metrics, health and status are served, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The address and port.
    pub listen: SocketAddr,
    /// HTTPS instead of HTTP.
    pub tls: Option<TlsFiles>,
    /// Whether metrics and status ask for a token of the cluster whose owner may `get` the path.
    pub authenticate: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: (Ipv6Addr::UNSPECIFIED, 8080).into(), tls: None, authenticate: false }
    }
}

/// Who the server is, in files that are read anew when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Whether, and how, images that do not pull are looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulls {
    /// Whether they are at all.
    pub explain: bool,
    /// Networks of private addresses where registries may be asked.
    pub private_networks: Vec<Network>,
    /// Whether Secrets are read that are not of pullmint's own names.
    pub read_all_secrets: bool,
    /// Pods that are deleted in a minute, at most, because a credential they waited for is renewed; `None`: none are.
    pub recoveries_per_minute: Option<usize>,
}

/// One credential: where it comes from, and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Registry {
    /// The file's stem; for one of several ACR login servers `STEM.LABEL`, LABEL being the server's first label.
    pub name: RegistryName,
    /// Who mints, and how.
    pub provider: ProviderSettings,
    /// The Secret's name in every selected namespace.
    pub secret: String,
    /// Which namespaces get it.
    pub namespaces: NamespaceSelection,
    /// ServiceAccounts whose `imagePullSecrets` shall name the Secret. Empty: none are touched.
    pub service_accounts: Vec<String>,
    /// When to renew.
    pub renewal: Renewal,
    /// Whether a new credential is tried at the registry before it is published.
    pub verify: bool,
}

/// When to renew.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewal {
    /// The part of the life after which a new credential is minted: 0 < at < 1. Default 0.5.
    pub at: f64,
    /// An additional cron schedule (six fields, seconds first; UTC; the configuration completes five). A tick means "renew now".
    pub schedule: Option<String>,
}

/// Which namespaces: included by a glob, not excluded by one, and matching the selector.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceSelection {
    /// Globs of names. Default `["*"]`.
    pub include: Vec<String>,
    /// Globs of names. Default `["kube-*"]`.
    pub exclude: Vec<String>,
    /// A Kubernetes label selector (`team=web,env in (dev,prod),!legacy`); empty selects all.
    pub selector: String,
}

/// Who mints, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderSettings {
    /// Azure Container Registry.
    Acr(Acr),
    /// Docker Hub.
    DockerHub(DockerHub),
    /// Amazon ECR.
    Ecr(Ecr),
    /// Amazon ECR Public.
    EcrPublic(EcrPublic),
}

impl ProviderSettings {
    /// The name, as in the files' `provider`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acr(_) => "acr",
            Self::DockerHub(_) => "docker-hub",
            Self::Ecr(_) => "ecr",
            Self::EcrPublic(_) => "ecr-public",
        }
    }
}

/// Azure Container Registry: one login server.
#[derive(Clone, Debug, PartialEq)]
pub struct Acr {
    /// `acme.azurecr.io`.
    pub login_server: Host,
    /// Who we are to Entra ID.
    pub identity: AzureIdentity,
    /// Sent along with the exchange, and where the token is asked for.
    pub tenant: Option<String>,
    /// Which Entra ID.
    pub cloud: AzureCloud,
    /// The scope asked for. Default `https://containerregistry.azure.net/.default`.
    pub audience: String,
    /// Pull-only access to these repositories, by an access token of about 75 minutes; empty: a refresh token of
    /// about 3 hours for whatever the identity may do.
    pub repositories: Vec<String>,
}

/// Who we are to Entra ID.
#[derive(Clone, Debug, PartialEq)]
pub enum AzureIdentity {
    /// A projected ServiceAccount token, exchanged at Entra ID (AKS). Absent fields come from the variables that
    /// the AKS webhook injects: `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`, `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity {
        /// The application's id.
        client_id: Option<String>,
        /// The projected token's file.
        token_file: Option<PathBuf>,
    },
    /// The node's managed identity.
    ManagedIdentity(ManagedIdentity),
    /// An application's secret, in a file that is read anew at each mint. Needs a tenant.
    ClientSecret {
        /// The application's id.
        client_id: String,
        /// The file that holds the secret.
        client_secret_file: PathBuf,
    },
    /// `az` or `azd` on a developer's machine.
    DeveloperCli,
}

/// Which managed identity.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagedIdentity {
    /// The system-assigned one.
    System,
    /// A user-assigned one, by its client id.
    ClientId(String),
    /// A user-assigned one, by its resource id.
    ResourceId(String),
}

/// Which Entra ID.
#[derive(Clone, Debug, PartialEq)]
pub enum AzureCloud {
    /// `login.microsoftonline.com`.
    Public,
    /// `login.microsoftonline.us`.
    UsGovernment,
    /// `login.chinacloudapi.cn`.
    China,
    /// Another authority host, https only.
    Custom {
        /// `https://login.example.com`.
        authority: String,
    },
}

/// Docker Hub.
#[derive(Clone, Debug, PartialEq)]
pub struct DockerHub {
    /// How the token comes about.
    pub source: DockerHubSource,
}

/// How a Docker Hub token comes about.
#[derive(Clone, Debug, PartialEq)]
pub enum DockerHubSource {
    /// A personal or organization access token that someone else made, in a file that is read anew at each "mint".
    TokenFile {
        /// The Docker ID, or the organization's name for an organization's token.
        username: String,
        /// The file that holds the token.
        token_file: PathBuf,
        /// When its maker said that it expires.
        expires_at: Option<jiff::Timestamp>,
    },
    /// Organization access tokens, minted and revoked by pullmint.
    OrganizationToken {
        /// The organization.
        organization: String,
        /// Who mints.
        login: DockerHubLogin,
        /// `ORG/REPO`, `ORG/*` or `*/*/public`; 1 to 50 of them.
        repositories: Vec<String>,
        /// How long each lives.
        lifetime: Duration,
        /// The prefix of the label by which pullmint knows its own.
        label: String,
    },
    /// Personal access tokens with scope `repo:read`, minted and revoked by pullmint.
    PersonalToken {
        /// Who mints, and whose tokens they are.
        login: DockerHubLogin,
        /// How long each lives.
        lifetime: Duration,
        /// The prefix of the label by which pullmint knows its own.
        label: String,
    },
    /// An exchange of a projected token at an OIDC connection of the organization.
    Oidc {
        /// The organization: the user name in the Secret.
        organization: String,
        /// The connection's UUID.
        connection_id: String,
        /// The file that holds the subject token, read anew at each mint.
        token_file: PathBuf,
        /// 300 to 21600 seconds.
        lifetime: Duration,
    },
}

/// Who mints at Docker Hub: an account with a password, since a token cannot make tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct DockerHubLogin {
    /// The Docker ID, not the e-mail address.
    pub username: String,
    /// The file that holds the password, read anew at each mint.
    pub password_file: PathBuf,
}

/// Amazon ECR: one identity in one region.
#[derive(Clone, Debug, PartialEq)]
pub struct Ecr {
    /// `eu-west-1`.
    pub region: String,
    /// Every key of the Secret: configured accounts times host forms, and the extra hosts. Never empty.
    pub hosts: Vec<Host>,
    /// Role to assume, and how.
    pub role: Option<AwsRole>,
    /// Another API endpoint for ECR.
    pub endpoint: Option<url::Url>,
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsRole {
    /// `arn:aws:iam::123456789012:role/puller`.
    pub arn: String,
    /// Demanded by the role's trust policy.
    pub external_id: Option<String>,
    /// Shown in CloudTrail. Default `pullmint`.
    pub session_name: String,
}

/// Amazon ECR Public, always in us-east-1.
#[derive(Clone, Debug, PartialEq)]
pub struct EcrPublic {
    /// Every key of the Secret: `public.ecr.aws`, with dual-stack also `ecr-public.aws.com`.
    pub hosts: Vec<Host>,
    /// Role to assume, and how.
    pub role: Option<AwsRole>,
    /// Another API endpoint for ECR Public.
    pub endpoint: Option<url::Url>,
}
