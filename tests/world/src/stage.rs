//! The whole scene: a cluster, a registry, the clouds, and pullmint's configuration for them.
//!
//! pullmint and the node see the emulated internet through a proxy and a certificate authority, as in many an
//! enterprise, so the configuration and the image names are those of production.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clouds::{Clouds, Service, seed};
use crate::internet::Internet;
use crate::process::Launch;
use crate::registry::{RegistryAuth, RegistryOptions, TokenAuth, TokenKeys};
use crate::{Context, Image, NodeOptions, Result, World, WorldBuilder};

/// The running scene; dropping it ends everything.
#[derive(Debug)]
pub struct Stage {
    /// Cluster, registry, and the node if there is one.
    pub world: World,
    /// The clouds' controls.
    pub clouds: Clouds,
    /// The way to them.
    pub internet: Internet,
    /// The secret files of pullmint's identities.
    pub files: seed::Files,
    config: PathBuf,
    identities: Vec<seed::Identity>,
}

/// The repositories that hold an image with the tag `1`: host and repository.
pub const IMAGES: [(&str, &str); 4] = [
    ("docker.io", "acme/app"),
    ("acme.azurecr.io", "team/app"),
    ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "team/app"),
    ("public.ecr.aws", "acme/app"),
];

impl Stage {
    /// Starts all parts; `node` only where [`crate::Node::available`].
    pub async fn start(node: bool) -> Result<Self> {
        Self::assemble(World::builder(), node).await
    }

    /// The same on a cluster that runs already, without a node of ours. pullmint is at home in `namespace`.
    pub async fn start_on(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        Self::assemble(World::builder().running_cluster(kubeconfig, namespace), false).await
    }

    async fn assemble(builder: WorldBuilder, node: bool) -> Result<Self> {
        let clouds = Clouds::new().context(|| "making the clouds")?;
        let internet = Internet::start(clouds.clone()).await.context(|| "starting the internet")?;
        let trust = clouds.token_trust();
        let auth = RegistryAuth::Token(TokenAuth {
            realm: trust.realm,
            service: trust.service,
            issuer: trust.issuer,
            keys: TokenKeys::RootCertificates(trust.rootcertbundle),
        });
        let mut builder = builder.registry(RegistryOptions { auth });
        if node {
            let (https_proxy, ca_file) = (Some(internet.proxy_url()), Some(internet.ca_file().to_owned()));
            builder = builder.node(NodeOptions { https_proxy, ca_file, mirrors: Vec::new() });
        }
        let world = builder.start().await?;
        if let Some(registry) = &world.registry {
            clouds.attach_registry(&registry.url());
        }
        let files = clouds.write_files(&world.dir.subdir("secrets")?).context(|| "writing secret files")?;
        let config = world.dir.subdir("config")?;
        let identities = vec![seed::Identity::AwsKeys, seed::Identity::AzureWorkload];
        Ok(Self { world, clouds, internet, files, config, identities })
    }

    /// Puts the same small image into all of [`IMAGES`].
    pub async fn push_images(&self) -> Result<()> {
        let Some(registry) = &self.world.registry else { return Ok(()) };
        let names = IMAGES.map(|(host, repository)| {
            let name = self.clouds.internal_name(host, repository).unwrap_or_else(|| repository.to_owned());
            format!("{name}:1")
        });
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        registry.push(&Image::new("app").await?, &names).await
    }

    /// How long credentials of all clouds live that are minted from now on.
    pub fn set_life(&self, life: Duration) {
        for service in [Service::Ecr, Service::EcrPublic, Service::AcrExchange, Service::AcrToken, Service::HubTokens] {
            self.clouds.set_life(service, life);
        }
    }

    /// pullmint's configuration directory.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Writes one file of the configuration. In its text `{hub_password}`, `{hub_org_token}` and so on stand for
    /// the paths of [`seed::Files`], and `{ca_file}` for the test CA.
    pub fn configure(&self, name: &str, toml: &str) -> Result<()> {
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
        text = text.replace("{ca_file}", &self.internet.ca_file().display().to_string());
        fs::write(self.config.join(name), text).context(|| format!("writing {name}"))
    }

    /// Takes over the examples of a directory as they are, but for the path of the one secret file and the test CA.
    pub fn configure_like(&self, examples: &Path) -> Result<()> {
        for name in ["acr.toml", "docker-hub.toml", "ecr.toml", "ecr-public.toml"] {
            let text = fs::read_to_string(examples.join(name)).context(|| format!("reading the example {name}"))?;
            self.configure(name, &text.replace("/run/secrets/docker-hub/token", "{hub_org_token}"))?;
        }
        let text =
            fs::read_to_string(examples.join("pullmint.toml")).context(|| "reading the example pullmint.toml")?;
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
        env.push(("KUBECONFIG", self.world.control_plane.kubeconfig().display().to_string()));
        env
    }

    /// A pullmint process with these arguments, to be started; it logs to `NAME.log` in the world's directory.
    pub fn pullmint(&self, name: &str, program: &Path, args: &[&str]) -> Launch {
        let launch = Launch::new(name, program, self.world.dir.path()).args(args);
        let launch = launch.arg("--config").arg(&self.config);
        self.env().into_iter().fold(launch, |launch, (key, value)| launch.env(key, value))
    }
}
