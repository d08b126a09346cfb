//! Asks a registry for an image as a container runtime would, with exactly one credential, and pulls nothing.
//!
//! HEAD before all, which Docker Hub does not count. GET only where HEAD leaves open what is missing or why, and for
//! what an image runs on. Addresses, redirects, realms and sizes are under the rules of [`guard`] and of the
//! transport.

use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::provider::verify::challenge::{self, Challenge};
use crate::provider::verify::realm;
use crate::why::answer::{Answer, Missing, Outcome, Platform, Trouble, Words};
use crate::why::reference::{Reference, is_digest};

pub mod guard;
mod manifest;
mod reply;
mod token;
mod transport;
mod trouble;

use reply::Reply;
use transport::{Auth, Kind};
pub use transport::{Transport, TransportOptions, Unusable};

/// One question to a registry.
#[derive(Clone, Debug)]
pub struct Question {
    /// The image.
    pub image: Reference,
    /// The user name and password, or nobody's.
    pub login: Option<(String, SecretString)>,
    /// What it must run on, where the image is looked into.
    pub platform: Option<Platform>,
    /// Whether to look into an image that is found. On Docker Hub that counts as a pull.
    pub is_thorough: bool,
}

/// Asks one question.
pub async fn ask(transport: &Transport, question: &Question) -> Answer {
    let mut probe = Probe { transport, question, auth: Auth::Nobody, answer: Answer::empty() };
    let outcome = match probe.api() {
        Ok(api) => probe.outcome(&api).await.unwrap_or_else(|end| end),
        Err(why) => Outcome::Odd(why),
    };
    Answer { outcome, ..probe.answer }
}

impl Answer {
    /// That nobody was asked.
    pub(super) fn empty() -> Self {
        let outcome = Outcome::Odd("it was not asked".to_owned());
        Self { outcome, trail: Vec::new(), quota: None, date: None }
    }
}

struct Probe<'a> {
    transport: &'a Transport,
    question: &'a Question,
    auth: Auth,
    answer: Answer,
}

/// An outcome that ends the question early stands on the side of the errors.
type Step<T> = Result<T, Outcome>;

impl Probe<'_> {
    /// `https://HOST/v2/NAME/`
    fn api(&self) -> Result<Url, String> {
        let image = &self.question.image;
        let host = image.host();
        let scheme = if guard::speaks_plain_http(host) { "http" } else { "https" };
        let url: Result<Url, _> = format!("{scheme}://{host}/v2/{}/", image.path).parse();
        url.map_err(|error| format!("{host} is no host: {error}"))
    }

    async fn outcome(&mut self, api: &Url) -> Step<Outcome> {
        let manifest = self.address(api, "manifests", self.question.image.manifest())?;
        let mut reply = self.send(Method::HEAD, &manifest, Kind::Manifest).await?;
        if reply.status == StatusCode::UNAUTHORIZED {
            self.authenticate(api, &reply).await?;
            if !matches!(self.auth, Auth::Nobody) {
                reply = self.send(Method::HEAD, &manifest, Kind::Manifest).await?;
            }
        }
        if reply.status.is_success() {
            return self.found(api, &manifest, &reply).await;
        }
        if reply.status.is_client_error() && reply.status != StatusCode::TOO_MANY_REQUESTS {
            // HEAD has no body, in which registries say what they mean.
            reply = self.send(Method::GET, &manifest, Kind::Manifest).await?;
        }
        match reply.status {
            status if status.is_success() => self.found(api, &manifest, &reply).await,
            StatusCode::NOT_FOUND => self.missing(api, &self.words(&reply)).await,
            _ => Ok(self.refusal(&reply)),
        }
    }

    /// What a status stands for that is neither success nor absence.
    fn refusal(&self, reply: &Reply) -> Outcome {
        let words = self.words(reply);
        match reply.status {
            StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled(words, reply.retry_after()),
            StatusCode::UNAUTHORIZED if matches!(self.auth, Auth::Basic(..)) => Outcome::LoginRefused(words),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Outcome::Unreachable(Trouble::Proxy),
            status if status.is_server_error() => Outcome::Failing(status.as_u16()),
            status if status.is_client_error() => Outcome::Denied(words),
            status => Outcome::Odd(format!("it answered {status}")),
        }
    }

    async fn found(&mut self, api: &Url, manifest: &Url, reply: &Reply) -> Step<Outcome> {
        let digest = reply.header("docker-content-digest").filter(|digest| is_digest(digest)).map(str::to_owned);
        let mut found = manifest::of_type(digest, reply.header("content-type").unwrap_or_default());
        if self.question.is_thorough && found.unsupported.is_none() {
            let whole = self.send(Method::GET, manifest, Kind::Manifest).await?;
            if !whole.status.is_success() {
                return Ok(self.refusal(&whole));
            }
            self.look_into(api, &whole, &mut found).await?;
        }
        Ok(Outcome::Found(found))
    }

    async fn look_into(&mut self, api: &Url, whole: &Reply, found: &mut crate::why::answer::Manifest) -> Step<()> {
        let Some(mut content) = manifest::Content::read(&whole.body) else {
            found.unsupported = Some("its manifest is not JSON of a known form".to_owned());
            return Ok(());
        };
        if let manifest::Content::Index(entries) = &content {
            found.platforms = Some(entries.iter().map(|(platform, _)| platform.clone()).collect());
            let wanted = self.question.platform.as_ref();
            let fitting = entries.iter().find(|(platform, _)| wanted.is_some_and(|wanted| wanted.runs(platform)));
            let Some((_, digest)) = fitting else { return Ok(()) };
            let address = self.address(api, "manifests", digest)?;
            let reply = self.send(Method::GET, &address, Kind::Manifest).await?;
            if reply.status == StatusCode::NOT_FOUND {
                found.missing_blob = Some(digest.clone());
                return Ok(());
            }
            let Some(inner) = manifest::Content::read(&reply.body) else { return Ok(()) };
            content = inner;
        }
        let manifest::Content::Image(image) = content else { return Ok(()) };
        found.unsupported = image.unsupported();
        if found.unsupported.is_some() {
            return Ok(());
        }
        for digest in image.blobs() {
            let address = self.address(api, "blobs", digest)?;
            let reply = self.send(Method::HEAD, &address, Kind::Blob).await?;
            if reply.status == StatusCode::NOT_FOUND {
                found.missing_blob = Some(digest.to_owned());
                return Ok(());
            }
        }
        if found.platforms.is_none() {
            let address = self.address(api, "blobs", &image.config)?;
            let reply = self.send(Method::GET, &address, Kind::Blob).await?;
            found.platforms = manifest::platform(&reply.body).map(|platform| vec![platform]);
        }
        Ok(())
    }

    /// The list of tags tells a repository from a tag, and what may have been meant.
    async fn missing(&mut self, api: &Url, words: &Words) -> Step<Outcome> {
        if words.code == "NAME_UNKNOWN" {
            return Ok(Outcome::Missing(Missing::Repository));
        }
        let mut address = self.address(api, "tags", "list")?;
        address.set_query(Some("n=1000"));
        let listed = self.send(Method::GET, &address, Kind::Manifest).await;
        let missing = match listed {
            Ok(reply) if reply.status.is_success() => Missing::Manifest { tags: manifest::tags(&reply.body) },
            Ok(reply) if reply.status == StatusCode::NOT_FOUND => Missing::Repository,
            _ if words.code == "MANIFEST_UNKNOWN" => Missing::Manifest { tags: Vec::new() },
            _ => Missing::Either,
        };
        Ok(Outcome::Missing(missing))
    }

    /// Answers the registry's challenge as containerd does; without a credential that it wants, nothing changes.
    async fn authenticate(&mut self, api: &Url, reply: &Reply) -> Step<()> {
        match chosen(reply) {
            None => Err(Outcome::Odd("it demands a kind of authentication that no container runtime knows".to_owned())),
            Some(Challenge::Basic) => {
                if let Some((user, password)) = &self.question.login {
                    self.auth = Auth::Basic(user.clone(), password.clone());
                }
                Ok(())
            }
            Some(Challenge::Bearer { realm, service, scope }) => {
                // A reply from elsewhere speaks for the place that it came from.
                let home = if reply.is_elsewhere { &reply.url } else { api };
                let realm = realm::permitted(&realm, home)
                    .map_err(|why| Outcome::Odd(format!("{why}: no credential was sent there")))?;
                let login = self.question.login.as_ref().filter(|_| !reply.is_elsewhere);
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.question.image.path));
                let wanted = token::Wanted { realm, service, scope, login };
                let (token, trail) = token::fetch(self.transport, &wanted).await;
                self.answer.trail.extend(trail);
                let token = token.map_err(|refusal| match refusal {
                    token::Refusal::Trouble(trouble) => Outcome::Unreachable(trouble),
                    token::Refusal::Nonsense(why) => Outcome::Odd(why),
                    token::Refusal::Status(reply) => self.token_refusal(&reply),
                })?;
                self.auth = Auth::Bearer(token);
                Ok(())
            }
        }
    }

    fn token_refusal(&self, reply: &Reply) -> Outcome {
        let words = self.words(reply);
        match reply.status {
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
                if self.question.login.is_some() && !is_about_networks(&words) =>
            {
                Outcome::LoginRefused(words)
            }
            _ => self.refusal(reply),
        }
    }

    fn address(&self, api: &Url, kind: &str, which: &str) -> Step<Url> {
        // Whatever becomes part of an address is a tag or a digest by now: it cannot lead elsewhere.
        api.join(&format!("{kind}/{which}")).map_err(|error| Outcome::Odd(error.to_string())).and_then(|url| {
            if url.path().starts_with(api.path()) {
                Ok(url)
            } else {
                Err(Outcome::Odd("its address leaves it".to_owned()))
            }
        })
    }

    async fn send(&mut self, method: Method, url: &Url, kind: Kind) -> Step<Reply> {
        let sent = self.transport.send(method.clone(), url.clone(), &self.auth, kind).await;
        match sent {
            Ok(reply) => {
                self.answer.trail.push(format!("{method} {} → {}", self.shown(url), reply.status));
                self.answer.quota = reply.quota().or_else(|| self.answer.quota.take());
                self.answer.date = reply.date().or(self.answer.date);
                Ok(reply)
            }
            Err(trouble) => {
                self.answer.trail.push(format!("{method} {} → {trouble}", self.shown(url)));
                Err(Outcome::Unreachable(trouble))
            }
        }
    }

    fn shown(&self, url: &Url) -> String {
        let host = self.question.image.host();
        shown(url, Some(host.split(':').next().unwrap_or(host)))
    }

    /// The registry's words, unless they repeat what must not be told.
    fn words(&self, reply: &Reply) -> Words {
        let mut secrets: Vec<&str> = Vec::new();
        if let Some((_, password)) = &self.question.login {
            secrets.push(password.expose_secret());
        }
        if let Auth::Bearer(token) = &self.auth {
            secrets.push(token.expose_secret());
        }
        reply.words(self.question.login.as_ref().map(|(user, _)| user.as_str()), &secrets)
    }
}

/// A firewall's refusal comes from token endpoints too, and has nothing to do with the password.
fn is_about_networks(words: &Words) -> bool {
    words.say(&["is not allowed access", "firewall", "not allowed to access", "private endpoint"])
}

/// Bearer before Basic: registries that offer both want the former.
fn chosen(reply: &Reply) -> Option<Challenge> {
    let headers = reply.headers.get_all(WWW_AUTHENTICATE);
    let mut challenges: Vec<_> =
        headers.iter().filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
    challenges.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
    challenges.into_iter().next()
}

/// An address for people: without query, without the host that everybody knows, digests shortened.
fn shown(url: &Url, home: Option<&str>) -> String {
    let path = url.path().split('/').map(|part| match part.split_once(':') {
        Some((algorithm, hex)) if is_digest(part) => format!("{algorithm}:{}…", &hex[..12]),
        _ => part.to_owned(),
    });
    let path = path.collect::<Vec<_>>().join("/");
    match url.host_str() {
        Some(host) if Some(host) != home => format!("{}://{host}{path}", url.scheme()),
        _ => path,
    }
}
