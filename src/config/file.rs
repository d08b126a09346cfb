//! The files as written. These types are the one source of truth for keys, types, bounds and defaults: the JSON
//! Schema is made from them, and every file is checked against that schema before it is read into them.
//! The comments are what an editor shows to the person who writes the file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{
    AccountId, Address, ArmId, Authority, Cron, DockerId, File, Glob, HubRepository, Labels, Lifetime, LogFilter,
    Moment, Name, Network, Region, Repository, RoleArn, SecretName, Server, SessionName, Text, Url, Uuid,
};

/// `pullmint.toml`: what holds for every registry. The file may be absent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Global {
    /// The Secret's name in every selected namespace, for all registries together. Absent: each registry has its own,
    /// `pullmint-NAME`, so that one broken registry cannot be seen in another's Secret.
    pub(super) secret: Option<SecretName>,
    /// ServiceAccounts whose `imagePullSecrets` shall name the Secret. None by default: pullmint touches no
    /// ServiceAccount unasked.
    pub(super) service_accounts: Vec<Name>,
    /// Secrets that no registry has any more: what is pullmint's under these names is removed, wherever it is. A process
    /// that sees a name leave the configuration does so by itself; one that starts later has to be told.
    pub(super) retired_secrets: Vec<SecretName>,
    /// ServiceAccounts that no registry names any more: what pullmint put into their `imagePullSecrets` is taken out.
    pub(super) retired_service_accounts: Vec<Name>,
    /// Applies in flight at the API server. 16 keep one runtime thread busy; more were no faster.
    #[schemars(range(min = 1, max = 256))]
    pub(super) concurrency: usize,
    /// Writes a second at the API server, at most. Absent: as many as it bears; when it asks for patience or grows slow,
    /// pullmint slows down by itself.
    #[schemars(range(min = 0.1, max = 10000.0))]
    pub(super) max_writes_per_second: Option<f64>,
    /// PEM file of certificate authorities trusted for registries and clouds, in addition to the system's. It is part of
    /// the configuration: what it holds anew counts while pullmint runs, and one that cannot be used is an error.
    pub(super) ca_file: Option<File>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, `off`, or directives by module. Absent: what the
    /// command line says. It takes effect while pullmint runs.
    pub(super) log: Option<LogFilter>,
    /// Which namespaces get the Secrets.
    pub(super) namespaces: Namespaces,
    /// Where `pullmint run` serves metrics, health and its status page.
    pub(super) admin: Admin,
    /// Whether `pullmint run` looks into images that do not pull.
    pub(super) pulls: Pulls,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            secret: None,
            service_accounts: Vec::new(),
            retired_secrets: Vec::new(),
            retired_service_accounts: Vec::new(),
            concurrency: 16,
            max_writes_per_second: None,
            ca_file: None,
            log: None,
            namespaces: Namespaces::default(),
            admin: Admin::default(),
            pulls: Pulls::default(),
        }
    }
}

/// Where `pullmint run` serves metrics, health and its status page, and to whom.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct Admin {
    /// The address and port. `[::]` stands for every address of the machine, those of IPv4 too.
    pub(super) listen: Address,
    /// PEM file of the certificate, its chain below it. With it, HTTPS is spoken; the file is read anew when it
    /// changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls_certificate_file: Option<File>,
    /// PEM file of the certificate's private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls_key_file: Option<File>,
    /// Whether metrics and status ask for a token of the cluster: its owner must be allowed to `get` the path. Health
    /// stays open, for the kubelet has no token.
    pub(super) authenticate: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: "[::]:8080".into(), tls_certificate_file: None, tls_key_file: None, authenticate: false }
    }
}

/// Whether `pullmint run` looks into images that do not pull, whom it asks, and what it does about them.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct Pulls {
    /// Whether the leader watches Pending pods, finds out why their images do not pull, and tells: in metrics, Events
    /// and the status. It needs rights of its own, which `pullmint rbac` then prints.
    pub(super) explain: bool,
    /// Networks of registries with private addresses, as `10.20.0.0/16`. Others are not asked: whoever makes a pod
    /// chooses the name of its image, and could have pullmint knock at any door inside.
    pub(super) private_networks: Vec<Network>,
    /// Whether pull Secrets of any name are read where a pod names them. By default only Secrets of pullmint's own
    /// names are; with it, pullmint may `get` every Secret of the cluster.
    pub(super) read_all_secrets: bool,
    /// Whether a pod is deleted that waits for a credential which is renewed by now, so that the new one pulls at once
    /// and not at the end of the kubelet's back-off. Only with `explain`, only what a ReplicaSet, StatefulSet, DaemonSet
    /// or ReplicationController makes again, and only where no container runs.
    pub(super) recover: bool,
    /// So many pods a minute, at most.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) recoveries_per_minute: usize,
}

impl Default for Pulls {
    fn default() -> Self {
        Self {
            explain: false,
            private_networks: Vec::new(),
            read_all_secrets: false,
            recover: false,
            recoveries_per_minute: 10,
        }
    }
}

/// Which namespaces: included by a glob, not excluded by one, and matching the selector.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct Namespaces {
    /// Globs of names. All by default.
    pub(super) include: Vec<Glob>,
    /// Globs of names, stronger than `include`. The cluster's own namespaces by default.
    pub(super) exclude: Vec<Glob>,
    /// A Kubernetes label selector, as in `kubectl get -l`. Empty selects all.
    pub(super) selector: Labels,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self { include: vec!["*".into()], exclude: vec!["kube-*".into()], selector: "".into() }
    }
}

/// Which namespaces, for this registry: each key given here takes the place of the one in `pullmint.toml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct NamespaceOverrides {
    /// Globs of names.
    pub(super) include: Option<Vec<Glob>>,
    /// Globs of names, stronger than `include`.
    pub(super) exclude: Option<Vec<Glob>>,
    /// A Kubernetes label selector, as in `kubectl get -l`. Empty selects all.
    pub(super) selector: Option<Labels>,
}

/// `NAME.toml`: one registry, called NAME.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "provider", rename_all = "kebab-case")]
pub(super) enum Registry {
    /// Azure Container Registry.
    Acr(Acr),
    /// Docker Hub.
    DockerHub(DockerHub),
    /// Amazon ECR.
    Ecr(Ecr),
    /// Amazon ECR Public.
    EcrPublic(EcrPublic),
}

impl Registry {
    /// The keys that every registry has.
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Acr(Acr { common, .. })
            | Self::DockerHub(DockerHub { common, .. })
            | Self::Ecr(Ecr { common, .. })
            | Self::EcrPublic(EcrPublic { common, .. }) => common,
        }
    }
}

/// The keys that every registry has.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Common {
    /// The Secret's name. Default: the one in `pullmint.toml`, else `pullmint-NAME`.
    pub(super) secret: Option<SecretName>,
    /// ServiceAccounts whose `imagePullSecrets` shall name the Secret. Default: those in `pullmint.toml`.
    pub(super) service_accounts: Option<Vec<Name>>,
    /// A cron expression in UTC, with five fields or with seconds in front. A tick means "renew now", in addition to
    /// the renewal before expiry, which needs no schedule. A day of the month and a weekday must both hold.
    pub(super) schedule: Option<Cron>,
    /// The part of a credential's life after which it is renewed. Half leaves as much time for retries as was used.
    #[serde(default = "half")]
    #[schemars(range(min = 0.1, max = 0.9))]
    pub(super) renew_at: f64,
    /// Whether a new credential is tried at the registry before it takes the place of one that still works.
    #[serde(default = "yes")]
    pub(super) verify: bool,
    /// Which namespaces, where it differs from `pullmint.toml`.
    #[serde(default)]
    pub(super) namespaces: NamespaceOverrides,
}

fn half() -> f64 {
    0.5
}

fn yes() -> bool {
    true
}

/// Azure Container Registry.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Acr {
    #[serde(flatten)]
    pub(super) common: Common,
    /// The registries' login servers, as the portal shows them. With several, each is a registry of its own called
    /// NAME.LABEL, LABEL being the server's first label.
    #[schemars(length(min = 1))]
    pub(super) login_servers: Vec<Server>,
    /// Who pullmint is to Entra ID.
    pub(super) identity: Identity,
    /// The application's or managed identity's client id. Default: the one that the AKS webhook injects.
    pub(super) client_id: Option<Text>,
    /// A user-assigned managed identity, by its resource id instead of its client id.
    pub(super) resource_id: Option<ArmId>,
    /// The file that holds the application's secret, read anew at each mint.
    pub(super) client_secret_file: Option<File>,
    /// The projected ServiceAccount token. Default: the file that the AKS webhook names.
    pub(super) token_file: Option<File>,
    /// The tenant's id or domain. Default: the one that the AKS webhook injects; `client-secret` has none.
    pub(super) tenant: Option<Text>,
    /// Which Entra ID: `public`, `us-government`, `china`, or the https URL of another authority.
    #[serde(default)]
    pub(super) cloud: Authority,
    /// The scope asked for. The default is right in every cloud; registries may refuse the older ARM audiences.
    #[serde(default)]
    pub(super) audience: Audience,
    /// Pull-only access to these repositories, by a token of about 75 minutes. Empty: about 3 hours of whatever the
    /// identity may do. Wildcards do not exist here.
    #[serde(default)]
    pub(super) repositories: Vec<Repository>,
}

/// The scope asked for at Entra ID.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(inline, extend("format" = "text"))]
pub(super) struct Audience(pub(super) String);

impl Default for Audience {
    fn default() -> Self {
        Self("https://containerregistry.azure.net/.default".to_owned())
    }
}

/// Who pullmint is to Entra ID.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Identity {
    /// A projected ServiceAccount token, exchanged at Entra ID (AKS).
    #[serde(rename = "workload-identity")]
    Workload,
    /// The node's managed identity; system-assigned without `client_id` and `resource_id`.
    #[serde(rename = "managed-identity")]
    Managed,
    /// An application's secret in a file.
    ClientSecret,
    /// `az` or `azd` on a developer's machine.
    DeveloperCli,
}

/// Docker Hub.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct DockerHub {
    #[serde(flatten)]
    pub(super) common: Common,
    /// How the token comes about.
    pub(super) source: Source,
    /// The Docker ID, not the e-mail address; with `token-file` it may be the organization of an organization's token.
    pub(super) username: Option<DockerId>,
    /// The organization that owns the tokens.
    pub(super) organization: Option<DockerId>,
    /// The file that holds the token: with `token-file` the pull token, with `oidc` the token to exchange. Read anew
    /// at each mint.
    pub(super) token_file: Option<File>,
    /// When the token in `token_file` expires, as its maker said: pullmint warns before. Absent: never.
    pub(super) expires_at: Option<Moment>,
    /// The file that holds the account's password, read anew at each mint. It must be the password: a token cannot
    /// make tokens.
    pub(super) password_file: Option<File>,
    /// What a minted organization token may pull: `ORG/REPO`, `ORG/*` or `*/*/public`; at most 50.
    #[schemars(length(min = 1, max = 50))]
    pub(super) repositories: Option<Vec<HubRepository>>,
    /// How long a minted token lives. Default: 24h, and 1h with `oidc`: Docker takes very many tokens for abuse. At
    /// least 30s and at most 365 days; with `oidc`, 5m to 6h, which are Docker's bounds.
    pub(super) lifetime: Option<Lifetime>,
    /// The prefix of the labels by which pullmint knows its own tokens when it deletes expired ones. Default:
    /// `pullmint`. Give each of several pullmints with one account another.
    pub(super) label: Option<Text>,
    /// The UUID of the organization's OIDC connection.
    pub(super) connection_id: Option<Uuid>,
}

/// How a Docker Hub token comes about.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Source {
    /// Someone else made a personal or organization access token and keeps it in a file.
    TokenFile,
    /// pullmint mints and revokes organization access tokens.
    OrganizationToken,
    /// pullmint mints and revokes personal access tokens with the scope `repo:read`.
    PersonalToken,
    /// A projected token is exchanged at an OIDC connection of the organization.
    Oidc,
}

/// Amazon ECR: one identity in one region. AWS keys never stand here: they come from the SDK's own chain
/// (environment, profile, IRSA, Pod Identity, container, instance).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Ecr {
    #[serde(flatten)]
    pub(super) common: Common,
    /// The AWS region, as `eu-west-1`. A token opens the registries of one region only.
    pub(super) region: Region,
    /// The accounts whose registries the Secret shall open, by their 12 digits.
    #[serde(default)]
    pub(super) accounts: Vec<AccountId>,
    /// Whether images are also pulled by the FIPS host names, `ACCOUNT.dkr.ecr-fips.REGION…`.
    #[serde(default)]
    pub(super) fips: bool,
    /// Whether images are also pulled by the dual-stack host names, `ACCOUNT.dkr-ecr.REGION.on.aws`.
    #[serde(default)]
    pub(super) dual_stack: bool,
    /// Other hosts that the same token opens, as a company's own name for its registry.
    #[serde(default)]
    pub(super) extra_hosts: Vec<Server>,
    #[serde(flatten)]
    pub(super) role: Role,
}

/// Amazon ECR Public, always in us-east-1.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct EcrPublic {
    #[serde(flatten)]
    pub(super) common: Common,
    /// Whether images are also pulled by the dual-stack host name, `ecr-public.aws.com`.
    #[serde(default)]
    pub(super) dual_stack: bool,
    #[serde(flatten)]
    pub(super) role: Role,
}

/// How AWS is asked, and as whom.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Role {
    /// A role to assume with the identity that the SDK finds. Default: that identity itself.
    pub(super) role_arn: Option<RoleArn>,
    /// The external id that the role's trust policy demands.
    pub(super) external_id: Option<Text>,
    /// The session's name, as CloudTrail shows it. Default: `pullmint`.
    pub(super) session_name: Option<SessionName>,
    /// Another API endpoint, as a PrivateLink one. Default: the region's own.
    pub(super) endpoint: Option<Url>,
}
