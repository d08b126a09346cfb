//! The Azure SDK's transport: pullmint's HTTP client, which remembers why Entra refused.
//!
//! The SDK's errors quote whole answers. So each answer is judged here, where its parts can be told apart, and the SDK
//! gets to see successes only. That also keeps it from its own retries, of which the metadata service's last 72 s.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use reqwest::StatusCode;

use super::aadsts;
use crate::provider::http::{Answer, Http};
use crate::provider::{MintError, Reason};

/// Whom the SDK asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Entra,
    ManagedIdentity,
    DeveloperCli,
}

#[derive(Debug)]
pub(super) struct AzureTransport {
    http: Http,
    side: Side,
    failure: Mutex<Option<MintError>>,
}

impl AzureTransport {
    pub(super) fn new(http: Http, side: Side) -> Self {
        Self { http, side, failure: Mutex::new(None) }
    }

    /// Why the last request failed.
    pub(super) fn take_failure(&self) -> Option<MintError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(&self, request: &Request) -> Result<Answer, MintError> {
        let attempt = self.side.attempt();
        let outgoing = translate(request).map_err(|error| {
            let remedy = "check `client_id`, `tenant` and the secrets for characters that no HTTP request can carry";
            MintError::new(Reason::Misconfigured, attempt, remedy).caused_by(error)
        })?;
        let answer = self.http.execute(attempt, outgoing).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.side.refusal(&answer)) }
    }
}

#[async_trait]
impl HttpClient for AzureTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        match self.ask(request).await {
            Ok(answer) => {
                Ok(AsyncRawResponse::from_bytes(answer.status.as_u16().into(), Headers::new(), answer.body.to_vec()))
            }
            Err(failure) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                // This kind is not retried.
                Err(Error::with_message(ErrorKind::Other, "refused"))
            }
        }
    }
}

fn translate(request: &Request) -> Result<reqwest::Request, Box<dyn std::error::Error + Send + Sync>> {
    let mut outgoing = reqwest::Request::new(request.method().as_ref().parse()?, request.url().clone());
    for (name, value) in request.headers().iter() {
        let name: reqwest::header::HeaderName = name.as_str().parse()?;
        outgoing.headers_mut().append(name, value.as_str().parse()?);
    }
    let Body::Bytes(bytes) = request.body() else {
        return Err("the SDK streams a body".into());
    };
    *outgoing.body_mut() = Some(bytes.clone().into());
    Ok(outgoing)
}

impl Side {
    const fn attempt(self) -> &'static str {
        match self {
            Self::Entra => "ask Entra ID for a token",
            Self::ManagedIdentity => "ask the metadata service for the managed identity's token",
            Self::DeveloperCli => "ask az or azd for a token",
        }
    }

    fn refusal(self, answer: &Answer) -> MintError {
        match self {
            Self::Entra | Self::DeveloperCli => aadsts::refusal(self.attempt(), answer),
            // https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
            Self::ManagedIdentity if answer.status == StatusCode::BAD_REQUEST => MintError {
                reason: Reason::Misconfigured,
                remedy: "assign the managed identity to the node, and check the configured client or resource id"
                    .into(),
                ..answer.refusal(self.attempt(), "")
            },
            Self::ManagedIdentity => {
                answer.refusal(self.attempt(), "assign a managed identity to the node, and let pods use it")
            }
        }
    }

    /// There was a success that the SDK cannot use, or no request at all.
    pub(super) fn nonsense(self) -> MintError {
        let (reason, remedy) = match self {
            Self::Entra => {
                (Reason::Unexpected, "check that `cloud` or its authority is Entra ID, and no proxy answers")
            }
            Self::ManagedIdentity => {
                (Reason::Unexpected, "check that this is an Azure node, and that no proxy answers")
            }
            Self::DeveloperCli => {
                (Reason::Misconfigured, "run `az login` or `azd auth login` as the user who runs pullmint")
            }
        };
        MintError::new(reason, self.attempt(), remedy).caused_by("there is no usable token in the answer")
    }

    pub(super) fn silence(self, patience: Duration) -> MintError {
        let remedy = match self {
            Self::Entra => "check network policies, the firewall and HTTPS_PROXY",
            Self::ManagedIdentity => {
                "check that this is an Azure node, and that network policies allow 169.254.169.254"
            }
            Self::DeveloperCli => "run `az account get-access-token` by hand to see why it hangs",
        };
        MintError::new(Reason::Unreachable, self.attempt(), remedy)
            .caused_by(format!("no answer within {} s", patience.as_secs()))
    }
}
