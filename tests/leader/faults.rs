//! The leader is cut off, frozen, or without an API server.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use pullmint::clock::{Clock, SystemClock};
use pullmint::leader::{Leadership, Timing};
use pullmint::pulse::Pulses;
use world::{Answer, Fault, FaultProxy, HttpProxy};

use crate::bed::{Bed, TIMING, until};

impl Bed {
    /// A client, as pullmint makes it, through a proxy that can break.
    async fn via(&self) -> (FaultProxy, Client) {
        let plane = &world::shared().await.expect("a control plane").control_plane;
        let proxy = FaultProxy::start(&plane.url()).await.expect("a proxy");
        let client = client(&plane.kubeconfig_via(&proxy.url()).expect("a kubeconfig")).await;
        (proxy, client)
    }

    /// The same, through one that decides on each request.
    async fn via_http(&self) -> (HttpProxy, Client) {
        let plane = &world::shared().await.expect("a control plane").control_plane;
        let proxy = HttpProxy::start(plane).await.expect("a proxy");
        let client = client(&plane.kubeconfig_via(&proxy.url()).expect("a kubeconfig")).await;
        (proxy, client)
    }
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    pullmint::cluster::client(config.expect("a configuration"), &clock, &Pulses::default()).expect("a client")
}

#[tokio::test]
async fn a_leader_that_is_cut_off_steps_down_before_another_begins() {
    let bed = Bed::new("cut-off").await;
    let (proxy, client) = bed.via().await;
    let leader = bed.elect_by(client, "leader", Arc::new(SystemClock));
    leader.until_leading().await;
    let heir = bed.elect("heir");
    heir.until_standby_of("leader").await;
    proxy.set(Fault::Blackhole);
    leader.until_standby().await;
    assert!(!leader.mandate.holds() && !heir.mandate.holds());
    heir.until_leading().await;
    proxy.set(Fault::None);
    leader.until_standby_of("heir").await;
}

#[tokio::test]
async fn a_standby_whose_watch_has_gone_deaf_still_takes_over() {
    let bed = Bed::new("deaf").await;
    let (proxy, client) = bed.via().await;
    let leader = bed.elect("leader");
    leader.until_leading().await;
    let heir = bed.elect_by(client, "heir", Arc::new(SystemClock));
    heir.until_standby_of("leader").await;
    proxy.set(Fault::Blackhole);
    let silenced = proxy.silenced();
    until("a lost piece of the watch", async || (proxy.silenced() > silenced).then_some(())).await;
    proxy.set(Fault::None);
    leader.stop.cancel();
    heir.until_leading().await;
}

#[tokio::test]
async fn a_standby_whose_watch_has_ended_in_good_order_hears_of_a_lease_that_is_given_back_all_the_same() {
    let bed = Bed::new("ended").await;
    let (proxy, client) = bed.via_http().await;
    let watches = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&watches);
    proxy.set(move |request| {
        let is_watch = request.uri.query().is_some_and(|query| query.contains("watch=true"));
        match is_watch && count.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Answer::Instead { status: 200, retry_after: None, body: "" },
            false => Answer::Pass,
        }
    });
    // So slow that only a watch can tell in time.
    let timing =
        Timing { lease: Duration::from_secs(300), deadline: Duration::from_secs(200), retry: Duration::from_secs(60) };
    let leader = bed.elect_at(timing, bed.client.clone(), "leader", Arc::new(SystemClock));
    leader.until_leading().await;
    let heir = bed.elect_at(timing, client, "heir", Arc::new(SystemClock));
    heir.until_standby_of("leader").await;
    until("another watch", async || (watches.load(Ordering::Relaxed) == 2).then_some(())).await;
    leader.stop.cancel();
    heir.until_leading().await;
}

#[tokio::test]
async fn a_lease_that_changes_while_it_is_given_back_is_given_back() {
    let bed = Bed::new("crossed").await;
    let (proxy, client) = bed.via_http().await;
    let only = bed.elect_by(client, "only", Arc::new(SystemClock));
    only.until_leading().await;
    let mut refused = false;
    proxy.set(move |request| match request.method == "PATCH" && !std::mem::replace(&mut refused, true) {
        true => Answer::Instead { status: 409, retry_after: None, body: "another version" },
        false => Answer::Pass,
    });
    only.stop.cancel();
    bed.until_lease_is_nobodys().await;
}

#[tokio::test]
async fn an_api_server_that_is_away_ends_the_leadership_and_not_the_elector() {
    let bed = Bed::new("away").await;
    let (proxy, client) = bed.via().await;
    let only = bed.elect_by(client, "only", Arc::new(SystemClock));
    only.until_leading().await;
    proxy.set(Fault::Refuse);
    proxy.cut();
    only.until_standby().await;
    proxy.set(Fault::None);
    only.until_leading().await;
}

/// The machine's clock, after a freeze of so many seconds.
#[derive(Debug, Default)]
struct Frozen {
    seconds: AtomicU64,
}

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime() + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn one_that_was_frozen_has_no_mandate_from_its_first_instant_on_and_is_standby_before_it_leads_again() {
    let bed = Bed::new("frozen").await;
    let clock = Arc::new(Frozen::default());
    let only = bed.elect_by(bed.client.clone(), "only", clock.clone());
    only.until_leading().await;
    let before = only.leadership();
    clock.seconds.store(60, Ordering::Relaxed);
    assert!(!only.mandate.holds());
    let mut told = only.told.clone();
    told.borrow_and_update();
    told.changed().await.expect("a word");
    let word = told.borrow_and_update().clone();
    assert_eq!(word, Leadership::Standby { holder: Some("only".to_owned()) });
    only.until_leading().await;
    assert_ne!(only.leadership(), before, "it is another leadership");
}

#[tokio::test]
async fn one_that_is_cut_off_stops_in_time_all_the_same() {
    let bed = Bed::new("stuck").await;
    let (proxy, client) = bed.via().await;
    let only = bed.elect_by(client, "only", Arc::new(SystemClock));
    only.until_leading().await;
    proxy.set(Fault::Blackhole);
    only.stop.cancel();
    // Its end of the channel goes with it.
    let mut told = only.told.clone();
    let ended = async { while told.changed().await.is_ok() {} };
    tokio::time::timeout(TIMING.retry * 3, ended).await.expect("an end");
}
