//! What kubelets say of images that they do not get: recorded on the node of these tests, or known from other nodes.
//!
//! `PULLMINT_WRITE_DOCS=1 cargo test --test why` records anew, and then writes docs/causes.md.

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::Api;
use kube::api::ListParams;
use pullmint::why::message::heard;
use pullmint::why::reference::Reference;
use serde::{Deserialize, Serialize};

use crate::bed::Bed;

/// The kubelet's words for one image.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Text {
    /// The true cause.
    pub(crate) code: String,
    /// What the words alone can tell, where that is another cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) heard: Option<String>,
    pub(crate) runtime: String,
    pub(crate) image: String,
    /// Of the container's status.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// `Failed to pull image …`, if the kubelet came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<String>,
}

impl Text {
    /// Records it from the first container that waits, as it is once the kubelet backs off.
    pub(crate) async fn of(bed: &Bed, code: &str, namespace: &str) -> Self {
        let pods: Api<Pod> = Api::namespaced(bed.client.clone(), namespace);
        let status = pods.get("app").await.expect("the pod").status.expect("a status");
        let statuses = [status.init_container_statuses, status.container_statuses].into_iter().flatten().flatten();
        let mut waiting = statuses.filter_map(|status| {
            let waiting = status.state?.waiting?;
            Some((status.image, waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default()))
        });
        let (image, reason, message) = waiting.next().expect("a container that waits");
        let (reason, message) = match reason.as_str() {
            "ErrImagePull" => {
                ("ImagePullBackOff".to_owned(), format!("Back-off pulling image \"{image}\": ErrImagePull: {message}"))
            }
            _ => (reason, message),
        };
        let events: Api<Event> = Api::namespaced(bed.client.clone(), namespace);
        let events = events.list(&ListParams::default().fields("reason=Failed")).await.expect("events");
        let beginning = format!("Failed to pull image \"{image}\"");
        let mut said = events.items.into_iter().filter_map(|event| event.message);
        let event = said.find(|said| said.starts_with(&beginning)).map(|said| still(&said));
        let (code, runtime) = (code.to_owned(), runtime(bed).await);
        Self { code, heard: None, runtime, image, reason: still(&reason), message: still(&message), event }
    }

    /// What `pullmint why` makes of the words alone.
    pub(crate) fn heard(&self) -> Option<String> {
        let image = Reference::parse(&self.image).ok()?;
        let words = self.event.iter().chain([&self.message, &self.reason]);
        words.filter_map(|words| heard(words, &image)).map(|code| code.to_string()).next()
    }
}

/// `containerd 1.7`
async fn runtime(bed: &Bed) -> String {
    let node = bed.stage.world.node.as_ref().expect("a node");
    let nodes: Api<Node> = Api::all(bed.client.clone());
    let info = nodes.get(node.name()).await.expect("the node").status.and_then(|status| status.node_info);
    let version = info.expect("the node's facts").container_runtime_version;
    let (name, version) = version.split_once("://").expect("NAME://VERSION");
    format!("{name} {}", version.split('.').take(2).collect::<Vec<_>>().join("."))
}

/// Without what is another each time: digests, times.
fn still(text: &str) -> String {
    let word = |word: &str| match word.split_once("sha256:") {
        Some((before, digest)) => {
            let rest = digest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            format!("{before}sha256:{}{rest}", "0".repeat(64))
        }
        None if word.starts_with("20") && word.contains('T') && word.ends_with('Z') => {
            "2026-01-01T00:00:00Z".to_owned()
        }
        None => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/why/texts").join(name)
}

fn read(name: &str) -> Vec<Text> {
    let path = file(name);
    serde_json::from_str(&fs::read_to_string(&path).expect("a file")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn recorded() -> Vec<Text> {
    read("recorded.json")
}

/// In the words of other kubelets, from containerd 1.6 to 2.x, and CRI-O.
pub(crate) fn others() -> Vec<Text> {
    let mut texts = read("others.json");
    for text in texts.iter_mut().filter(|text| text.reason == "ImagePullBackOff") {
        text.event = Some(format!("Failed to pull image \"{}\": {}", text.image, text.message));
    }
    texts
}

pub(crate) fn write_recorded(texts: &[Text]) {
    fs::write(file("recorded.json"), serde_json::to_string_pretty(texts).expect("JSON") + "\n").expect("a file");
}

#[test]
fn the_words_of_other_kubelets_are_understood_without_asking_anybody() {
    for text in others() {
        let expected = text.heard.clone().unwrap_or_else(|| text.code.clone());
        assert_eq!(text.heard(), Some(expected), "{text:#?}");
    }
}
