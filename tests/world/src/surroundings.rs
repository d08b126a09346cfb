//! What surrounds one pullmint: its clouds, the way to them, its identity, secret files, configuration and home.
//!
//! pullmint sees the emulated internet through a proxy and a certificate authority, as in many an enterprise, so the
//! configuration and the image names are those of production.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clouds::{Clouds, Service, seed};
use crate::internet::Internet;
use crate::process::Launch;
use crate::{Context, Result};

/// The surroundings of one pullmint. Several stand side by side in one cluster.
#[derive(Debug)]
pub struct Surroundings {
    /// The clouds' controls.
    pub clouds: Clouds,
    /// The way to them.
    pub internet: Internet,
    /// The secret files of pullmint's identities.
    pub files: seed::Files,
    dir: PathBuf,
    config: PathBuf,
    kubeconfig: PathBuf,
    identities: Vec<seed::Identity>,
}

impl Surroundings {
    pub(crate) fn make(clouds: Clouds, internet: Internet, dir: &Path, kubeconfig: PathBuf) -> Result<Self> {
        let files = clouds.write_files(&dir.join("secrets")).context(|| "writing secret files")?;
        let config = dir.join("config");
        fs::create_dir_all(&config).context(|| format!("creating {}", config.display()))?;
        let identities = vec![seed::Identity::AwsKeys, seed::Identity::AzureWorkload];
        Ok(Self { clouds, internet, files, dir: dir.to_owned(), config, kubeconfig, identities })
    }

    /// How long credentials of all clouds live that are minted from now on.
    pub fn set_life(&self, life: Duration) {
        for service in [Service::Ecr, Service::EcrPublic, Service::AcrExchange, Service::AcrToken, Service::HubTokens] {
            self.clouds.set_life(service, life);
        }
    }

    /// Chooses as whom pullmint comes to the API server.
    pub fn identify_to_cluster(&mut self, kubeconfig: PathBuf) {
        self.kubeconfig = kubeconfig;
    }

    /// As whom pullmint comes to the API server.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The same identity's kubeconfig with another server address, such as that of a proxy in front of the API server.
    pub fn kubeconfig_via(&self, server: &str) -> Result<PathBuf> {
        let what = || format!("writing a kubeconfig for {server}");
        let text = fs::read_to_string(&self.kubeconfig).context(what)?;
        let mut kubeconfig: serde_json::Value = serde_json::from_str(&text).context(what)?;
        kubeconfig["clusters"][0]["cluster"]["server"] = server.into();
        let path =
            self.dir.join(format!("via-{}.kubeconfig", server.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
        fs::write(&path, kubeconfig.to_string()).context(what)?;
        Ok(path)
    }

    /// Where logs and files lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// pullmint's configuration directory.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Writes one file of the configuration, as [`Surroundings::fill`] fills it.
    pub fn configure(&self, name: &str, toml: &str) -> Result<()> {
        // Whoever follows the directory never sees half of a file.
        let (what, new) = (|| format!("writing {name}"), self.dir.join(format!("{name}.new")));
        fs::write(&new, self.fill(toml)).context(what)?;
        fs::rename(&new, self.config.join(name)).context(what)
    }

    /// In a text of the configuration `{hub_password}`, `{hub_org_token}` and so on stand for the paths of
    /// [`seed::Files`], and `{ca_file}` for the test CA.
    pub fn fill(&self, toml: &str) -> String {
        let files = &self.files;
        let mut text = toml.to_owned();
        for (key, path) in [
            ("{aws_web_identity_token}", &files.aws_web_identity_token),
            ("{azure_client_secret}", &files.azure_client_secret),
            ("{azure_federated_token}", &files.azure_federated_token),
            ("{hub_password}", &files.hub_password),
            ("{hub_personal_token}", &files.hub_personal_token),
            ("{hub_org_token}", &files.hub_org_token),
            ("{hub_oidc_token}", &files.hub_oidc_token),
        ] {
            text = text.replace(key, &path.display().to_string());
        }
        text.replace("{ca_file}", &self.internet.ca_file().display().to_string())
    }

    /// Takes over the examples of a directory as they are, but for the path of the one secret file and the test CA.
    pub fn configure_like(&self, examples: &Path) -> Result<()> {
        for name in ["acr.toml", "docker-hub.toml", "ecr.toml", "ecr-public.toml"] {
            let text = fs::read_to_string(examples.join(name)).context(|| format!("reading the example {name}"))?;
            self.configure(name, &text.replace("/run/secrets/docker-hub/token", "{hub_org_token}"))?;
        }
        let text =
            fs::read_to_string(examples.join("pullmint.toml")).context(|| "reading the example pullmint.toml")?;
        // Several pullmints live on one machine here.
        let text = text.replace("# listen = \"[::]:8080\"", "listen = \"127.0.0.1:0\"");
        self.configure("pullmint.toml", &format!("ca_file = \"{{ca_file}}\"\n{text}"))
    }

    /// Chooses who pullmint is to the clouds; by default an AWS access key and an Azure workload identity.
    pub fn identify(&mut self, identities: impl IntoIterator<Item = seed::Identity>) {
        self.identities = identities.into_iter().collect();
    }

    /// The environment of a pullmint that talks to this cluster and these clouds. Its trust comes from `ca_file`.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let mut env: Vec<_> = self.internet.env().into_iter().filter(|(name, _)| *name != "SSL_CERT_FILE").collect();
        for identity in &self.identities {
            env.extend(identity.env(&self.files, &self.internet));
        }
        env.push(("KUBECONFIG", self.kubeconfig.display().to_string()));
        env
    }

    /// A pullmint process with these arguments, to be started; it logs to `NAME.log` in [`Surroundings::dir`].
    pub fn pullmint(&self, name: &str, program: &Path, args: &[&str]) -> Launch {
        let launch = Launch::new(name, program, &self.dir).args(args);
        let launch = launch.arg("--config").arg(&self.config);
        self.env().into_iter().fold(launch, |launch, (key, value)| launch.env(key, value))
    }
}
