//! What a person asks about, and how its pods are found.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind, Selector};
use serde_json::Value;

use super::{Found, Reader};
use crate::why::case::{ContainerKind, Subject};
use crate::why::pods::{Wish, needs, wishes};

/// What is asked about.
#[derive(Clone, Debug)]
pub enum Target {
    /// All pods that fail, of one namespace or of all.
    Failing(Option<String>),
    /// All images of all pods, of one namespace or of all: would they be pulled on a fresh node?
    Audit(Option<String>),
    /// One pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The pods of a workload, or if there are none, those that it would make.
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its kind.
        kind: Workload,
        /// Its name.
        name: String,
    },
    /// An image, with these pull Secrets.
    Image {
        /// The namespace of the Secrets.
        namespace: String,
        /// The image.
        image: String,
        /// The Secrets; without any, those of the namespace's default ServiceAccount.
        secrets: Vec<String>,
    },
    /// Pods that are only written down.
    Planned(Vec<Template>),
    /// What failing pods wanted when somebody else saw them: no pod is read.
    Seen(Vec<Wish>),
}

/// A pod that does not exist yet.
#[derive(Clone, Debug)]
pub struct Template {
    /// Where it would be.
    pub namespace: String,
    /// What would make it: `Deployment/web`.
    pub origin: String,
    /// What it would be.
    pub spec: Box<PodSpec>,
}

/// A kind of workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// `deploy`
    Deployment,
    /// `sts`
    StatefulSet,
    /// `ds`
    DaemonSet,
    /// `rs`
    ReplicaSet,
    /// `rc`
    ReplicationController,
    /// `job`
    Job,
    /// `cj`
    CronJob,
}

impl Workload {
    /// By kubectl's names for it.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        Some(match kind.to_lowercase().split('.').next().unwrap_or_default() {
            "deploy" | "deployment" | "deployments" => Self::Deployment,
            "sts" | "statefulset" | "statefulsets" => Self::StatefulSet,
            "ds" | "daemonset" | "daemonsets" => Self::DaemonSet,
            "rs" | "replicaset" | "replicasets" => Self::ReplicaSet,
            "rc" | "replicationcontroller" | "replicationcontrollers" => Self::ReplicationController,
            "job" | "jobs" => Self::Job,
            "cj" | "cronjob" | "cronjobs" => Self::CronJob,
            _ => return None,
        })
    }

    fn resource(self) -> ApiResource {
        let (group, kind) = match self {
            Self::Deployment => ("apps", "Deployment"),
            Self::StatefulSet => ("apps", "StatefulSet"),
            Self::DaemonSet => ("apps", "DaemonSet"),
            Self::ReplicaSet => ("apps", "ReplicaSet"),
            Self::ReplicationController => ("", "ReplicationController"),
            Self::Job => ("batch", "Job"),
            Self::CronJob => ("batch", "CronJob"),
        };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
    }
}

impl Reader<'_> {
    pub(super) async fn find(&self, target: &Target) -> kube::Result<Found> {
        let mut found = Found::default();
        match target {
            Target::Failing(namespace) => {
                self.each_pod(namespace.as_deref(), ListParams::default(), |pod| found.sorted.take(pod)).await?;
            }
            Target::Audit(namespace) => {
                let mut needed: BTreeMap<_, Wish> = BTreeMap::new();
                let take = |pod: &Pod| {
                    for wish in needs(pod) {
                        let key = (
                            wish.subject.namespace.clone(),
                            wish.image.clone(),
                            wish.account.clone(),
                            wish.pull_secrets.clone(),
                        );
                        needed.entry(key).or_insert(wish);
                    }
                };
                self.each_pod(namespace.as_deref(), ListParams::default(), take).await?;
                found.planned.extend(needed.into_values());
            }
            Target::Pod { namespace, name } => {
                let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
                found.sorted.take(&api.get(name).await?);
            }
            Target::Workload { namespace, kind, name } => self.workload(namespace, *kind, name, &mut found).await?,
            Target::Image { namespace, image, secrets } => found.planned.push(wish(namespace, image, secrets)),
            Target::Seen(wishes) => found.sorted.failing.extend(wishes.iter().cloned()),
            Target::Planned(templates) => found.planned.extend(templates.iter().flat_map(planned)),
        }
        Ok(found)
    }

    async fn workload(&self, namespace: &str, kind: Workload, name: &str, found: &mut Found) -> kube::Result<()> {
        let resource = kind.resource();
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let object = api.get(name).await?;
        let selectors = match kind {
            Workload::CronJob => self.jobs(namespace, name).await?,
            _ => object.data.pointer("/spec/selector").and_then(selector).into_iter().collect(),
        };
        for selector in selectors {
            let params = ListParams::default().labels_from(&selector);
            self.each_pod(Some(namespace), params, |pod| found.sorted.take(pod)).await?;
        }
        if found.sorted.pods == 0 {
            let origin = format!("{}/{name}", resource.kind);
            let spec = pod_spec(&object.data).map(|spec| Template { namespace: namespace.to_owned(), origin, spec });
            found.planned.extend(spec.iter().flat_map(planned));
        }
        Ok(())
    }

    /// The selectors of a CronJob's Jobs.
    async fn jobs(&self, namespace: &str, owner: &str) -> kube::Result<Vec<Selector>> {
        let resource = Workload::Job.resource();
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let jobs = api.list(&ListParams::default()).await?;
        let is_owned = |job: &&DynamicObject| {
            let mut owners = job.metadata.owner_references.iter().flatten();
            owners.any(|reference| reference.kind == "CronJob" && reference.name == owner)
        };
        Ok(jobs.items.iter().filter(is_owned).filter_map(|job| selector(job.data.pointer("/spec/selector")?)).collect())
    }
}

/// A ReplicationController's selector is a map of labels, all others' have such a map inside.
fn selector(value: &Value) -> Option<Selector> {
    let fields = value.as_object()?;
    if fields.contains_key("matchLabels") || fields.contains_key("matchExpressions") {
        let selector: LabelSelector = serde_json::from_value(value.clone()).ok()?;
        return selector.try_into().ok();
    }
    let labels: BTreeMap<String, String> = serde_json::from_value(value.clone()).ok()?;
    (!labels.is_empty()).then(|| labels.into_iter().collect())
}

fn planned(template: &Template) -> Vec<Wish> {
    wishes(&template.spec, &template.namespace, &template.origin)
}

fn wish(namespace: &str, image: &str, secrets: &[String]) -> Wish {
    let subject = Subject {
        namespace: namespace.to_owned(),
        pod: String::new(),
        container: String::new(),
        kind: ContainerKind::Container,
        controller: None,
        node: None,
    };
    Wish {
        subject,
        image: image.to_owned(),
        complaint: None,
        uid: String::new(),
        pull_secrets: secrets.to_vec(),
        account: "default".to_owned(),
        is_planned: true,
    }
}

/// Finds the pods that a manifest would make; `namespace` is for objects that name none.
///
/// # Errors
/// What is wrong with the text, by its place.
pub fn templates(text: &str, namespace: &str) -> Result<Vec<Template>, String> {
    let documents: Vec<Option<Value>> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    documents.into_iter().flatten().for_each(|document| collect(&document, namespace, &mut found));
    Ok(found)
}

fn collect(object: &Value, namespace: &str, found: &mut Vec<Template>) {
    if let Some(Value::Array(items)) = object.get("items") {
        items.iter().for_each(|item| collect(item, namespace, found));
        return;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let spec = match text("/kind") {
        Some("Pod") => object.get("spec").and_then(|spec| serde_json::from_value(spec.clone()).ok()),
        Some(_) => pod_spec(object),
        None => None,
    };
    if let Some(spec) = spec {
        let origin = format!("{}/{}", text("/kind").unwrap_or_default(), text("/metadata/name").unwrap_or("?"));
        let namespace = text("/metadata/namespace").unwrap_or(namespace).to_owned();
        found.push(Template { namespace, origin, spec });
    }
}

/// The pod that a workload makes.
fn pod_spec(object: &Value) -> Option<Box<PodSpec>> {
    let places = ["/spec/jobTemplate/spec/template/spec", "/spec/template/spec"];
    let spec = places.into_iter().find_map(|place| object.pointer(place))?;
    serde_json::from_value(spec.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_of_a_manifest_are_found_wherever_they_stand() {
        let manifest = "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: a:1}]}\n---\n\
            # nothing\n---\nkind: CronJob\nmetadata: {name: b, namespace: other}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        \
            spec: {containers: [{name: c, image: 'b:1'}], initContainers: [{name: i, image: 'i:1'}]}\n---\nkind: List\nitems:\n\
            - kind: Deployment\n  metadata: {name: d}\n  spec: {template: {spec: {containers: [{name: c, image: d:1}]}}}\n\
            - kind: Service\n  metadata: {name: s}\n";
        let found = templates(manifest, "here").expect("YAML");
        let origins: Vec<_> =
            found.iter().map(|template| (template.namespace.as_str(), template.origin.as_str())).collect();
        assert_eq!(origins, [("here", "Pod/a"), ("other", "CronJob/b"), ("here", "Deployment/d")]);
        assert_eq!(planned(&found[1]).len(), 2);
        assert!(templates("kind: [", "here").is_err());
    }
}
