//! Watches that stay open and bring nothing: the failure that looks like health.

use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use pullmint::admin::health;
use pullmint::clock::{Clock, SystemClock};
use pullmint::daemon::snapshot::Whoami;
use pullmint::daemon::{Daemon, Orders, Site};
use pullmint::leader::{Elector, Leadership, Timing};
use pullmint::metrics::Metrics;
use pullmint::provider::Outside;
use pullmint::pulse::Pulses;
use pullmint::status::{ConfigurationStatus, Status};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use world::HttpProxy;

use crate::scene::{HUB, PATIENCE, Scene};

/// A watch that has brought nothing for so long, not even its end, is begun anew.
const SILENCE: Duration = Duration::from_secs(4);

/// One that has brought nothing for so long is deaf.
const DEAF_AFTER: Duration = Duration::from_secs(6);

/// What surrounds a daemon with little patience, in this process.
struct Running {
    proxy: HttpProxy,
    status: Box<dyn Fn() -> Status>,
    _election: JoinSet<()>,
}

async fn start(scene: &Scene) -> (Daemon, Running) {
    let proxy = HttpProxy::start(&scene.stage.world.control_plane).await.expect("a proxy");
    let kubeconfig = Kubeconfig::read_from(scene.around.kubeconfig_via(&proxy.url()).expect("a kubeconfig"));
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig.expect("a kubeconfig"), &options).await;
    let mut config = config.expect("a configuration");
    config.read_timeout = Some(SILENCE);
    let (clock, pulses): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Pulses::default());
    let client = pullmint::cluster::client(config, &clock, &pulses).expect("a client");

    let mut election = JoinSet::new();
    let (tell, leadership) = watch::channel(Leadership::Standby { holder: None });
    let elector = Elector::new(client.clone(), scene.name, "a", Timing::default(), Arc::clone(&clock));
    let mandate = elector.mandate();
    let now = clock.now();
    let pulse = pulses.start("elector", PATIENCE, now);
    election.spawn(elector.run(tell, CancellationToken::new(), pulse));
    let settings = pullmint::config::load(scene.around.config()).expect("settings");
    let configuration = ConfigurationStatus { loaded_at: now, read_at: now, problems: Vec::new() };
    let outside = Outside::new(settings.ca_file.as_deref(), Arc::clone(&clock)).expect("a way to the clouds");
    let orders = Orders {
        settings: watch::channel(Arc::new(settings)).1,
        outside: watch::channel(Arc::new(outside)).1,
        configuration: watch::channel(Arc::new(configuration)).1,
        leadership,
        mandate,
        stop: CancellationToken::new(),
    };
    let site = Site {
        client,
        namespace: scene.name.to_owned(),
        identity: "a".to_owned(),
        clock,
        metrics: Metrics::default(),
        pulses,
        deaf_after: DEAF_AFTER,
    };
    let daemon = Daemon::start(site, orders).expect("a daemon");
    let sources = daemon.sources();
    let whoami = Whoami { namespace: scene.name.to_owned(), instance: "a".to_owned(), started_at: now };
    let status = Box::new(move || sources.status(&whoami, SystemClock.now()));
    (daemon, Running { proxy, status, _election: election })
}

impl Running {
    /// The watches that `/livez` complains of.
    fn deaf(&self) -> Vec<String> {
        let checks = health::live(&(self.status)()).into_iter();
        checks.filter(|check| check.failure.is_some()).map(|check| check.name).collect()
    }
}

#[tokio::test]
async fn watches_that_have_gone_deaf_are_noticed_and_heal_and_what_they_missed_is_made_up_for() {
    let scene = Scene::start("unheard", 1).await;
    scene.configure("hub.toml", &format!("{HUB}verify = false\n"));
    let (daemon, running) = start(&scene).await;
    tokio::select! {
        end = daemon.run() => panic!("it ended: {end:?}"),
        () = deafness(&scene, &running) => {}
    }
}

async fn deafness(scene: &Scene, running: &Running) {
    scene.until_secret("unheard-0", "pullmint-hub").await;
    tokio::time::sleep(DEAF_AFTER + Duration::from_secs(2)).await;
    assert_eq!(running.deaf(), [""; 0], "that nothing happens is no deafness");

    running.proxy.deafen(true);
    let deaf = ["loop watch namespaces", "loop watch secrets pullmint-hub"];
    let noticed = async || (running.deaf() == deaf).then_some(());
    scene.until("deaf watches to be noticed", DEAF_AFTER + Duration::from_secs(4), noticed).await;
    world::create_namespaces(&scene.client, "unheard-late", 1, &[]).await.expect("a namespace");
    running.proxy.deafen(false);
    scene.until_secret("unheard-late-0", "pullmint-hub").await;
    let healthy = async || running.deaf().is_empty().then_some(());
    scene.until("health", PATIENCE, healthy).await;
}
