//! Watches that bring nothing: silent ones, which only a restart may mend, and those that the API server refuses or
//! cannot answer, which none mends.

use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use pullmint::admin;
use pullmint::clock::{Clock, SystemClock};
use pullmint::config::settings::Admin;
use pullmint::daemon::snapshot::Whoami;
use pullmint::daemon::{Daemon, Orders, Site};
use pullmint::leader::{Elector, Leadership, Timing};
use pullmint::metrics::Metrics;
use pullmint::provider::Outside;
use pullmint::pulse::Pulses;
use pullmint::status::ConfigurationStatus;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use world::{Answer, Fault, FaultProxy, HttpProxy};

use crate::scene::{HUB, PATIENCE, Scene};

/// A connection on which nothing has come for so long, not even a watch's end, is given up.
const SILENCE: Duration = Duration::from_secs(4);

/// A watch that has brought nothing for so long is deaf: longer than it takes to give up a connection, to pause, or to
/// find out that none can be made.
const DEAF_AFTER: Duration = Duration::from_secs(9);

/// What surrounds a daemon with little patience, in this process.
struct Running {
    /// Before the other one, for faults that come before any request.
    wire: FaultProxy,
    proxy: HttpProxy,
    address: String,
    _others: JoinSet<()>,
}

/// `rule` decides what becomes of each request from the start.
async fn start(scene: &Scene, rule: impl FnMut(&http::request::Parts) -> Answer + Send + 'static) -> (Daemon, Running) {
    let proxy = HttpProxy::start(&scene.stage.world.control_plane).await.expect("a proxy");
    proxy.set(rule);
    let wire = FaultProxy::start(&proxy.url()).await.expect("a proxy");
    let server = wire.url().replace("https", "http");
    let kubeconfig = Kubeconfig::read_from(scene.around.kubeconfig_via(&server).expect("a kubeconfig"));
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig.expect("a kubeconfig"), &options).await;
    let mut config = config.expect("a configuration");
    config.read_timeout = Some(SILENCE);
    let (clock, pulses): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Pulses::default());
    let client = pullmint::cluster::client(config, &clock, &pulses).expect("a client");

    let mut others = JoinSet::new();
    let (tell, leadership) = watch::channel(Leadership::Standby { holder: None });
    let elector = Elector::new(client.clone(), scene.name, "a", Timing::default(), Arc::clone(&clock));
    let mandate = elector.mandate();
    let now = clock.now();
    let pulse = pulses.start("elector", PATIENCE, now);
    others.spawn(elector.run(tell, CancellationToken::new(), pulse));
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
    let serving = admin::Options { settings: Admin::default(), client: client.clone(), clock: Arc::clone(&clock) };
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
    let status = Arc::new(move || sources.status(&whoami, SystemClock.now()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    others.spawn(admin::serve(listener, serving, status, Metrics::default()));
    (daemon, Running { wire, proxy, address, _others: others })
}

impl Running {
    async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("http://{}{path}", self.address)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// The loops that `/livez` complains of.
    async fn deaf(&self) -> Vec<String> {
        let (code, text) = self.get("/livez").await;
        let complaints: Vec<_> = text.lines().filter_map(|line| Some(line.split_once(": ")?.0.to_owned())).collect();
        assert_eq!(code, if complaints.is_empty() { 200 } else { 503 }, "{text}");
        complaints
    }

    async fn until_deaf(&self, scene: &Scene, watches: &[&str]) {
        let noticed = async || (self.deaf().await == watches).then_some(());
        scene.until(&format!("{watches:?} to be noticed"), DEAF_AFTER + PATIENCE, noticed).await;
    }

    async fn until_healthy(&self, scene: &Scene) {
        scene.until("health", PATIENCE, async || self.deaf().await.is_empty().then_some(())).await;
    }

    /// Why a watch shows nothing although it lives, by the status.
    async fn problem(&self, name: &str) -> Value {
        let status: Value = serde_json::from_str(&self.get("/status.json").await.1).expect("JSON");
        let it = status["loops"].as_array().expect("loops").iter().find(|it| it["name"] == name);
        it.expect("the watch")["problem"].clone()
    }
}

/// Runs the daemon for as long as `story` takes.
async fn with(daemon: Daemon, story: impl Future<Output = ()>) {
    tokio::select! {
        end = daemon.run() => panic!("it ended: {end:?}"),
        () = story => {}
    }
}

fn is_list(request: &http::request::Parts) -> bool {
    let uri = request.uri.to_string();
    request.method == "GET" && uri.contains("/api/v1/secrets?") && !uri.contains("watch=true")
}

#[tokio::test]
async fn watches_that_have_gone_deaf_are_noticed_and_heal_and_what_they_missed_is_made_up_for() {
    let scene = Scene::start("unheard", 1).await;
    scene.configure("hub.toml", &format!("{HUB}verify = false\n"));
    let (daemon, running) = start(&scene, |_| Answer::Pass).await;
    let story = async {
        scene.until_secret("unheard-0", "pullmint-hub").await;
        tokio::time::sleep(DEAF_AFTER + Duration::from_secs(2)).await;
        assert_eq!(running.deaf().await, [""; 0], "that nothing happens is no deafness");

        running.proxy.deafen(true);
        running.until_deaf(&scene, &["loop watch namespaces", "loop watch secrets pullmint-hub"]).await;
        world::create_namespaces(&scene.client, "unheard-late", 1, &[]).await.expect("a namespace");
        running.proxy.deafen(false);
        scene.until_secret("unheard-late-0", "pullmint-hub").await;
        running.until_healthy(&scene).await;
    };
    with(daemon, story).await;
}

#[tokio::test]
async fn a_list_that_is_never_answered_is_deafness_too() {
    let scene = Scene::start("unlisted", 1).await;
    scene.configure("hub.toml", &format!("{HUB}verify = false\n"));
    let (daemon, running) = start(&scene, |request| if is_list(request) { Answer::Hold } else { Answer::Pass }).await;
    let story = async {
        running.until_deaf(&scene, &["loop watch secrets pullmint-hub"]).await;
        running.proxy.set(|_| Answer::Pass);
        scene.until_secret("unlisted-0", "pullmint-hub").await;
        running.until_healthy(&scene).await;
    };
    with(daemon, story).await;
}

#[tokio::test]
async fn a_refusal_and_an_api_server_out_of_reach_are_told_and_are_no_deafness() {
    let scene = Scene::start("shut-out", 1).await;
    scene.configure("hub.toml", &format!("{HUB}verify = false\n"));
    let no = Answer::Instead { status: 403, retry_after: None, body: "secrets is forbidden" };
    let (daemon, running) = start(&scene, move |request| if is_list(request) { no } else { Answer::Pass }).await;
    let secrets = "watch secrets pullmint-hub";
    let problem = async |is: &str| (running.problem(secrets).await["reason"] == is).then_some(());
    let story = async {
        scene.until("the refusal to be told", PATIENCE, async || problem("refused").await).await;
        tokio::time::sleep(DEAF_AFTER + Duration::from_secs(1)).await;
        assert_eq!(running.deaf().await, [""; 0], "a refusal is an answer");

        running.wire.set(Fault::Refuse);
        running.wire.cut();
        scene.until("the outage to be told", PATIENCE, async || problem("unavailable").await).await;
        tokio::time::sleep(DEAF_AFTER + Duration::from_secs(1)).await;
        assert_eq!(running.deaf().await, [""; 0], "no restart brings an API server back");

        running.wire.set(Fault::None);
        running.wire.cut();
        running.proxy.set(|_| Answer::Pass);
        scene.until_secret("shut-out-0", "pullmint-hub").await;
        let mended = async || (running.problem(secrets).await == json!(null)).then_some(());
        scene.until("the problem to be gone", PATIENCE, mended).await;
        assert_eq!(running.deaf().await, [""; 0]);
    };
    with(daemon, story).await;
}

#[tokio::test]
async fn every_part_that_works_by_itself_gives_signs_of_life() {
    let scene = Scene::start("lively", 1).await;
    scene.configure("hub.toml", &format!("{HUB}verify = false\n"));
    let _pullmint = scene.run();
    scene.until_secret("lively-0", "pullmint-hub").await;
    let status: Value = serde_json::from_str(&scene.ask("pullmint", "/status.json").await).expect("JSON");
    let names: Vec<_> = status["loops"].as_array().expect("loops").iter().map(|it| &it["name"]).collect();
    let parts = ["configuration", "daemon", "elector", "events", "recovery", "state", "syncer"];
    assert_eq!(names, [&parts[..], &["watch namespaces", "watch secrets pullmint-hub"]].concat());
}
