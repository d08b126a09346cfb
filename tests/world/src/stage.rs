//! The whole scene: a cluster, a registry, the clouds, and pullmint's configuration for them.

use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use crate::clouds::Clouds;
use crate::internet::Internet;
use crate::registry::{RegistryAuth, RegistryOptions, TokenAuth, TokenKeys};
use crate::{Context, Image, Node, NodeOptions, PodNetwork, Result, Surroundings, World, WorldBuilder, WorldDir};

/// The running scene, with the surroundings of one pullmint; dropping it ends everything.
#[derive(Debug)]
pub struct Stage {
    /// Cluster, registry, and the node if there is one.
    pub world: World,
    surroundings: Surroundings,
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
        Self::assemble(World::builder(), node, Ipv4Addr::LOCALHOST).await
    }

    /// The same with a node whose pods have a network of their own, the way to the clouds included; only where
    /// [`crate::Node::available`] and [`PodNetwork::available`].
    pub async fn start_with_pod_network() -> Result<Self> {
        let dir = WorldDir::new()?;
        let network = PodNetwork::start(&dir).await?;
        let machine = network.machine();
        Self::assemble(World::builder().pod_network(network, dir), true, machine).await
    }

    /// The same on a cluster that runs already, without a node of ours. pullmint is at home in `namespace`.
    pub async fn start_on(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        Self::assemble(World::builder().running_cluster(kubeconfig, namespace), false, Ipv4Addr::LOCALHOST).await
    }

    async fn assemble(builder: WorldBuilder, node: bool, address: Ipv4Addr) -> Result<Self> {
        let clouds = Clouds::new().context(|| "making the clouds")?;
        let internet = Internet::start_at(clouds.clone(), address.into()).await;
        let internet = internet.context(|| "starting the internet")?;
        let trust = clouds.token_trust();
        let auth = RegistryAuth::Token(TokenAuth {
            realm: trust.realm,
            service: trust.service,
            issuer: trust.issuer,
            keys: TokenKeys::RootCertificates(trust.rootcertbundle),
        });
        let mut builder = builder.registry(RegistryOptions { auth, ..RegistryOptions::default() });
        if node {
            builder = builder.node(node_options(&internet));
        }
        let world = builder.start().await?;
        if let Some(registry) = &world.registry {
            clouds.attach_registry(&registry.url());
        }
        let kubeconfig = world.control_plane.kubeconfig();
        let surroundings = Surroundings::make(clouds, internet, world.dir.path(), kubeconfig)?;
        Ok(Self { world, surroundings })
    }

    /// What a further pullmint needs beside the first one: clouds of its own before the same registry, and a
    /// namespace of that name as its home in the same cluster. Faults and counts are then its own too.
    pub async fn surroundings(&self, name: &str) -> Result<Surroundings> {
        let clouds = self.clouds.beside().context(|| "making more clouds")?;
        let internet = Internet::start(clouds.clone()).await.context(|| "starting another internet")?;
        let dir = self.world.dir.subdir(name)?;
        let kubeconfig = self.world.control_plane.kubeconfig_in(name).await?;
        Surroundings::make(clouds, internet, &dir, kubeconfig)
    }

    /// A node of the cluster that lives in these surroundings' internet; only where [`Node::available`].
    pub async fn node(&self, surroundings: &Surroundings) -> Result<Node> {
        Node::start(node_options(&surroundings.internet), &self.world.control_plane, &self.world.dir).await
    }

    /// Puts the same small image into all of [`IMAGES`].
    pub async fn push_images(&self) -> Result<()> {
        self.push_images_as("1").await
    }

    /// The same with another tag, and a digest of its own.
    pub async fn push_images_as(&self, tag: &str) -> Result<()> {
        let Some(registry) = &self.world.registry else { return Ok(()) };
        let names = IMAGES.map(|(host, repository)| {
            let name = self.clouds.internal_name(host, repository).unwrap_or_else(|| repository.to_owned());
            format!("{name}:{tag}")
        });
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        registry.push(&Image::new(&format!("app-{tag}")).await?, &names).await
    }
}

fn node_options(internet: &Internet) -> NodeOptions {
    let (https_proxy, ca_file) = (Some(internet.proxy_url()), Some(internet.ca_file().to_owned()));
    NodeOptions { https_proxy, ca_file, mirrors: Vec::new(), network: None }
}

/// A stage is first of all the surroundings of its one pullmint.
impl Deref for Stage {
    type Target = Surroundings;

    fn deref(&self) -> &Surroundings {
        &self.surroundings
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Surroundings {
        &mut self.surroundings
    }
}
