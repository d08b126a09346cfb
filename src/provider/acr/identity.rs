//! Who pullmint is to Entra ID, and the token that proves it.
//!
//! A credential object of `azure_identity` is built for each mint: its caches would otherwise outlive a changed secret
//! or token file, and a token for ACR is needed once in an hour or more.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientMethodOptions, ClientOptions, RetryOptions, Transport};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::transport::{AzureTransport, Side};
use crate::config::settings::{Acr, AzureCloud, AzureIdentity, ManagedIdentity};
use crate::provider::{MintError, Outside, Reason, quietly, secret_file};

/// Asks Entra ID, the metadata service or the developer's tools for a token for ACR.
pub(super) async fn token(settings: &Acr, outside: &Outside) -> Result<SecretString, MintError> {
    let side = match settings.identity {
        AzureIdentity::ManagedIdentity(_) => Side::ManagedIdentity,
        AzureIdentity::WorkloadIdentity { .. } | AzureIdentity::ClientSecret { .. } => Side::Entra,
        AzureIdentity::DeveloperCli => Side::DeveloperCli,
    };
    let transport = Arc::new(AzureTransport::new(outside.http.clone(), side));
    let credential = credential(settings, outside, Arc::clone(&transport)).await?;
    let patience = outside.http.patience();
    match timeout(patience, quietly(credential.get_token(&[&settings.audience], None))).await {
        Ok(Ok(token)) => Ok(SecretString::from(token.token.secret())),
        // Its text may quote an answer, so it is not handed on; the transport knows what went wrong.
        Ok(Err(_)) => Err(transport.take_failure().unwrap_or_else(|| side.nonsense())),
        Err(_) => Err(side.silence(patience)),
    }
}

async fn credential(
    settings: &Acr,
    outside: &Outside,
    transport: Arc<AzureTransport>,
) -> Result<Arc<dyn TokenCredential>, MintError> {
    let client_options = ClientOptions {
        transport: Some(Transport::new(transport)),
        // The keeper retries, and knows for how long there is time.
        retry: RetryOptions::none(),
        cloud: cloud(&settings.cloud, outside),
        ..ClientOptions::default()
    };
    let unusable = |_: azure_core::Error| {
        let remedy = "check `tenant`, `client_id`, `cloud` and the variables AZURE_*: one of them is malformed";
        MintError::new(Reason::Misconfigured, "prepare the Azure identity", remedy)
    };
    Ok(match &settings.identity {
        AzureIdentity::WorkloadIdentity { client_id, token_file } => {
            let tenant = given(settings.tenant.clone(), "tenant", "AZURE_TENANT_ID", outside)?;
            let client_id = given(client_id.clone(), "client_id", "AZURE_CLIENT_ID", outside)?;
            let file = token_file.as_ref().map(|path| path.to_string_lossy().into_owned());
            let file = given(file, "token_file", "AZURE_FEDERATED_TOKEN_FILE", outside)?;
            let assertion = Assertion(secret_file::read("token_file", &PathBuf::from(file)).await?);
            let options = ClientAssertionCredentialOptions { client_options };
            ClientAssertionCredential::new(tenant, client_id, assertion, Some(options)).map_err(unusable)?
        }
        AzureIdentity::ManagedIdentity(identity) => {
            let user_assigned_id = match identity {
                ManagedIdentity::System => None,
                ManagedIdentity::ClientId(id) => Some(UserAssignedId::ClientId(id.clone())),
                ManagedIdentity::ResourceId(id) => Some(UserAssignedId::ResourceId(id.clone())),
            };
            let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
            ManagedIdentityCredential::new(Some(options)).map_err(unusable)?
        }
        AzureIdentity::ClientSecret { client_id, client_secret_file } => {
            let tenant = given(settings.tenant.clone(), "tenant", "AZURE_TENANT_ID", outside)?;
            let secret = secret_file::read("client_secret_file", client_secret_file).await?;
            let secret = Secret::new(secret.expose_secret().to_owned());
            let options = ClientSecretCredentialOptions { client_options };
            ClientSecretCredential::new(&tenant, client_id.clone(), secret, Some(options)).map_err(unusable)?
        }
        AzureIdentity::DeveloperCli => DeveloperToolsCredential::new(None).map_err(unusable)?,
    })
}

/// A setting, or the variable that AKS's workload identity webhook injects for it.
fn given(setting: Option<String>, key: &str, variable: &str, outside: &Outside) -> Result<String, MintError> {
    let value = setting.or_else(|| outside.env.get(variable).ok()).filter(|value| !value.is_empty());
    value.ok_or_else(|| {
        let remedy = format!(
            "set `{key}`, or label the pod azure.workload.identity/use=true and annotate its ServiceAccount with \
             azure.workload.identity/client-id, so that AKS sets {variable}"
        );
        MintError::new(Reason::Misconfigured, "prepare the Azure identity", remedy)
    })
}

/// The public cloud may be overridden by the variable that the webhook injects in the other clouds.
fn cloud(cloud: &AzureCloud, outside: &Outside) -> Option<Arc<CloudConfiguration>> {
    let custom = |authority_host: String| {
        let mut custom = CustomConfiguration::default();
        custom.authority_host = authority_host;
        CloudConfiguration::Custom(custom)
    };
    Some(Arc::new(match cloud {
        AzureCloud::Public => match outside.env.get("AZURE_AUTHORITY_HOST") {
            Ok(authority) if !authority.is_empty() => custom(authority),
            _ => CloudConfiguration::AzurePublic,
        },
        AzureCloud::UsGovernment => CloudConfiguration::AzureGovernment,
        AzureCloud::China => CloudConfiguration::AzureChina,
        AzureCloud::Custom { authority } => custom(authority.clone()),
    }))
}

/// The ServiceAccount's token, as it was when the mint began.
#[derive(Debug)]
struct Assertion(SecretString);

#[async_trait]
impl ClientAssertion for Assertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose_secret().to_owned())
    }
}
