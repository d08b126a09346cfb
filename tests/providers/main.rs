//! What the providers promise, tried at emulated clouds that check and refuse as the real ones do.

#![allow(clippy::unwrap_used, reason = "helpers of tests may end them")]

mod acr;
mod contract;
mod docker_hub;
mod ecr;
mod environment;
mod verify;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pullmint::clock::{Clock, SystemClock};
use pullmint::config::settings::{NamespaceSelection, ProviderSettings, Registry, Renewal};
use pullmint::credential::Credential;
use pullmint::provider::{self, Env, Http, MintError, Network, Outside, Provider};
use pullmint::registry::{Host, RegistryName};
use world::clouds::seed::{Files, Identity};
use world::clouds::{Clouds, Service};
use world::internet::Internet;

/// How long a request may take here: much, for a machine that runs many tests at once.
const PATIENT: Duration = Duration::from_secs(10);
/// How long a request may take where a cloud hangs: enough for those that are answered on the way there.
const IMPATIENT: Duration = Duration::from_secs(3);

/// A fresh internet, and the secret files of a client in it.
struct Net {
    internet: Internet,
    files: Files,
    dir: tempfile::TempDir,
}

impl Net {
    async fn start() -> Self {
        let internet = Internet::start(Clouds::new().unwrap()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let files = internet.clouds().write_files(dir.path()).unwrap();
        Self { internet, files, dir }
    }

    fn clouds(&self) -> &Clouds {
        self.internet.clouds()
    }

    fn outside(&self, env: &[(&str, String)], timeout: Duration) -> Outside {
        let network = Network {
            ca_file: Some(self.internet.ca_file().to_owned()),
            proxy: Some(self.internet.proxy_url().parse().unwrap()),
            timeout,
        };
        let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Outside { http: Http::new(&network).unwrap(), clock: Arc::new(SystemClock), env: Env::from_slice(&env) }
    }

    fn provider_with(&self, settings: ProviderSettings, env: &[(&str, String)]) -> Arc<dyn Provider> {
        let provider = provider::build(&registry(settings), &self.outside(env, PATIENT));
        assert_no_secret(&format!("{provider:?}"));
        provider
    }

    /// A provider with an identity in its environment.
    fn provider(&self, settings: ProviderSettings, identity: Option<Identity>) -> Arc<dyn Provider> {
        self.provider_with(settings, &self.env(identity))
    }

    /// The same, for clouds that hang.
    fn impatient(&self, settings: ProviderSettings, identity: Option<Identity>) -> Arc<dyn Provider> {
        provider::build(&registry(settings), &self.outside(&self.env(identity), IMPATIENT))
    }

    fn env(&self, identity: Option<Identity>) -> Vec<(&'static str, String)> {
        identity.map(|identity| identity.env(&self.files, &self.internet)).unwrap_or_default()
    }
}

fn registry(provider: ProviderSettings) -> Registry {
    Registry {
        name: RegistryName::new("acme"),
        provider,
        secret: "acme-pull".into(),
        namespaces: NamespaceSelection { include: vec!["*".into()], exclude: vec![], selector: String::new() },
        service_accounts: vec![],
        renewal: Renewal { at: 0.5, schedule: None },
        verify: true,
    }
}

fn host(name: &str) -> Host {
    name.parse().unwrap()
}

fn now() -> jiff::Timestamp {
    SystemClock.now()
}

/// Every secret of the emulated world says CANARY.
fn assert_no_secret(text: &str) {
    assert!(!text.contains("CANARY"), "a secret leaked: {text}");
}

/// All that anyone may see of an error, after it was seen to hold no secret.
fn told(error: &MintError) -> String {
    let told = format!("{}; {}", error.chain(), error.remedy);
    assert_no_secret(&format!("{error:?} {error} {told}"));
    assert!(!error.remedy.is_empty(), "{told}");
    told
}

/// Mints, and expects a refusal.
async fn refused(provider: &Arc<dyn Provider>) -> MintError {
    let error = provider.mint().await.expect_err("refused");
    told(&error);
    error
}

/// Mints, and expects that the registries accept it.
async fn accepted(provider: &Arc<dyn Provider>) -> Credential {
    let credential = minted(provider).await;
    if let Err(error) = provider.verify(&credential).await {
        panic!("{}", told(&error));
    }
    credential
}

async fn minted(provider: &Arc<dyn Provider>) -> Credential {
    let credential = provider.mint().await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_no_secret(&format!("{credential:?}"));
    credential
}

/// How many requests each service had, for tests that count.
fn requests(clouds: &Clouds, services: &[Service]) -> HashMap<Service, u64> {
    services.iter().map(|service| (*service, clouds.requests(*service))).collect()
}
