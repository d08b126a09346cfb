//! The emulated clouds: AWS, Azure, Docker Hub, and the registries they guard.
//!
//! Each service checks what the cloud's own checks and refuses with its status codes and bodies, so a client cannot
//! tell the difference; a test can, by the controls on [`Clouds`]. All state lies in one place, under one lock.
//!
//! ```text
//! client ──► internet (CONNECT, TLS) ──► Clouds::serve ─┬─ fault, if one is planned
//!                                                       ├─ aws  azure  acr  docker_hub     answer and mint
//!                                                       ├─ resource_manager  graph         administrate Azure
//!                                                       └─ registry_front ──► a real registry, on loopback
//! ```

#![allow(clippy::result_large_err, reason = "a refusal is an HTTP answer, as large as any other")]

mod acr;
mod aws;
mod azure;
mod call;
mod controls;
mod docker_hub;
mod ecr;
mod fault;
mod federation;
mod graph;
mod hosts;
mod hub_tokens;
mod registry_front;
mod resource_id;
mod resource_manager;
mod resource_puts;
mod resources;
pub mod seed;
mod service;
mod sigv4;
mod sts;
mod tokens;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) use call::Call;
pub use fault::Fault;
pub(crate) use hosts::Place;
pub use service::Service;
use tokens::{Grant, Signer, Vault};

/// What distribution's `auth.token` must be told to trust the clouds.
#[derive(Clone, Debug)]
pub struct TokenTrust {
    /// `auth.token.issuer`
    pub issuer: String,
    /// `auth.token.service`
    pub service: String,
    /// `auth.token.realm`; no client of the fronts ever sees it.
    pub realm: String,
    /// `auth.token.rootcertbundle`
    pub rootcertbundle: PathBuf,
}

const INTERNAL_ISSUER: &str = "world-clouds";
const INTERNAL_SERVICE: &str = "world-registry";

/// A handle on the clouds, cheap to clone. Its methods may be called at any time.
#[derive(Clone)]
pub struct Clouds(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    signer: Arc<Signer>,
    /// Signs service-account tokens as the emulated cluster.
    cluster: Signer,
    upstream: registry_front::Upstream,
    dir: tempfile::TempDir,
}

/// All that changes.
pub(crate) struct State {
    skew: SignedDuration,
    lives: HashMap<Service, Duration>,
    faults: fault::Plan,
    requests: HashMap<Service, u64>,
    mints: HashMap<Service, u64>,
    vault: Vault,
    aws: aws::Keys,
    federation: federation::Federation,
    hub: hub_tokens::Hub,
    directory: graph::Directory,
    resources: resources::Resources,
    registry: Option<String>,
}

impl State {
    fn now(&self) -> Timestamp {
        system_time() + self.skew
    }

    /// The end of what a service mints now; `asked` counts where no other life was set.
    fn expiry(&self, service: Service, call: &Call, asked: Option<Duration>) -> Timestamp {
        if call.stale {
            return self.now() - SignedDuration::from_secs(60);
        }
        let life = self.lives.get(&service).copied().or(asked).unwrap_or_else(|| service.usual_life());
        self.now() + life
    }

    /// Issues a secret.
    fn mint(&mut self, secret: &str, grant: Grant) {
        *self.mints.entry(grant.service).or_default() += 1;
        self.vault.keep(secret, grant);
    }
}

impl Clouds {
    /// Clouds in which the identities of [`seed`] exist and nothing was issued yet.
    pub fn new() -> io::Result<Self> {
        crate::internet::install_crypto();
        Self::signing_with(Arc::new(Signer::new(INTERNAL_ISSUER)), None)
    }

    /// Other clouds before the same registry: they share neither credentials, faults, counts nor time with these.
    pub fn beside(&self) -> io::Result<Self> {
        let registry = self.state().registry.clone();
        Self::signing_with(Arc::clone(&self.0.signer), registry)
    }

    fn signing_with(signer: Arc<Signer>, registry: Option<String>) -> io::Result<Self> {
        let cluster = Signer::new("cluster");
        let mut vault = Vault::default();
        let state = State {
            skew: SignedDuration::ZERO,
            lives: HashMap::new(),
            faults: fault::Plan::default(),
            requests: HashMap::new(),
            mints: HashMap::new(),
            hub: hub_tokens::Hub::seeded(&mut vault),
            vault,
            directory: graph::Directory::default(),
            resources: resources::Resources::seeded(),
            aws: aws::Keys::seeded(),
            federation: federation::Federation::new(seed::ISSUER, cluster.public.clone()),
            registry,
        };
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("token-trust.pem"), &signer.certificate)?;
        let upstream = registry_front::upstream();
        Ok(Self(Arc::new(Inner { state: Mutex::new(state), signer, cluster, upstream, dir })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sign(&self, claims: &Value) -> String {
        self.0.signer.sign(claims)
    }

    /// Answers one request at a place. `None` closes the connection instead.
    pub(crate) async fn serve(&self, place: &Place, mut call: Call) -> Option<Response> {
        let Some(service) = place.service(&call) else {
            return Some(self.administrate(place, &call));
        };
        let (planned, now) = {
            let mut state = self.state();
            *state.requests.entry(service).or_default() += 1;
            (state.faults.next(service), state.now())
        };
        call.stale = planned == Some(Fault::Expired);
        let answer = match planned {
            Some(fault) if fault.answers() => fault.answer(service, now).await?,
            Some(Fault::Echo) => fault::echo(&call),
            Some(Fault::Truncated) => fault::truncate(self.answer(service, place, &call).await).await,
            _ => self.answer(service, place, &call).await,
        };
        // A cloud tells its own time, by which clients judge their clock.
        Some(call::and_header(answer, "date", now.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    }

    async fn answer(&self, service: Service, place: &Place, call: &Call) -> Response {
        match service {
            Service::Sts => sts::assume_role(self, place, call),
            Service::PodIdentity => sts::pod_identity(self, call),
            Service::Ecr => ecr::private(self, place, call),
            Service::EcrPublic => ecr::public(self, call),
            Service::Entra => azure::entra(self, call),
            Service::ManagedIdentity => azure::managed_identity(self, call),
            Service::AcrExchange => acr::exchange(self, call),
            Service::AcrToken => acr::token(self, call),
            Service::HubLogin => hub_tokens::login(self, call),
            Service::HubTokens => hub_tokens::tokens(self, call),
            Service::HubOidc => docker_hub::oidc(self, call),
            Service::HubToken => docker_hub::registry_token(self, call),
            Service::EcrPublicToken => ecr::public_registry_token(self, call),
            Service::EcrRegistry | Service::EcrPublicRegistry | Service::AcrRegistry | Service::HubRegistry => {
                registry_front::pull(self, place, call).await
            }
        }
        .unwrap_or_else(|refusal| refusal)
    }
}

impl Clouds {
    /// What nobody asks to pull, and no test disturbs.
    fn administrate(&self, place: &Place, call: &Call) -> Response {
        match place {
            Place::ResourceManager => resource_manager::resource_manager(self, call),
            Place::Graph => graph::graph(self, call),
            _ => Err(call::json(404, json!({"message": "no such service here"}))),
        }
        .unwrap_or_else(|refusal| refusal)
    }
}

/// The clock that the clouds' own is set by.
fn system_time() -> Timestamp {
    Timestamp::now()
}

/// The rest of the world: the registry behind the fronts, and the cluster the federations trust.
impl Clouds {
    /// Puts a real registry, which trusts [`Clouds::token_trust`], behind all registry hosts.
    pub fn attach_registry(&self, url: &str) {
        self.state().registry = Some(url.trim_end_matches('/').to_owned());
    }

    /// What that registry must be told.
    pub fn token_trust(&self) -> TokenTrust {
        TokenTrust {
            issuer: INTERNAL_ISSUER.to_owned(),
            service: INTERNAL_SERVICE.to_owned(),
            realm: "https://token.world.example/".to_owned(),
            rootcertbundle: self.0.dir.path().join("token-trust.pem"),
        }
    }

    /// A bearer for that registry itself, past the fronts, for scopes like `repository:NAME:pull,push`. It lives an
    /// hour of the system's clock, by which the registry goes.
    pub fn admin_bearer(&self, scopes: &str) -> String {
        let access: Vec<_> = scopes
            .split_whitespace()
            .filter_map(tokens::repository_scope)
            .map(|(name, actions)| json!({"type": "repository", "name": name, "actions": actions}))
            .collect();
        let now = system_time();
        let end = now + SignedDuration::from_hours(1);
        self.sign(&tokens::registry_claims(INTERNAL_ISSUER, INTERNAL_SERVICE, &access.into(), now, end))
    }

    /// The name in that registry of a repository of a registry host: push there to make it pullable from the host.
    pub fn internal_name(&self, host: &str, repository: &str) -> Option<String> {
        Some(format!("{}/{repository}", Place::of(host)?.shelf()?))
    }

    /// Lets the federations of AWS, Azure and Docker trust a cluster: its issuer, and the public key (PEM) of its
    /// service-account tokens.
    pub fn trust_issuer(&self, issuer: &str, public_key: &str) -> io::Result<()> {
        self.state().federation.trust(issuer, public_key)
    }

    /// Lets the federations trust one more subject.
    pub fn trust_subject(&self, subject: &str) {
        self.state().federation.trust_subject(subject);
    }

    /// A projected service-account token of the emulated cluster.
    pub fn service_account_token(&self, audience: &str, subject: &str, life: Duration) -> String {
        let now = self.now();
        self.0.cluster.sign(&json!({
            "iss": seed::ISSUER, "sub": subject, "aud": [audience], "jti": tokens::uuid(),
            "iat": now.as_second(), "nbf": now.as_second(), "exp": (now + life).as_second(),
        }))
    }

    /// Writes the secret files a client needs.
    pub fn write_files(&self, dir: &Path) -> io::Result<seed::Files> {
        seed::Files::write(self, dir)
    }
}

impl std::fmt::Debug for Clouds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clouds").finish_non_exhaustive()
    }
}
