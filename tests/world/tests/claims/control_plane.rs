//! The control plane is a real one: it authorizes, controls and survives like one.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};
use world::{World, client, create_namespaces, shared};

fn named<T: Default>(name: &str, set: impl FnOnce(&mut T) -> &mut ObjectMeta) -> T {
    let mut object = T::default();
    set(&mut object).name = Some(name.into());
    object
}

/// The controllers need a moment; the deadline is for a machine under load.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("not seen within 30 s: {what}");
}

#[tokio::test]
async fn every_namespace_gets_its_default_service_account() {
    let client = shared().await.unwrap().control_plane.client().await.unwrap();
    let names = create_namespaces(&client, "bulk", 100, &[("pull", "yes")]).await.unwrap();
    let labelled = Api::<Namespace>::all(client.clone()).list(&ListParams::default().labels("pull=yes")).await.unwrap();
    assert_eq!(labelled.items.len(), names.len());
    eventually("a default ServiceAccount in each of 100 namespaces", async || {
        let all = Api::<ServiceAccount>::all(client.clone()).list(&ListParams::default()).await.unwrap();
        all.items
            .iter()
            .filter(|account| account.metadata.namespace.as_ref().is_some_and(|ns| names.contains(ns)))
            .count()
            == names.len()
    })
    .await;
}

#[tokio::test]
async fn a_deleted_namespace_goes_with_what_is_in_it() {
    let client = shared().await.unwrap().control_plane.client().await.unwrap();
    create_namespaces(&client, "doomed", 1, &[]).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "doomed-0");
    secrets.create(&PostParams::default(), &named("s", |s: &mut Secret| &mut s.metadata)).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete("doomed-0", &DeleteParams::default()).await.unwrap();
    eventually("the end of the namespace", async || namespaces.get_opt("doomed-0").await.unwrap().is_none()).await;
    assert!(secrets.get_opt("s").await.unwrap().is_none());
}

#[tokio::test]
async fn a_service_account_has_no_rights_but_its_own() {
    let plane = &shared().await.unwrap().control_plane;
    let admin = plane.client().await.unwrap();
    create_namespaces(&admin, "rbac", 1, &[]).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(admin, "rbac-0");
    accounts.create(&PostParams::default(), &named("nobody", |a: &mut ServiceAccount| &mut a.metadata)).await.unwrap();
    let kubeconfig = plane.kubeconfig_for_service_account("rbac-0", "nobody").await.unwrap();
    let nobody = client(&kubeconfig).await.unwrap();
    let refused = Api::<Secret>::namespaced(nobody, "rbac-0").list(&ListParams::default()).await.unwrap_err();
    assert!(refused.to_string().contains("system:serviceaccount:rbac-0:nobody"), "{refused}");
}

#[tokio::test]
async fn two_worlds_side_by_side_do_not_meet_and_one_survives_the_death_of_its_api_server() {
    let shared = shared().await.unwrap();
    let mut other = World::builder().start().await.unwrap();
    let marker: ConfigMap = named("marker", |m: &mut ConfigMap| &mut m.metadata);
    let here: Api<ConfigMap> = Api::namespaced(other.control_plane.client().await.unwrap(), "default");
    here.create(&PostParams::default(), &marker).await.unwrap();

    let there: Api<ConfigMap> = Api::namespaced(shared.control_plane.client().await.unwrap(), "default");
    assert!(there.get_opt("marker").await.unwrap().is_none());

    other.control_plane.api_server().kill();
    here.get("marker").await.unwrap_err();
    other.control_plane.restart_api_server().await.unwrap();
    here.get("marker").await.unwrap();

    let dir = other.dir.path().to_owned();
    drop(other);
    assert!(!dir.exists());
}
