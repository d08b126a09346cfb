//! Entra's error numbers (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).

use crate::provider::http::Answer;
use crate::provider::{MintError, Reason};

/// The failure that Entra's answer stands for. Its numbers are told; its text, which quotes names and addresses, is not.
pub(super) fn refusal(attempt: &str, answer: &Answer) -> MintError {
    let generic = answer.refusal(attempt, "grant the application what it asks for, or check who it is");
    let Some(number) = number(answer) else {
        return generic;
    };
    let (reason, remedy) = meaning(number).unwrap_or_else(|| match generic.reason {
        Reason::Unexpected if answer.status.is_client_error() => (Reason::Misconfigured, "look this number up in"),
        reason => (reason, "look this number up in"),
    });
    let remedy = format!("AADSTS{number}: {remedy} https://login.microsoftonline.com/error?code={number}");
    MintError {
        reason,
        remedy: remedy.into(),
        ..generic.caused_by(format!("Entra ID answered {} AADSTS{number}", answer.status))
    }
}

/// From `error_codes`, or from the text's beginning, "AADSTS700016: …".
fn number(answer: &Answer) -> Option<u64> {
    let listed = answer.field("error_codes").and_then(|codes| codes.get(0)?.as_u64());
    listed.or_else(|| {
        let text = answer.field("error_description")?;
        let digits = text.as_str()?.strip_prefix("AADSTS")?;
        digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()
    })
}

fn meaning(number: u64) -> Option<(Reason, &'static str)> {
    Some(match number {
        90002 | 900_023 | 90013 => (Reason::Misconfigured, "no such tenant: check `tenant` and `cloud`;"),
        700_016 => (
            Reason::Misconfigured,
            "the tenant has no application with this id: check `client_id` and `tenant`, and consent to the application there;",
        ),
        7_000_215 => (
            Reason::Denied,
            "the client secret is wrong: put the secret's value, not its id, into `client_secret_file`;",
        ),
        7_000_222 => {
            (Reason::Denied, "the client secret has expired: create another and put it into `client_secret_file`;")
        }
        7_000_112 => (Reason::Denied, "the application is disabled: enable its sign-in in Entra ID;"),
        70021 | 700_211 | 700_212 | 700_213 => (
            Reason::Denied,
            "no federated credential of the application matches the ServiceAccount's token: its issuer, its subject \
             system:serviceaccount:NAMESPACE:NAME and its audience api://AzureADTokenExchange must all be equal;",
        ),
        700_024 | 700_027 | 50013 | 500_133 => (
            Reason::Denied,
            "the ServiceAccount's token is expired, not yet valid or wrongly signed: check that it is mounted, current, and \
             that the node's clock is right;",
        ),
        50034 => (Reason::Misconfigured, "the account does not exist in this tenant: check `tenant` and `client_id`;"),
        50001 | 500_011 | 70011 | 1_002_012 => {
            (Reason::Misconfigured, "the tenant does not know the audience: check `audience` and `cloud`;")
        }
        53003 | 50105 | 530_003 => (
            Reason::Denied,
            "conditional access or an assignment requirement blocks the application: exempt or assign it;",
        ),
        50196 | 90055 => (Reason::Throttled, "Entra ID was asked too often; pullmint waits and asks again by itself;"),
        90033 | 90036 | 90024 => (Reason::Unexpected, "Entra ID is in trouble; pullmint asks again by itself;"),
        _ => return None,
    })
}
