//! Amazon ECR and ECR Public: the AWS SDK finds an identity, may assume a role, and asks for a token.
//!
//! The SDK's configuration is built for each mint, twice a day. Thus profiles, web identity tokens and Pod Identity
//! tokens are read anew, and no cache of the SDK outlives a change of them.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_types::DateTime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use super::verify::{Target, verify};
use super::{MintError, Outside, Provider, Reason, quietly};
use crate::config::settings::{AwsRole, Ecr, EcrPublic};
use crate::credential::{Credential, Expiry};
use crate::registry::Host;

pub mod connector;
pub mod refusal;

use connector::{Connector, Witness};

/// ECR Public's API answers here only, wherever the images are pulled.
const PUBLIC_REGION: &str = "us-east-1";

const DENIED: &str = "allow ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and ecr:BatchCheckLayerAvailability, and check \
                      that the configured accounts and region are those of the registry";

/// Mints tokens for one identity in one region.
#[derive(Debug)]
pub struct EcrProvider {
    outside: Outside,
    api: Api,
    region: String,
    hosts: Vec<Host>,
    role: Option<AwsRole>,
    endpoint: Option<Url>,
}

/// Which of the two services, that differ in name and in little else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `ecr:GetAuthorizationToken`.
    Private,
    /// `ecr-public:GetAuthorizationToken`.
    Public,
}

impl EcrProvider {
    /// For ECR.
    #[must_use]
    pub fn private(settings: &Ecr, outside: Outside) -> Self {
        let Ecr { region, hosts, role, endpoint } = settings.clone();
        Self { outside, api: Api::Private, region, hosts, role, endpoint }
    }

    /// For ECR Public.
    #[must_use]
    pub fn public(settings: &EcrPublic, outside: Outside) -> Self {
        let EcrPublic { hosts, role, endpoint } = settings.clone();
        Self { outside, api: Api::Public, region: PUBLIC_REGION.to_owned(), hosts, role, endpoint }
    }

    async fn authorize(&self, witness: &Arc<Witness>) -> Result<Credential, MintError> {
        let config = self.identify(witness).await?;
        let (token, expires_at) = self.ask(&config, witness).await?;
        let attempt = self.attempt();
        let garbage = |what: &'static str| {
            MintError::new(Reason::Unexpected, attempt.clone(), "check that the endpoint is that of ECR")
                .caused_by(what)
        };
        let expiry = expires_at.as_ref().and_then(timestamp).ok_or_else(|| garbage("the token has no expiry"))?;
        let token = token.map(Zeroizing::new).ok_or_else(|| garbage("there is no token in the answer"))?;
        let login = STANDARD.decode(token.as_bytes()).map(Zeroizing::new);
        let login = login.map_err(|_| garbage("the token is not base64"))?;
        let login = str::from_utf8(&login).map_err(|_| garbage("the token is not text"))?;
        let (username, password) = login.split_once(':').ok_or_else(|| garbage("the token is no user:password"))?;
        Ok(Credential {
            username: username.to_owned(),
            password: SecretString::from(password),
            expiry: Expiry::At(expiry),
            handle: None,
        })
    }

    /// Finds an identity, assumes the role if there is one, and leaves its keys in the configuration.
    async fn identify(&self, witness: &Arc<Witness>) -> Result<SdkConfig, MintError> {
        let patience = self.outside.http.patience();
        let base = aws_config::defaults(BehaviorVersion::latest())
            .env(self.outside.env.clone())
            .http_client(Connector::new(self.outside.http.clone(), Arc::clone(witness)))
            .region(Region::new(self.region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(patience).build())
            // It gives up after five seconds without a byte and calls that a bad answer; pullmint's client has
            // time-outs of its own.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .load()
            .await;
        let attempt = "find an AWS identity";
        let chain = base.credentials_provider().ok_or_else(|| refusal::nobody(attempt))?;
        let keys = chain.provide_credentials().await.map_err(|error| refusal::identity(attempt, &error, witness))?;
        let base = base.into_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build();

        let Some(role) = &self.role else {
            return Ok(base);
        };
        let mut assume = AssumeRoleProvider::builder(&role.arn).session_name(&role.session_name).configure(&base);
        if let Some(external_id) = &role.external_id {
            assume = assume.external_id(external_id);
        }
        let assumed = assume.build().await.provide_credentials().await;
        let keys = assumed.map_err(|error| refusal::role(role, &error, witness))?;
        Ok(base.into_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build())
    }

    /// Asks for the token: base64 of `AWS:PASSWORD`, and its end.
    async fn ask(
        &self,
        config: &SdkConfig,
        witness: &Witness,
    ) -> Result<(Option<String>, Option<DateTime>), MintError> {
        let endpoint = self.endpoint.as_ref().map(|url| url.as_str().to_owned());
        let refused = || refusal::token(self.api, &self.attempt(), witness);
        match self.api {
            Api::Private => {
                let mut builder = aws_sdk_ecr::config::Builder::from(config);
                if let Some(endpoint) = endpoint {
                    builder = builder.endpoint_url(endpoint);
                }
                let client = aws_sdk_ecr::Client::from_conf(builder.build());
                let output = client.get_authorization_token().send().await.map_err(|_| refused())?;
                let data = output.authorization_data.unwrap_or_default().into_iter().next();
                Ok(data.map(|data| (data.authorization_token, data.expires_at)).unwrap_or_default())
            }
            Api::Public => {
                let mut builder = aws_sdk_ecrpublic::config::Builder::from(config);
                if let Some(endpoint) = endpoint {
                    builder = builder.endpoint_url(endpoint);
                }
                let client = aws_sdk_ecrpublic::Client::from_conf(builder.build());
                let output = client.get_authorization_token().send().await.map_err(|_| refused())?;
                let data = output.authorization_data;
                Ok(data.map(|data| (data.authorization_token, data.expires_at)).unwrap_or_default())
            }
        }
    }

    fn attempt(&self) -> String {
        match self.api {
            Api::Private => format!("ask ECR in {} for an authorization token", self.region),
            Api::Public => "ask ECR Public for an authorization token".to_owned(),
        }
    }
}

#[async_trait]
impl Provider for EcrProvider {
    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    async fn mint(&self) -> Result<Credential, MintError> {
        let patience = self.outside.http.patience();
        let witness = Arc::new(Witness::default());
        match timeout(patience, quietly(self.authorize(&witness))).await {
            Ok(result) => result,
            Err(_) => Err(MintError::new(
                Reason::Unreachable,
                self.attempt(),
                "AWS did not answer in time: check network policies, the firewall, VPC endpoints and HTTPS_PROXY",
            )
            .caused_by(format!("no answer within {} s", patience.as_secs()))),
        }
    }

    async fn verify(&self, credential: &Credential) -> Result<(), MintError> {
        let target = Target { hosts: &self.hosts, repository: None, denied: DENIED };
        verify(&self.outside.http, target, credential).await
    }
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}
