//! Under exactly the roles that pullmint prints an elector does all its work, and with any verb less the lack is told.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use pullmint::clock::{Clock, SystemClock};
use pullmint::config;
use pullmint::leader::{Elector, Leadership, Timing};
use pullmint::pulse::Pulses;
use pullmint::rbac::{Roles, roles};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;
use world::Log;

use crate::bed::{Bed, TIMING, until};

impl Bed {
    fn roles(&self) -> Roles {
        let files = [("ecr.toml".into(), "provider = \"ecr-public\"\n".to_owned())];
        roles(&config::load_from(files).expect("a configuration"), &self.namespace)
    }

    /// A client that may do what these roles allow in its own namespace.
    async fn client_with(&self, roles: &Roles) -> Client {
        let objects = [json!(roles.service_account), json!(roles.role), json!(roles.role_binding)];
        world::apply_all(&self.client, objects).await.expect("applied objects");
        let plane = &world::shared().await.expect("a control plane").control_plane;
        let kubeconfig = plane.kubeconfig_for_service_account(&self.namespace, "pullmint").await;
        world::client(&kubeconfig.expect("a kubeconfig")).await.expect("a client")
    }
}

#[tokio::test]
async fn under_exactly_its_roles_an_elector_leads_hands_over_and_takes_over() {
    let bed = Bed::new("rights").await;
    let client = bed.client_with(&bed.roles()).await;
    let timing = Timing::default();
    let first = bed.elect_at(timing, client.clone(), "first", Arc::new(SystemClock));
    first.until_leading().await;
    let second = bed.elect_at(timing, client, "second", Arc::new(SystemClock));
    second.until_standby_of("first").await;
    first.stop.cancel();
    let took = second.until_leading().await;
    assert!(took < timing.retry, "it watches: {took:?}");
}

#[tokio::test]
async fn under_its_roles_no_other_lease_can_be_made_or_read() {
    let bed = Bed::new("other-leases").await;
    let client = bed.client_with(&bed.roles()).await;
    let leases = Api::<Lease>::namespaced(client, &bed.namespace);
    until("the roles in force", async || leases.get_opt(pullmint::leader::NAME).await.ok()).await;
    let metadata = ObjectMeta { name: Some("other".to_owned()), ..ObjectMeta::default() };
    let other = Lease { metadata, ..Lease::default() };
    let answers = [
        leases.create(&PostParams::default(), &other).await.map(drop),
        leases.get("other").await.map(drop),
        leases.list(&Default::default()).await.map(drop),
        leases.delete(pullmint::leader::NAME, &Default::default()).await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(&answer, Err(kube::Error::Api(status)) if status.is_forbidden()), "{answer:?}");
    }
}

#[tokio::test]
async fn with_any_verb_less_the_lack_is_told_with_its_remedy() {
    // Of a single one in the process tracing asks the thread that meets a line first, and that may be another test's.
    let _second = Dispatch::new(tracing_subscriber::fmt().finish());
    for verb in ["create", "get", "patch", "watch"] {
        let bed = Bed::new(&format!("less-{verb}")).await;
        // Only who stands by watches.
        let leader = (verb == "watch").then(|| bed.elect("leader"));
        if let Some(leader) = &leader {
            leader.until_leading().await;
        }
        let mut less = bed.roles();
        for rule in less.role.rules.iter_mut().flatten() {
            if rule.resources.iter().flatten().any(|resource| resource == "leases") {
                rule.verbs.retain(|granted| granted != verb);
            }
        }
        let log = log_of(&bed, bed.client_with(&less).await);
        until(&format!("the lack of {verb} in the log"), async || {
            let text = log.text().replace('\\', "");
            (text.contains(&format!("cannot {verb} resource")) && text.contains("`pullmint rbac`")).then_some(())
        })
        .await;
    }
}

/// What an elector says, which goes on until the test ends.
fn log_of(bed: &Bed, client: Client) -> Log {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pulse = Pulses::default().start("leader", Duration::from_secs(30), clock.now());
    let (tell, told) = watch::channel(Leadership::Standby { holder: None });
    let elector = Elector::new(client, &bed.namespace, "poor", TIMING, clock);
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let run = async move {
        let _told = told;
        elector.run(tell, CancellationToken::new(), pulse).await;
    };
    tokio::spawn(run.with_subscriber(lines));
    log
}
