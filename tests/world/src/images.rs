//! Tiny images made by ourselves, so that tests need no internet.
//!
//! An image holds one static program that waits until it is told to end. A label makes images differ in their digests.

use std::path::Path;

use reqwest::{Client, StatusCode, Url, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Context, Result, WorldError, binaries::Program};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An OCI image for this machine's architecture.
#[derive(Clone, Debug)]
pub struct Image {
    config: Blob,
    layer: Blob,
    manifest: Blob,
}

#[derive(Clone, Debug)]
struct Blob {
    bytes: Vec<u8>,
    digest: String,
}

impl Image {
    /// Makes one; another label gives another image.
    pub async fn new(label: &str) -> Result<Self> {
        let program = Program::Pause.path().await?;
        let program = std::fs::read(&program).context(|| format!("reading {}", program.display()))?;
        let layer = Blob::new(tar(&[("pause", &program)])?);
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = Blob::json(&json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65534:65534", "Labels": {"world": label}},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        }));
        let manifest = Blob::json(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
        }));
        Ok(Self { config, layer, manifest })
    }

    /// `sha256:…` of the manifest, as in `NAME@DIGEST`.
    pub fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// Pushes it as `REPOSITORY:TAG` to a registry that asks for no credentials.
    pub(crate) async fn push(&self, http: &Client, registry: &Url, repository: &str, tag: &str) -> Result<()> {
        for blob in [&self.layer, &self.config] {
            let uploads = join(registry, &format!("v2/{repository}/blobs/uploads/"))?;
            let opened = sent(http.post(uploads.clone()), StatusCode::ACCEPTED).await?;
            let location = opened.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let mut upload = join(&uploads, location.unwrap_or_default())?;
            upload.query_pairs_mut().append_pair("digest", &blob.digest);
            sent(http.put(upload).body(blob.bytes.clone()), StatusCode::CREATED).await?;
        }
        let manifest = join(registry, &format!("v2/{repository}/manifests/{tag}"))?;
        let request = http.put(manifest).header(header::CONTENT_TYPE, MANIFEST).body(self.manifest.bytes.clone());
        sent(request, StatusCode::CREATED).await.map(drop)
    }

    /// Writes it as an archive in the OCI layout, named `reference`, for `ctr images import`.
    pub fn write_archive(&self, path: &Path, reference: &str) -> Result<()> {
        let mut entry = self.manifest.descriptor(MANIFEST);
        entry["annotations"] = json!({"io.containerd.image.name": reference});
        let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
        let blobs = [&self.config, &self.layer, &self.manifest];
        let names = blobs.map(|blob| blob.digest.replacen("sha256:", "blobs/sha256/", 1));
        let mut files: Vec<(&str, &[u8])> =
            vec![("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", index.as_bytes())];
        files.extend(names.iter().zip(blobs).map(|(name, blob)| (name.as_str(), blob.bytes.as_slice())));
        std::fs::write(path, tar(&files)?).context(|| format!("writing {}", path.display()))
    }
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { digest: format!("sha256:{digest}"), bytes }
    }

    fn json(value: &Value) -> Self {
        Self::new(value.to_string().into_bytes())
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

fn tar(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, *bytes).context(|| format!("packing {name}"))?;
    }
    archive.into_inner().context(|| "packing an archive")
}

fn join(base: &Url, path: &str) -> Result<Url> {
    base.join(path).context(|| format!("joining {base} and {path}"))
}

async fn sent(request: reqwest::RequestBuilder, expected: StatusCode) -> Result<reqwest::Response> {
    let response = request.send().await.context(|| "pushing an image")?;
    if response.status() == expected {
        return Ok(response);
    }
    let (status, url) = (response.status(), response.url().clone());
    let body = response.text().await.unwrap_or_default();
    Err(WorldError::new(format!("pushing an image: {url} answered {status}: {body}")))
}
