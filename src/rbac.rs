//! The least that pullmint must be allowed, for a given configuration: every rule named with its reason.
//!
//! Server-side apply is what makes this possible. It is authorized as `patch`, and where it creates as `create` with
//! the object's name, so both can be limited to the names of pullmint's own Secrets; a plain `create` could not.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::config::Settings;
use crate::state;

/// The name of every object here; those of the whole cluster have the namespace of their pullmint added, so that
/// several pullmints can stand side by side.
pub const NAME: &str = "pullmint";

/// The Lease by which several copies of pullmint agree on the one that works.
pub const LEASE: &str = NAME;

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The objects that give a ServiceAccount just what it needs.
#[derive(Clone, Debug)]
pub struct Roles {
    /// Who.
    pub service_account: ServiceAccount,
    /// What, in all namespaces.
    pub cluster_role: ClusterRole,
    /// Who may do what, in all namespaces.
    pub cluster_role_binding: ClusterRoleBinding,
    /// What, in pullmint's own namespace.
    pub role: Role,
    /// Who may do what, in pullmint's own namespace.
    pub role_binding: RoleBinding,
}

impl Roles {
    /// All of them as JSON, each after what it names.
    #[must_use]
    pub fn objects(&self) -> [Value; 5] {
        let Self { service_account, cluster_role, cluster_role_binding, role, role_binding } = self;
        [json!(service_account), json!(cluster_role), json!(cluster_role_binding), json!(role), json!(role_binding)]
    }
}

/// The roles of this configuration for a pullmint in `namespace`.
#[must_use]
pub fn roles(settings: &Settings, namespace: &str) -> Roles {
    let in_cluster = format!("{NAME}-{namespace}");
    let of_cluster = || ObjectMeta { name: Some(in_cluster.clone()), ..ObjectMeta::default() };
    let of_namespace =
        || ObjectMeta { name: Some(NAME.to_owned()), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() };
    let role_ref = |kind: &str, name: &str| RoleRef {
        api_group: RBAC_GROUP.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let subject = Subject {
        kind: "ServiceAccount".to_owned(),
        name: NAME.to_owned(),
        namespace: Some(namespace.to_owned()),
        ..Subject::default()
    };
    Roles {
        service_account: ServiceAccount { metadata: of_namespace(), ..ServiceAccount::default() },
        cluster_role: ClusterRole {
            metadata: of_cluster(),
            rules: Some(cluster_rules(settings)),
            ..ClusterRole::default()
        },
        cluster_role_binding: ClusterRoleBinding {
            metadata: of_cluster(),
            role_ref: role_ref("ClusterRole", &in_cluster),
            subjects: Some(vec![subject.clone()]),
        },
        role: Role { metadata: of_namespace(), rules: Some(own_rules()) },
        role_binding: RoleBinding {
            metadata: of_namespace(),
            role_ref: role_ref("Role", NAME),
            subjects: Some(vec![subject]),
        },
    }
}

fn cluster_rules(settings: &Settings) -> Vec<PolicyRule> {
    let secrets: BTreeSet<_> = settings.registries.iter().map(|registry| &registry.secret).collect();
    let retired: BTreeSet<_> = settings.retired.secrets.iter().filter(|name| !secrets.contains(name)).collect();
    let accounts = settings.registries.iter().flat_map(|registry| &registry.service_accounts);
    let accounts: BTreeSet<_> = accounts.chain(&settings.retired.service_accounts).collect();
    let mut rules = vec![
        // Which namespaces there are, their labels, and new ones at once. Names cannot limit this.
        rule("", "namespaces", &[], &["list", "watch"]),
        // Tell what happened, on the objects that it happened to: `create`, and `patch` where it happens again. An
        // event's name says when it was made, so names cannot limit this either.
        rule("events.k8s.io", "events", &[], &["create", "patch"]),
    ];
    // A rule without names would be one for all objects.
    if !secrets.is_empty() {
        // Apply them (`create`, `patch`), remove those of unselected namespaces (`delete`), and see by metadata what
        // others did to them (`list`, `watch`). No `get`: their data is never read.
        rules.push(rule("", "secrets", &names(&secrets), &["create", "delete", "list", "patch", "watch"]));
    }
    if !retired.is_empty() {
        // See by metadata what is left under names that nobody has any more (`list`, `watch`), and remove it (`delete`).
        rules.push(rule("", "secrets", &names(&retired), &["delete", "list", "watch"]));
    }
    if !accounts.is_empty() {
        // See which exist and what they name already (`list`, `watch`), and add to that (`patch`).
        rules.push(rule("", "serviceaccounts", &names(&accounts), &["list", "patch", "watch"]));
    }
    if settings.pulls.explain {
        rules.extend(rules_of_pulls(settings, &secrets));
    }
    if settings.admin.authenticate {
        // Ask whose a token is that somebody shows, and what they may see.
        rules.push(rule("authentication.k8s.io", "tokenreviews", &[], &["create"]));
        rules.push(rule("authorization.k8s.io", "subjectaccessreviews", &[], &["create"]));
    }
    if settings.pulls.recoveries_per_minute.is_some() {
        // Look once more at a pod that waits for a credential which is renewed (`get`), and let another take its place
        // (`delete`). Pods have no names that are known beforehand.
        rules.push(rule("", "pods", &[], &["delete", "get"]));
    }
    rules
}

/// What it takes to say why images do not pull. Whose pods these are, names cannot tell beforehand.
fn rules_of_pulls(settings: &Settings, own: &BTreeSet<&String>) -> Vec<PolicyRule> {
    let secrets = match settings.pulls.read_all_secrets {
        true => Some(rule("", "secrets", &[], &["get"])),
        // A rule without names would be one for all objects.
        false => (!own.is_empty()).then(|| rule("", "secrets", &names(own), &["get"])),
    };
    let others = [
        // See which pods wait for their images.
        rule("", "pods", &[], &["list", "watch"]),
        // See what the kubelet said of each attempt.
        rule("", "events", &[], &["list"]),
        // See what platform a pod's node is, and whether its disk is full.
        rule("", "nodes", &[], &["get"]),
        // See which pull Secrets the pod's ServiceAccount names by now.
        rule("", "serviceaccounts", &[], &["get"]),
    ];
    // Ask the registry with the very credentials that the kubelet has.
    others.into_iter().chain(secrets).collect()
}

fn own_rules() -> Vec<PolicyRule> {
    vec![
        // The state Secret: read at the start, applied after each renewal.
        rule("", "secrets", &[state::NAME.to_owned()], &["create", "get", "patch"]),
        // The Lease of the leader: made by an apply (`create`, `patch`), renewed and handed over (`patch`), and seen
        // by those who stand by (`get`, `watch`).
        rule("coordination.k8s.io", "leases", &[LEASE.to_owned()], &["create", "get", "patch", "watch"]),
    ]
}

fn names(set: &BTreeSet<&String>) -> Vec<String> {
    set.iter().copied().cloned().collect()
}

fn rule(group: &str, resource: &str, names: &[String], verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: (!names.is_empty()).then(|| names.to_vec()),
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        ..PolicyRule::default()
    }
}

/// One verb on one object, for asking whether it is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The verb.
    pub verb: String,
    /// The API group; empty for the core one.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// The object's name, where the permission is limited to it.
    pub name: Option<String>,
    /// The namespace; `None` for all of them.
    pub namespace: Option<String>,
}

/// The roles, taken apart.
#[must_use]
pub fn permissions(settings: &Settings, namespace: &str) -> Vec<Permission> {
    let cluster = cluster_rules(settings).into_iter().map(|rule| (None, rule));
    let own = own_rules().into_iter().map(|rule| (Some(namespace.to_owned()), rule));
    let mut permissions = Vec::new();
    for (namespace, rule) in cluster.chain(own) {
        let names = rule.resource_names.map_or_else(|| vec![None], |names| names.into_iter().map(Some).collect());
        for resource in rule.resources.iter().flatten() {
            for (name, verb) in names.iter().flat_map(|name| rule.verbs.iter().map(move |verb| (name, verb))) {
                permissions.push(Permission {
                    verb: verb.clone(),
                    group: rule.api_groups.iter().flatten().next().cloned().unwrap_or_default(),
                    resource: resource.clone(),
                    name: name.clone(),
                    namespace: namespace.clone(),
                });
            }
        }
    }
    permissions
}

impl Permission {
    /// Whether it does the same when it is given in each served namespace by itself. What is only seen is seen in all
    /// namespaces or in none: a watch spans them.
    #[must_use]
    pub fn may_be_given_by_namespace(&self) -> bool {
        let changes = matches!(self.verb.as_str(), "create" | "delete" | "patch");
        let looks_once_more = self.resource == "pods" && self.verb == "get";
        self.namespace.is_none() && self.group.is_empty() && (changes || looks_once_more)
    }

    /// It, where it is given in each served namespace by itself.
    #[must_use]
    pub fn in_selected_namespaces(&self) -> String {
        format!("{} in the selected namespaces", self.act())
    }

    /// What may be done, without the place.
    fn act(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {}/{name}", self.verb, self.resource),
            None => format!("{} {}", self.verb, self.resource),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} in {namespace}", self.act()),
            None => write!(f, "{} in all namespaces", self.act()),
        }
    }
}
