//! What was found out about a case: the registry's answers to each credential. The inquiry asks, the verdict reads.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;

use crate::why::answer::{Answer, Missing, Outcome};
use crate::why::case::Case;
use crate::why::inquiry::Inquiry;
use crate::why::keyring::{self, Broken, Content, Keyring, Login};
use crate::why::login::Facts;
use crate::why::reference::Reference;

/// At how many other registries an image without host is looked for.
const MOST_GUESSES: usize = 3;

/// One credential and the registry's answer to it.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The credential; `None`: nobody's.
    pub login: Option<Facts>,
    /// The answer.
    pub answer: Arc<Answer>,
}

impl Tried {
    /// Whether the image can be pulled this way.
    #[must_use]
    pub fn found(&self) -> bool {
        matches!(self.answer.outcome, Outcome::Found(_))
    }
}

/// All answers, by what the credentials are to the pod.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The pod's Secrets cannot be read, so the kubelet has none of them.
    pub broken: Option<Broken>,
    /// What the kubelet tries, in its order; nobody's where nothing matches. Empty where nothing was asked.
    pub tried: Vec<Tried>,
    /// As nobody, where credentials were refused.
    pub anonymous: Option<Tried>,
    /// Credentials of the pod's own Secrets that the kubelet does not come to.
    pub hidden: Vec<Tried>,
    /// Credentials of other Secrets in the namespace.
    pub others: Vec<Tried>,
    /// The tag of an image whose digest is gone.
    pub by_tag: Option<Arc<Answer>>,
    /// The image without host, at a registry that the pod has credentials for.
    pub elsewhere: Option<String>,
}

impl Evidence {
    /// Asks what has to be asked for a verdict, and no more.
    pub async fn gather(case: &Case, inquiry: &Inquiry) -> Self {
        let mut evidence = Self::default();
        let Ok(image) = &case.reference else { return evidence };
        let keyring = match Keyring::of(case.wiring.secrets()) {
            Ok(keyring) => keyring,
            Err(broken) => return Self { broken: Some(broken), ..evidence },
        };
        let is_never_asked = case.complaint.as_ref().is_some_and(|complaint| complaint.reason == "ErrImageNeverPull");
        if inquiry.is_offline() || is_never_asked {
            return evidence;
        }
        let name = image.name();
        let matching = keyring.lookup(&name);
        evidence.tried = match matching.is_empty() {
            true => vec![try_as(case, inquiry, image, None).await],
            false => join_all(matching.iter().map(|login| try_as(case, inquiry, image, Some(login)))).await,
        };
        if evidence.tried.iter().any(Tried::found) {
            return evidence;
        }
        let is_refused = |tried: &Tried| {
            matches!(
                tried.answer.outcome,
                Outcome::LoginRefused(_) | Outcome::Denied(_) | Outcome::Missing(Missing::Either)
            )
        };
        if evidence.tried.iter().any(is_refused) {
            evidence.look_further(case, inquiry, image, &keyring, &matching).await;
        }
        if matches!((&image.digest, &image.tag), (Some(_), Some(_))) {
            let tagged = Reference { digest: None, ..image.clone() };
            let login = matching.first().copied();
            evidence.by_tag = Some(try_as(case, inquiry, &tagged, login).await.answer);
        }
        if image.is_domain_implied {
            evidence.elsewhere = elsewhere(case, inquiry, image, &keyring).await;
        }
        evidence
    }

    /// The image is there, but not for these credentials: would others open it?
    async fn look_further(
        &mut self,
        case: &Case,
        inquiry: &Inquiry,
        image: &Reference,
        keyring: &Keyring,
        matching: &[&Login],
    ) {
        let name = image.name();
        if !matching.is_empty() {
            self.anonymous = Some(try_as(case, inquiry, image, None).await);
            let is_new = |login: &&Login| !matching.iter().any(|other| other.location == login.location);
            let hidden = keyring.default_logins(&name).into_iter().filter(is_new);
            self.hidden = join_all(hidden.map(|login| try_as(case, inquiry, image, Some(login)))).await;
        }
        let mut logins = Vec::new();
        for secret in case.wiring.present.values() {
            let is_other = !case.wiring.names(secret.metadata.name.as_deref().unwrap_or_default());
            if is_other && let Ok(other) = Keyring::of([secret.as_ref()]) {
                logins.extend(other.lookup(&name).into_iter().cloned());
            }
        }
        self.others = join_all(logins.iter().map(|login| try_as(case, inquiry, image, Some(login)))).await;
    }

    /// The credential that opens the image, if one of the pod's does.
    #[must_use]
    pub fn opened(&self) -> Option<&Tried> {
        self.tried.iter().find(|tried| tried.found())
    }
}

async fn try_as(case: &Case, inquiry: &Inquiry, image: &Reference, login: Option<&Login>) -> Tried {
    let answer = inquiry.ask(image, login, case.platform.as_ref(), case.complaint.as_ref()).await;
    let secret = login.and_then(|login| {
        let named = |secret: &&k8s_openapi::api::core::v1::Secret| secret.metadata.name.as_ref() == Some(&login.secret);
        case.wiring.secrets().find(named).or_else(|| case.wiring.present.get(&login.secret).map(AsRef::as_ref))
    });
    Tried { login: login.map(|login| Facts::of(login, secret)), answer }
}

/// Looks for an image without host at the registries that the pod has credentials for.
async fn elsewhere(case: &Case, inquiry: &Inquiry, image: &Reference, keyring: &Keyring) -> Option<String> {
    let path = image.path.strip_prefix("library/").unwrap_or(&image.path);
    let mut guesses: Vec<(Reference, &Login)> = Vec::new();
    for login in keyring.all() {
        let host = login.location.to_text();
        let host = host.split('/').next().unwrap_or_default();
        if host.contains("docker.io") || host.contains('*') || guesses.len() == MOST_GUESSES {
            continue;
        }
        let tag = image.tag.as_deref().unwrap_or("latest");
        if let Ok(guess) = Reference::parse(&format!("{host}/{path}:{tag}")) {
            guesses.push((guess, login));
        }
    }
    for (guess, login) in guesses {
        if try_as(case, inquiry, &guess, Some(login)).await.found() {
            return Some(guess.to_string());
        }
    }
    None
}

/// What the kubelet makes of a Secret, and what stands in it.
#[must_use]
pub fn logins(secret: &k8s_openapi::api::core::v1::Secret) -> Vec<Login> {
    match keyring::read(secret) {
        Ok(Content::Logins(logins)) => logins,
        Ok(Content::Ignored(_)) | Err(_) => Vec::new(),
    }
}

/// Whether something known to end has ended.
#[must_use]
pub fn is_past(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| end <= now)
}
