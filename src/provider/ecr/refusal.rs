//! What AWS's refusals mean, and which permission or setting mends each.
//!
//! Of the SDK's errors only the outermost text is told: the causes below it may quote answers and signed headers.

use aws_credential_types::provider::error::CredentialsError;

use super::Api;
use super::connector::{Incident, Witness};
use crate::config::settings::AwsRole;
use crate::provider::{MintError, Reason};

const LOOKED_AT: &str = "no AWS identity: looked for AWS_ACCESS_KEY_ID, a profile (AWS_PROFILE), web identity (IRSA: \
                         AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE), EKS Pod Identity or a container's role \
                         (AWS_CONTAINER_CREDENTIALS_FULL_URI), and the instance's metadata service; give pullmint's \
                         ServiceAccount one of them";

/// No chain at all.
pub(super) fn nobody(attempt: &str) -> MintError {
    MintError::new(Reason::Misconfigured, attempt.to_owned(), LOOKED_AT)
}

/// The default chain gave no keys.
pub(super) fn identity(attempt: &str, error: &CredentialsError, witness: &Witness) -> MintError {
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        return nobody(attempt);
    }
    let denied = "let the IAM role's trust policy allow sts:AssumeRoleWithWebIdentity to this ServiceAccount (IRSA), or \
                  associate a role with it (Pod Identity)";
    let Some(incident) = witness.take() else {
        let (reason, remedy) = match witness.has_asked() {
            true => (Reason::Unexpected, "check that no proxy answers instead of AWS"),
            false => (Reason::Misconfigured, "check the variables AWS_*, the files that they name, and the profiles"),
        };
        return MintError::new(reason, attempt.to_owned(), remedy).caused_by(error.to_string());
    };
    match incident {
        // The metadata service of an instance without a role, or of another cloud.
        Incident::Refusal { status: 404, .. } => nobody(attempt),
        // Pod Identity's agent has this one status for all refusals.
        Incident::Refusal { status: status @ 400, code: None, principal, error } => {
            let error = MintError { reason: Reason::Denied, ..error };
            told(Incident::Refusal { status, code: None, principal, error }, attempt, denied)
        }
        incident => told(incident, attempt, denied),
    }
}

/// STS did not let us assume the role.
pub(super) fn role(role: &AwsRole, error: &CredentialsError, witness: &Witness) -> MintError {
    let arn = &role.arn;
    let attempt = format!("assume the role {arn}");
    let id = match &role.external_id {
        Some(_) => "demand the external id that `external_id` gives",
        None => "demand no external id, or set `external_id`",
    };
    let denied = format!(
        "allow sts:AssumeRole on {arn} to pullmint's identity, and let the role's trust policy name that identity and {id}"
    );
    match witness.take() {
        Some(incident) => told(incident, &attempt, &denied),
        None => MintError::new(Reason::Unexpected, attempt, "check that the endpoint is that of STS")
            .caused_by(error.to_string()),
    }
}

/// ECR gave no token.
pub(super) fn token(api: Api, attempt: &str, witness: &Witness) -> MintError {
    let denied = match api {
        Api::Private => "allow ecr:GetAuthorizationToken on resource * to the identity",
        Api::Public => {
            "allow ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken on resource * to the identity"
        }
    };
    match witness.take() {
        Some(incident) => told(incident, attempt, denied),
        None => MintError::new(Reason::Unexpected, attempt.to_owned(), "check that the endpoint is that of ECR")
            .caused_by("the answer is not what the SDK expects"),
    }
}

fn told(incident: Incident, attempt: &str, denied: &str) -> MintError {
    let (code, principal, status, error) = match incident {
        Incident::Silence(error) => return MintError { attempt: attempt.to_owned().into(), ..error },
        Incident::Refusal { code, principal, status, error } => (code, principal, status, error),
    };
    let (reason, remedy) =
        code.as_deref().and_then(|code| by_code(code, denied)).unwrap_or_else(|| match error.reason {
            Reason::Denied => (Reason::Denied, denied.to_owned()),
            reason => (reason, error.remedy.to_string()),
        });
    let code = code.map(|code| format!(" {code}")).unwrap_or_default();
    let whom = principal.map(|principal| format!(" to {principal}")).unwrap_or_default();
    let what = format!("AWS answered {status}{code}{whom}");
    MintError::new(reason, attempt.to_owned(), remedy).caused_by(what).after(error.retry_after)
}

/// Common errors of AWS's APIs, and those of STS.
fn by_code(code: &str, denied: &str) -> Option<(Reason, String)> {
    let (reason, remedy) = match code {
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" | "UnauthorizedOperation" => {
            (Reason::Denied, denied)
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            (Reason::Denied, "the identity's keys or token have expired: renew them, and check the node's clock")
        }
        "IncompleteSignature" | "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            (Reason::Denied, "the secret access key does not belong to the key id, or the node's clock is wrong")
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => {
            (Reason::Denied, "AWS does not know the access key: renew it, and check that its partition is the region's")
        }
        "OptInRequired" | "RegionDisabledException" | "SubscriptionRequiredException" => {
            (Reason::Misconfigured, "enable the region for the account, or correct `region`")
        }
        "InvalidIdentityToken" | "InvalidIdentityTokenException" => (
            Reason::Misconfigured,
            "register the cluster's OIDC issuer in IAM with audience sts.amazonaws.com, and mount the ServiceAccount's \
             token with that audience",
        ),
        "IDPRejectedClaim" | "IDPRejectedClaimException" => {
            (Reason::Denied, "the cluster's issuer rejected the ServiceAccount's token: check that it is current")
        }
        "ValidationError" | "ValidationException" | "InvalidParameterException" | "UnsupportedCommandException" => {
            (Reason::Misconfigured, "check `region`, and the role's ARN, external id and session name")
        }
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
            (Reason::Throttled, "AWS was asked too often; pullmint waits and asks again by itself")
        }
        _ => return None,
    };
    Some((reason, remedy.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_more_than_its_status() {
        assert_eq!(by_code("ThrottlingException", "").map(|(reason, _)| reason), Some(Reason::Throttled));
        assert_eq!(by_code("AccessDenied", "allow it"), Some((Reason::Denied, "allow it".to_owned())));
        assert_eq!(by_code("ServerException", ""), None);
    }
}
