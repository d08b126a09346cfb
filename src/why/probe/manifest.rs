//! Manifests, as far as they tell whether a node can use an image.

use serde::Deserialize;

use crate::why::answer::{Manifest, Platform};
use crate::why::reference::is_digest;

/// Blobs that are asked for, and tags that are kept: enough for every honest image.
const MOST_BLOBS: usize = 40;
const MOST_TAGS: usize = 1000;

/// What can be said of a manifest by its type alone.
pub(super) fn of_type(digest: Option<String>, media_type: &str) -> Manifest {
    let is_schema_1 = media_type.contains("docker.distribution.manifest.v1");
    let unsupported =
        is_schema_1.then(|| "its manifest is of schema 1, which container runtimes take no more".to_owned());
    Manifest { digest, unsupported, ..Manifest::default() }
}

/// A manifest, read.
pub(super) enum Content {
    /// One manifest for each platform: its digest.
    Index(Vec<(Platform, String)>),
    Image(Image),
}

/// An image for one platform.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) config: String,
    config_type: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Written {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default, rename = "mediaType")]
    media_type: String,
    platform: Option<WrittenPlatform>,
}

#[derive(Deserialize)]
struct WrittenPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl WrittenPlatform {
    fn read(self) -> Platform {
        let word = |text: String| text.chars().filter(|c| c.is_ascii_alphanumeric()).take(20).collect::<String>();
        let variant = self.variant.map(word).filter(|variant| !variant.is_empty());
        Platform { os: word(self.os), architecture: word(self.architecture), variant }
    }
}

impl Content {
    /// Reads a manifest. `None`: it is none, or one of its digests is not one.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(body).ok()?;
        let good = |descriptor: &Descriptor| is_digest(&descriptor.digest);
        if let Some(manifests) = written.manifests {
            let entries = manifests.into_iter().filter(good).filter_map(|descriptor| {
                let platform = descriptor.platform?.read();
                // Attestations stand among the images, under this name.
                (platform.os != "unknown").then_some((platform, descriptor.digest))
            });
            return Some(Self::Index(entries.collect()));
        }
        let config = written.config.filter(good)?;
        if !written.layers.iter().all(good) {
            return None;
        }
        let layers = written.layers.into_iter().map(|layer| layer.digest).take(MOST_BLOBS).collect();
        Some(Self::Image(Image { config: config.digest, config_type: config.media_type, layers }))
    }
}

impl Image {
    /// Why it is no image, if it is none.
    pub(super) fn unsupported(&self) -> Option<String> {
        let known = ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
        if self.config_type.is_empty() || known.contains(&self.config_type.as_str()) {
            return None;
        }
        let shown: String = self.config_type.chars().filter(|c| !c.is_control()).take(80).collect();
        Some(format!("it is no container image but an artifact of type {shown}"))
    }

    /// All that must be there.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.config).chain(&self.layers).map(String::as_str)
    }
}

/// What an image's configuration says that it runs on.
pub(super) fn platform(config: &[u8]) -> Option<Platform> {
    serde_json::from_slice::<WrittenPlatform>(config).ok().map(WrittenPlatform::read)
}

/// The tags of a repository; what is no tag is left out.
pub(super) fn tags(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Listed {
        tags: Option<Vec<String>>,
    }
    let is_tag = |tag: &String| {
        tag.len() <= 128 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) && !tag.is_empty()
    };
    let listed = serde_json::from_slice::<Listed>(body).ok().and_then(|listed| listed.tags);
    listed.unwrap_or_default().into_iter().filter(is_tag).take(MOST_TAGS).collect()
}
