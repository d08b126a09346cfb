//! The rights: each that the configuration needs is asked for, in all namespaces at once, and where that is not given,
//! in each namespace that is selected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams, PartialObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use tokio::time::timeout;

use super::{Item, Verdict, ok};
use crate::cli::{HomeArgs, explain};
use crate::clock::{Clock, SystemClock};
use crate::cluster::{self, Cluster};
use crate::config::settings::Registry;
use crate::config::{CompiledSelection, Settings};
use crate::pulse::Pulses;
use crate::rbac::{self, Permission};

/// The API server may take no longer.
const PATIENCE: Duration = Duration::from_secs(45);

/// Questions in flight.
const AT_ONCE: usize = 16;

/// So many namespaces are named; of the others, how many they are.
const NAMED: usize = 3;

/// Where a permission is given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    /// Wherever it is needed, by a rule for all of it.
    Everywhere,
    /// In each of the selected namespaces, of which there are so many.
    InEach(usize),
    /// In some of the selected namespaces, and not in these.
    NotIn(Vec<String>),
    /// Nowhere.
    Nowhere,
    /// That could not be found out.
    Unknown { why: String, remedy: &'static str },
}

pub(super) async fn permissions(settings: &Settings, home: &HomeArgs) -> Vec<Item> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Cluster { client, namespace } = match cluster::connect(&clock, &Pulses::default()).await {
        Ok(cluster) => cluster,
        Err(error) => {
            return vec![Item {
                subject: "cluster".to_owned(),
                check: "connect",
                result: Verdict::Failed,
                detail: explain(&error).replace("\n  because", ""),
                remedy: Some("set KUBECONFIG, or run in a Pod with a ServiceAccount".to_owned()),
            }];
        }
    };
    let needed = rbac::permissions(settings, home.namespace.as_deref().unwrap_or(&namespace));
    // That they cannot be listed is an answer of its own.
    let namespaces = Api::<Namespace>::all(client.clone()).list_metadata(&ListParams::default()).await;
    let namespaces = namespaces.map(|list| list.items).unwrap_or_default();
    let asked = needed.iter().map(|permission| {
        let places = permission.may_be_given_by_namespace().then(|| places(permission, settings, &namespaces));
        find(&client, permission, places.unwrap_or_default())
    });
    let given: Vec<_> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
    let by_namespace = given.iter().any(|given| matches!(given, Given::InEach(_) | Given::NotIn(_)));
    needed.iter().zip(given).map(|(permission, given)| item(permission, given, by_namespace)).collect()
}

/// The namespaces in which a permission is used.
fn places(permission: &Permission, settings: &Settings, all: &[PartialObjectMeta<Namespace>]) -> BTreeSet<String> {
    let needs = |registry: &&Registry| match (permission.resource.as_str(), &permission.name) {
        ("secrets", Some(name)) => registry.secret == *name,
        ("serviceaccounts", Some(name)) => registry.service_accounts.contains(name),
        _ => true,
    };
    let registries = settings.registries.iter().filter(needs);
    let selections: Vec<_> = registries.flat_map(|registry| CompiledSelection::new(&registry.namespaces)).collect();
    let selected = all.iter().filter(|namespace| {
        selections.iter().any(|selection| selection.selects(&namespace.name_any(), namespace.labels()))
    });
    selected.map(ResourceExt::name_any).collect()
}

async fn find(client: &Client, permission: &Permission, places: BTreeSet<String>) -> Given {
    match review(client, permission).await {
        Ok(true) => return Given::Everywhere,
        Ok(false) if places.is_empty() => return Given::Nowhere,
        Ok(false) => {}
        Err(unknown) => return unknown,
    }
    let mut lacking = Vec::new();
    let there = |place: &String| Permission { namespace: Some(place.clone()), ..permission.clone() };
    for place in &places {
        match review(client, &there(place)).await {
            Ok(true) => {}
            Ok(false) => lacking.push(place.clone()),
            Err(unknown) => return unknown,
        }
    }
    match lacking.len() {
        0 => Given::InEach(places.len()),
        all if all == places.len() => Given::Nowhere,
        _ => Given::NotIn(lacking),
    }
}

/// Whether something is allowed; without an answer, why there is none.
async fn review(client: &Client, permission: &Permission) -> Result<bool, Given> {
    let attributes = ResourceAttributes {
        group: Some(permission.group.clone()),
        resource: Some(permission.resource.clone()),
        verb: Some(permission.verb.clone()),
        name: permission.name.clone(),
        namespace: permission.namespace.clone(),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
        ..SelfSubjectAccessReview::default()
    };
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    match timeout(PATIENCE, api.create(&PostParams::default(), &review)).await {
        Ok(Ok(answer)) => Ok(answer.status.is_some_and(|status| status.allowed)),
        Ok(Err(error)) => Err(Given::Unknown {
            why: error.to_string(),
            remedy: "see whether the API server answers: kubectl auth can-i --list",
        }),
        Err(_) => Err(Given::Unknown {
            why: format!("no answer within {} s", PATIENCE.as_secs()),
            remedy: "see whether the API server answers: kubectl version",
        }),
    }
}

/// What is told of one permission. Who gives rights by namespace has declined those that `pullmint rbac` prints: then
/// they are not advised.
fn item(permission: &Permission, given: Given, by_namespace: bool) -> Item {
    let subject = match given {
        Given::InEach(_) | Given::NotIn(_) => permission.in_selected_namespaces(),
        _ => permission.to_string(),
    };
    let (detail, remedy) = match given {
        Given::Everywhere => return ok(&subject, "permission", "allowed".to_owned()),
        Given::InEach(count) => return ok(&subject, "permission", format!("allowed in each of them ({count})")),
        Given::NotIn(lacking) => (
            format!("not allowed in {}", listed(&lacking)),
            "give pullmint a Role there too (`rbac.namespaces` of the chart), or select these namespaces no more",
        ),
        Given::Nowhere if by_namespace && permission.may_be_given_by_namespace() => (
            "not allowed".to_owned(),
            "give pullmint a Role in each namespace that it shall serve (`rbac.namespaces` of the chart)",
        ),
        Given::Nowhere if by_namespace => (
            "not allowed".to_owned(),
            "add this one rule to what pullmint is given: `pullmint rbac --config DIR` prints it among others",
        ),
        Given::Nowhere => ("not allowed".to_owned(), "pullmint rbac --config DIR | kubectl apply -f -"),
        Given::Unknown { why, remedy } => (why, remedy),
    };
    Item { result: Verdict::Failed, remedy: Some(remedy.to_owned()), ..ok(&subject, "permission", detail) }
}

/// The first of the names, and how many more there are.
fn listed(names: &[String]) -> String {
    let some = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => some,
        more => format!("{some} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_rights_by_namespace_is_advised_none_for_all_namespaces() {
        let permission = |verb: &str| Permission {
            verb: verb.to_owned(),
            group: String::new(),
            resource: "secrets".to_owned(),
            name: Some("pull".to_owned()),
            namespace: None,
        };
        let lacking = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        for (verb, given) in [("patch", Given::NotIn(lacking)), ("patch", Given::Nowhere), ("list", Given::Nowhere)] {
            let remedy = item(&permission(verb), given, true).remedy.expect("a remedy");
            assert!(!remedy.contains("kubectl apply"), "{remedy}");
        }
        let nothing_given = item(&permission("patch"), Given::Nowhere, false);
        assert!(nothing_given.remedy.expect("a remedy").contains("kubectl apply"));
    }

    #[test]
    fn many_namespaces_are_counted_instead_of_named() {
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        assert_eq!((listed(&names[..3]), listed(&names)), ("a, b, c".to_owned(), "a, b, c and 2 more".to_owned()));
    }
}
