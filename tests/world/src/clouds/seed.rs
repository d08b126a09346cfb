//! Who exists in the emulated clouds, and what a client needs to be one of them. Every secret says CANARY, so
//! that one search finds any that leaked.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Clouds;
use crate::internet::Internet;

/// The account that owns the access key, and a second one whose repositories it may pull too.
pub const AWS_ACCOUNT: &str = "123456789012";
/// See [`AWS_ACCOUNT`].
pub const AWS_SECOND_ACCOUNT: &str = "210987654321";
/// A user's access key.
pub const AWS_ACCESS_KEY_ID: &str = "AKIACANARYKEY0000001";
/// The secret of [`AWS_ACCESS_KEY_ID`].
pub const AWS_SECRET_ACCESS_KEY: &str = "CANARY/aws+secret/access/key/0123456789ab";
/// The role that web identity and Pod Identity lead to; the access key may assume it too.
pub const AWS_ROLE: &str = "arn:aws:iam::123456789012:role/pullmint";
/// A role of the second account, which asks for [`AWS_EXTERNAL_ID`].
pub const AWS_SECOND_ROLE: &str = "arn:aws:iam::210987654321:role/acme-pull";
/// See [`AWS_SECOND_ROLE`].
pub const AWS_EXTERNAL_ID: &str = "acme-external-id";

/// The Azure tenant.
pub const AZURE_TENANT: &str = "72f988bf-0000-4000-8000-0000000000ac";
/// The application, and the user-assigned managed identity, of that tenant.
pub const AZURE_CLIENT: &str = "11111111-2222-4333-8444-555555555555";
/// The application's secret.
pub const AZURE_SECRET: &str = "CANARY~azure.client-secret";
/// The subscription that the application may administrate.
pub const AZURE_SUBSCRIPTION: &str = "0b1f6471-0000-4000-8000-0000000000ac";
/// A secret of the application that ran out last year.
pub const AZURE_EXPIRED_SECRET: &str = "CANARY~azure.expired-secret";
/// What `X-IDENTITY-HEADER` must carry.
pub const AZURE_IDENTITY_HEADER: &str = "CANARY-azure-identity-header";
/// Resource id of the user-assigned managed identity.
pub const AZURE_IDENTITY_ID: &str =
    "/subscriptions/0/resourceGroups/acme/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pullmint";
/// The registries of the tenant.
pub const LOGIN_SERVERS: [&str; 4] = ["acme.azurecr.io", "other.azurecr.io", "acme.azurecr.us", "acme.azurecr.cn"];
pub(crate) const AUTHORITIES: [&str; 3] =
    ["login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn"];

/// The Docker Hub organization; its namespace is private.
pub const HUB_ORG: &str = "acme";
/// An owner of the organization.
pub const HUB_OWNER: &str = "acme-owner";
/// The owner's password.
pub const HUB_PASSWORD: &str = "CANARY hub:owner pässword\"";
/// A member without owner's rights; the password is [`HUB_PASSWORD`] for all of these.
pub const HUB_MEMBER: &str = "acme-member";
/// An owner whose login wants a second factor.
pub const HUB_2FA: &str = "acme-2fa";
/// An owner whose organization enforces single sign-on.
pub const HUB_SSO: &str = "acme-sso";
/// A personal token of [`HUB_OWNER`] that somebody made by hand.
pub const HUB_PERSONAL_TOKEN: &str = "dckr_pat_CANARY_made_by_hand";
/// An organization token that somebody made by hand.
pub const HUB_ORG_TOKEN: &str = "dckr_oat_CANARY_made_by_hand";
/// The OIDC connection of the organization.
pub const HUB_CONNECTION: &str = "c0ffee00-0000-4000-8000-0000000000ac";

/// Who issues the emulated cluster's service-account tokens.
pub const ISSUER: &str = "https://oidc.cluster.example";
/// Whom the clouds' federations trust.
pub const SUBJECT: &str = "system:serviceaccount:pullmint:pullmint";
/// Audience of a token for AssumeRoleWithWebIdentity.
pub const AUDIENCE_STS: &str = "sts.amazonaws.com";
/// Audience of a token for EKS Pod Identity.
pub const AUDIENCE_POD_IDENTITY: &str = "pods.eks.amazonaws.com";
/// Audience of a token for Entra's workload identity federation.
pub const AUDIENCE_ENTRA: &str = "api://AzureADTokenExchange";
/// Audience of a token for Docker Hub's OIDC exchange.
pub const AUDIENCE_HUB: &str = "https://identity.docker.com";

/// The secret files of a client.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Files {
    pub aws_web_identity_token: PathBuf,
    pub aws_pod_identity_token: PathBuf,
    pub azure_client_secret: PathBuf,
    pub azure_federated_token: PathBuf,
    pub hub_password: PathBuf,
    pub hub_personal_token: PathBuf,
    pub hub_org_token: PathBuf,
    pub hub_oidc_token: PathBuf,
}

impl Files {
    /// Writes one file for each secret; the projected tokens live a day.
    pub(super) fn write(clouds: &Clouds, dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let write = |name: &str, content: &str| {
            let path = dir.join(name);
            std::fs::write(&path, content).map(|()| path)
        };
        let token = |audience| clouds.service_account_token(audience, SUBJECT, Duration::from_secs(86_400));
        Ok(Self {
            aws_web_identity_token: write("aws-web-identity-token", &token(AUDIENCE_STS))?,
            aws_pod_identity_token: write("aws-pod-identity-token", &token(AUDIENCE_POD_IDENTITY))?,
            azure_client_secret: write("azure-client-secret", AZURE_SECRET)?,
            azure_federated_token: write("azure-federated-token", &token(AUDIENCE_ENTRA))?,
            hub_password: write("hub-password", HUB_PASSWORD)?,
            hub_personal_token: write("hub-personal-token", HUB_PERSONAL_TOKEN)?,
            hub_org_token: write("hub-org-token", HUB_ORG_TOKEN)?,
            hub_oidc_token: write("hub-oidc-token", &token(AUDIENCE_HUB))?,
        })
    }
}

/// How a client proves to a cloud who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `AWS_ACCESS_KEY_ID` and its secret.
    AwsKeys,
    /// IRSA.
    AwsWebIdentity,
    /// EKS Pod Identity.
    AwsPodIdentity,
    /// Azure workload identity as its webhook injects it.
    AzureWorkload,
    /// App Service style managed identity.
    AzureManaged,
    /// Managed identity by a virtual machine's metadata service, whose fixed address only a proxy can redirect.
    AzureMetadata,
}

impl Identity {
    /// The environment that gives a client this identity, beside [`Internet::env`].
    pub fn env(self, files: &Files, internet: &Internet) -> Vec<(&'static str, String)> {
        let file = |path: &Path| path.display().to_string();
        let mut env = match self {
            Self::AwsKeys => vec![
                ("AWS_ACCESS_KEY_ID", AWS_ACCESS_KEY_ID.to_owned()),
                ("AWS_SECRET_ACCESS_KEY", AWS_SECRET_ACCESS_KEY.to_owned()),
            ],
            Self::AwsWebIdentity => vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", file(&files.aws_web_identity_token)),
                ("AWS_ROLE_ARN", AWS_ROLE.to_owned()),
            ],
            Self::AwsPodIdentity => vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", internet.loopback_url())),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file(&files.aws_pod_identity_token)),
            ],
            Self::AzureWorkload => vec![
                ("AZURE_CLIENT_ID", AZURE_CLIENT.to_owned()),
                ("AZURE_TENANT_ID", AZURE_TENANT.to_owned()),
                ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/".to_owned()),
                ("AZURE_FEDERATED_TOKEN_FILE", file(&files.azure_federated_token)),
            ],
            Self::AzureManaged => vec![
                ("IDENTITY_ENDPOINT", format!("{}/msi/token", internet.loopback_url())),
                ("IDENTITY_HEADER", AZURE_IDENTITY_HEADER.to_owned()),
            ],
            Self::AzureMetadata => vec![("HTTP_PROXY", internet.proxy_url()), ("http_proxy", internet.proxy_url())],
        };
        if matches!(self, Self::AwsKeys | Self::AwsWebIdentity | Self::AwsPodIdentity) {
            // The machine's own profile and its metadata service are no part of a test.
            env.push(("AWS_EC2_METADATA_DISABLED", "true".to_owned()));
            env.push(("AWS_CONFIG_FILE", "/dev/null".to_owned()));
            env.push(("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()));
        }
        env
    }
}
