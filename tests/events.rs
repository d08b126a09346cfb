//! Events on a real API server: they stand where people look for them, and say each thing once.

#[path = "events/bed.rs"]
mod bed;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bed::{Bed, NOON, credential, status};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, PostParams};
use pullmint::config;
use pullmint::events::Own;
use pullmint::keeper::slot::{Failure, Slot};
use pullmint::provider::Reason;
use pullmint::pulls::causes::News;
use pullmint::pulls::recovery::{Controller, Recovered};
use pullmint::pulls::table::Pod;
use pullmint::rbac::roles;
use pullmint::registry::RegistryName;
use pullmint::reminder;
use pullmint::status::ConfigurationProblem;
use pullmint::sync::incident::Incident;
use pullmint::why::catalogue::Code;
use pullmint::why::finding::{Certainty, Finding};

fn refused(namespace: &str, secret: &str) -> Incident {
    Incident::Refused {
        namespace: namespace.to_owned(),
        secret: secret.to_owned(),
        uid: Some("0b2f5c1e-7a53-4d3c-9d1f-3f1f8a1b2c3d".to_owned()),
        why: "owned by kubectl-create".to_owned(),
    }
}

fn failing() -> Slot {
    let failure = Failure {
        reason: Reason::Denied,
        message: "ask ECR: AccessDenied".to_owned(),
        remedy: "allow ecr:GetAuthorizationToken".to_owned(),
        consecutive: 1,
        since: NOON,
    };
    Slot { failure: Some(failure), ..credential(1) }
}

fn problem() -> ConfigurationProblem {
    ConfigurationProblem {
        file: "/etc/pullmint/ecr.toml".to_owned(),
        line: Some(3),
        column: Some(1),
        message: "there is no key `regoin` here".to_owned(),
        help: Some("did you mean `region`?".to_owned()),
    }
}

#[tokio::test]
async fn the_life_of_a_credential_stands_at_pullmints_pod() {
    let bed = Bed::new("life").await;
    let own = Own::new(&bed.namespace, "pullmint-a", Some(("pullmint-a".to_owned(), "uid-a".to_owned())));
    let desk = bed.publish(bed.client.clone(), own, &["ecr"]);
    bed.until_event("LeaderElected").await;
    desk.slots["ecr"].send_replace(credential(1));
    bed.until_event("Minted").await;
    desk.slots["ecr"].send_replace(failing());
    let event = bed.until_event("RenewalFailing").await;
    desk.slots["ecr"].send_replace(credential(2));
    bed.until_event("Recovered").await;
    desk.slots["ecr"].send_replace(credential(3));
    bed.until_event("Renewed").await;

    let regarding = event.regarding.expect("an object");
    assert_eq!((regarding.kind.as_deref(), regarding.name.as_deref()), (Some("Pod"), Some("pullmint-a")));
    assert_eq!(regarding.uid.as_deref(), Some("uid-a"));
    assert_eq!((event.type_.as_deref(), event.reporting_instance.as_deref()), (Some("Warning"), Some("pullmint-a")));
    let note = event.note.expect("a note");
    assert!(note.contains("AccessDenied") && note.contains("ecr:GetAuthorizationToken"), "{note}");
    assert_eq!(bed.events().await.len(), 5);
}

#[tokio::test]
async fn outside_of_a_pod_it_stands_at_the_state_secret() {
    let bed = Bed::new("podless").await;
    let _desk = bed.publish(bed.client.clone(), Own::new(&bed.namespace, "laptop", None), &[]);
    let regarding = bed.until_event("LeaderElected").await.regarding.expect("an object");
    assert_eq!((regarding.kind.as_deref(), regarding.name.as_deref()), (Some("Secret"), Some("pullmint-state")));
}

#[tokio::test]
async fn a_refusal_stands_at_the_tenants_secret_and_its_repetitions_are_one_event() {
    let bed = Bed::new("tenant").await;
    let desk = bed.publish(bed.client.clone(), Own::new("default", "pullmint-a", None), &[]);
    for _ in 0..3 {
        desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    }
    let first = bed.until_event("Refused").await;
    let regarding = first.regarding.clone().expect("an object");
    assert_eq!((regarding.kind.as_deref(), regarding.name.as_deref()), (Some("Secret"), Some("pull")));
    assert_eq!(regarding.uid.as_deref(), Some("0b2f5c1e-7a53-4d3c-9d1f-3f1f8a1b2c3d"));
    assert!(first.note.expect("a note").contains("kubectl-create"));
    desk.until_drained().await;
    bed.clock.advance(Duration::from_secs(601));
    desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    bed.until("one event, counted", |events| match events {
        [only] => only.series.as_ref().is_some_and(|series| series.count == 4),
        _ => false,
    })
    .await;
}

#[tokio::test]
async fn a_cause_of_failed_pulls_stands_at_its_first_pod_however_often_others_have_it() {
    let bed = Bed::new("unpulled").await;
    let desk = bed.publish(bed.client.clone(), Own::new("default", "pullmint-a", None), &[]);
    let finding = Finding::new(Code::NO_TAG, Certainty::Certain, "acme.azurecr.io/app has no tag 2");
    let finding = Arc::new(finding.cured_by("did you mean 1?"));
    for name in ["web-1", "web-2", "web-3"] {
        let pod = Pod { namespace: bed.namespace.clone(), name: name.to_owned(), uid: format!("uid-of-{name}") };
        desk.pulls.send(News { pod, finding: Arc::clone(&finding), pods: 50 }).expect("a listener");
    }
    let first = bed.until_event("PullFailureExplained").await;
    let regarding = first.regarding.expect("an object");
    assert_eq!((regarding.kind.as_deref(), regarding.name.as_deref()), (Some("Pod"), Some("web-1")));
    assert_eq!(regarding.uid.as_deref(), Some("uid-of-web-1"));
    let note = "PM103: acme.azurecr.io/app has no tag 2; pods of this namespace: 50; to do: did you mean 1?";
    assert_eq!(first.note.as_deref(), Some(note));
    desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    bed.until_event("Refused").await;
    desk.until_drained().await;
    let told = bed.events().await;
    assert_eq!(told.iter().filter(|event| event.reason.as_deref() == Some("PullFailureExplained")).count(), 1);
}

#[tokio::test]
async fn a_repair_names_who_had_changed_the_secret_however_long_its_name() {
    let bed = Bed::new("repair").await;
    let desk = bed.publish(bed.client.clone(), Own::new("default", "pullmint-a", None), &[]);
    let incident = Incident::Repaired {
        namespace: bed.namespace.clone(),
        secret: format!("{}.{}", "a".repeat(200), "b".repeat(52)),
        uid: None,
        by: Some("kubectl-edit".to_owned()),
    };
    desk.incidents.send(incident).expect("a listener");
    let note = bed.until_event("Repaired").await.note.expect("a note");
    assert!(note.contains("kubectl-edit"), "{note}");
}

#[tokio::test]
async fn a_recovery_stands_at_the_controller_which_is_still_there_when_the_pod_is_gone() {
    let bed = Bed::new("recovered").await;
    let desk = bed.publish(bed.client.clone(), Own::new("default", "pullmint-a", None), &[]);
    let recovered = Recovered {
        namespace: bed.namespace.clone(),
        pod: "web-x2x7q".to_owned(),
        controller: Controller {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: "web".to_owned(),
            uid: "0b2f5c1e-7a53-4d3c-9d1f-3f1f8a1b2c3d".to_owned(),
        },
        registry: RegistryName::new("ecr"),
    };
    desk.recoveries.send(recovered).expect("a listener");
    let event = bed.until_event("PodRecovered").await;
    let regarding = event.regarding.expect("an object");
    assert_eq!((regarding.kind.as_deref(), regarding.name.as_deref()), (Some("ReplicaSet"), Some("web")));
    assert_eq!(regarding.api_version.as_deref(), Some("apps/v1"));
    assert_eq!(regarding.uid.as_deref(), Some("0b2f5c1e-7a53-4d3c-9d1f-3f1f8a1b2c3d"));
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    let note = event.note.expect("a note");
    assert!(note.contains("web-x2x7q") && note.contains("credential of ecr"), "{note}");
}

#[tokio::test]
async fn an_event_that_is_gone_is_made_anew() {
    let bed = Bed::new("expired").await;
    let desk = bed.publish(bed.client.clone(), Own::new("default", "pullmint-a", None), &[]);
    desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    let first = bed.until_event("Refused").await;
    bed.delete(&first).await;
    bed.clock.advance(Duration::from_secs(601));
    desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    let second = bed.until_event("Refused").await;
    assert_ne!(first.metadata.uid, second.metadata.uid);
}

#[tokio::test]
async fn another_set_of_registries_repeats_nothing_of_those_that_stay() {
    let bed = Bed::new("roster").await;
    let mut desk = bed.publish(bed.client.clone(), Own::new(&bed.namespace, "pullmint-a", None), &["ecr"]);
    desk.slots["ecr"].send_replace(credential(1));
    bed.until_event("Minted").await;
    desk.add("hub");
    desk.slots["hub"].send_replace(credential(2));
    let of_hub = |event: &bed::Event| event.note.as_deref().is_some_and(|note| note.contains("of hub"));
    bed.until("hub's credential", |events| events.iter().any(of_hub)).await;
    let notes: Vec<_> = bed.events().await.into_iter().filter_map(|event| event.note).collect();
    assert_eq!(notes.iter().filter(|note| note.contains("of ecr")).count(), 1, "{notes:?}");
}

#[tokio::test]
async fn a_rejected_configuration_is_told_with_file_and_line() {
    let bed = Bed::new("rejected").await;
    let desk = bed.publish(bed.client.clone(), Own::new(&bed.namespace, "pullmint-a", None), &[]);
    desk.configuration.send_replace(Arc::new(status(vec![problem()])));
    let note = bed.until_event("ConfigurationRejected").await.note.expect("a note");
    assert!(note.starts_with("/etc/pullmint/ecr.toml:3: there is no key `regoin` here"), "{note}");
}

#[tokio::test]
async fn what_lasts_is_told_again_before_its_event_expires() {
    let bed = Bed::new("lasting").await;
    let desk = bed.publish(bed.client.clone(), Own::new(&bed.namespace, "pullmint-a", None), &["ecr"]);
    desk.slots["ecr"].send_replace(failing());
    bed.until_event("RenewalFailing").await;
    desk.configuration.send_replace(Arc::new(status(vec![problem()])));
    bed.until_event("ConfigurationRejected").await;
    bed.clock.advance(reminder::EVERY);
    // It looks at the clock whenever there is something to tell.
    desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    bed.until("both of them, counted", |events| {
        let again = events.iter().filter(|event| event.series.as_ref().is_some_and(|series| series.count == 2));
        let reasons: BTreeSet<_> = again.filter_map(|event| event.reason.as_deref()).collect();
        reasons == BTreeSet::from(["ConfigurationRejected", "RenewalFailing"])
    })
    .await;
}

#[tokio::test]
async fn under_exactly_its_roles_events_can_be_told_anywhere_and_read_nowhere() {
    let bed = Bed::new("events-rights").await;
    let files = [("ecr.toml".into(), "provider = \"ecr-public\"\n".to_owned())];
    let printed = roles(&config::load_from(files).expect("a configuration"), &bed.namespace);
    let roles = Api::<ClusterRole>::all(bed.client.clone());
    roles.create(&PostParams::default(), &printed.cluster_role).await.expect("a ClusterRole");
    let bindings = Api::<ClusterRoleBinding>::all(bed.client.clone());
    bindings.create(&PostParams::default(), &printed.cluster_role_binding).await.expect("a binding");
    let itself = bed.client_of(&printed.service_account).await;
    let theirs = Api::<bed::Event>::namespaced(itself.clone(), "default");
    let desk = bed.publish(itself, Own::new("default", "pullmint-a", None), &[]);
    // What the API server refuses is not told again, and it takes a moment to go by new roles.
    bed.until_allowed(&theirs).await;
    desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    bed.until_event("Refused").await;
    desk.until_drained().await;
    bed.clock.advance(Duration::from_secs(601));
    desk.incidents.send(refused(&bed.namespace, "pull")).expect("a listener");
    bed.until("one more occurrence", |events| events.iter().any(|event| event.series.is_some())).await;
    let answer = theirs.list(&Default::default()).await;
    assert!(matches!(&answer, Err(kube::Error::Api(status)) if status.is_forbidden()), "{answer:?}");
}
