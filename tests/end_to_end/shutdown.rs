//! A pullmint that is told to stop finishes what is in flight, and is gone within five seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use rustix::process::Signal;
use world::process::Process;
use world::{Answer, Fault, FaultProxy, HttpProxy};

use crate::scene::{ECR, PATIENCE, Scene, end_of, signal, time_of};
use crate::thousand::{self, ALL, mints, until_the_middle, written};

/// What is promised.
const IN_TIME: Duration = Duration::from_secs(5);

#[tokio::test]
async fn told_to_stop_amid_a_thousand_writes_it_ends_in_time_with_nothing_half_done() {
    let scene = thousand::scene("amid").await;
    let mut pullmint = scene.run_as("a");
    until_the_middle(&scene).await;
    signal(&pullmint, Signal::TERM);
    assert_eq!(end_of(&mut pullmint, IN_TIME).await, Some(0));
    let done = written(&scene).await;
    assert!(done < ALL, "it was amid the work");
    let lease = Api::<Lease>::namespaced(scene.client.clone(), "amid").get("pullmint").await.expect("the Lease");
    let holder = lease.spec.expect("its content").holder_identity;
    assert!(holder.as_deref().is_none_or(str::is_empty), "{holder:?}");

    // What is left to do is the rest: nothing of what was done is done again.
    let rest = scene.pullmint(&["once"]).await;
    let told = format!("{ALL} in place, {} written, 0 refused, 0 failing, 0 waiting\n", ALL - done);
    assert!(rest.out.ends_with(&told), "{} of {ALL} were written: {rest:?}", done);
    assert_eq!(mints(&scene), [1; 4]);
}

/// `a`, by way of this proxy.
fn run_via(scene: &Scene, proxy: &HttpProxy) -> Process {
    let kubeconfig = scene.around.kubeconfig_via(&proxy.url()).expect("a kubeconfig");
    scene.named("a").env("KUBECONFIG", kubeconfig).start().expect("pullmint starts")
}

/// Tells `a` to stop, which waits for the answers that the proxy holds back, and then ends.
async fn ends_with_the_answers(scene: &Scene, pullmint: &mut Process, proxy: &HttpProxy) {
    signal(pullmint, Signal::TERM);
    scene.until_said_by("a", &["stopping"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(pullmint.is_running(), "it waits");
    proxy.release();
    assert_eq!(end_of(pullmint, IN_TIME).await, Some(0));
}

#[tokio::test]
async fn told_to_stop_it_waits_for_the_answers_to_the_writes_in_flight() {
    let scene = Scene::start("awaited", 4).await;
    scene.configure("ecr.toml", ECR);
    let proxy = HttpProxy::start(&scene.stage.world.control_plane).await.expect("a proxy");
    let held = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&held);
    proxy.set(move |request| {
        let is_write = request.method == "PATCH" && request.uri.path().ends_with("/secrets/pullmint-ecr");
        if !is_write {
            return Answer::Pass;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Answer::Hold
    });
    let mut pullmint = run_via(&scene, &proxy);
    let all = async || (held.load(Ordering::Relaxed) == 4).then_some(());
    scene.until("four writes to be in flight", PATIENCE, all).await;
    ends_with_the_answers(&scene, &mut pullmint, &proxy).await;
    assert!(!scene.log_of("a").contains("not answered in time"), "{}", scene.log_of("a"));
}

#[tokio::test]
async fn told_to_stop_before_a_new_credential_is_saved_it_saves_it_however_slow_the_answers() {
    let scene = Scene::start("unsaved", 1).await;
    scene.configure("ecr.toml", ECR);
    let proxy = HttpProxy::start(&scene.stage.world.control_plane).await.expect("a proxy");
    let reads = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&reads);
    proxy.set(move |request| {
        let is_read = request.method == "GET" && request.uri.path().ends_with("/pullmint-state");
        // The first one is that of the beginning.
        if is_read && count.fetch_add(1, Ordering::Relaxed) > 0 { Answer::Hold } else { Answer::Pass }
    });
    let mut pullmint = run_via(&scene, &proxy);
    scene.until_secret("unsaved-0", "pullmint-ecr").await;
    ends_with_the_answers(&scene, &mut pullmint, &proxy).await;
    assert!(scene.secret("unsaved", "pullmint-state").await.is_some(), "{}", scene.log_of("a"));
}

/// One that has writes in flight, and has just lost the way to its API server.
async fn cut_off(name: &'static str) -> (Scene, FaultProxy, Process) {
    let scene = Scene::start(name, 50).await;
    scene.configure_all("max_writes_per_second = 20\n");
    scene.configure("ecr.toml", ECR);
    let (proxy, pullmint) = scene.run_behind_a_proxy("a").await;
    let writes = || scene.log_of("a").matches(" writing namespace=").count();
    scene.until("a first write", PATIENCE, async || (writes() > 0).then_some(())).await;
    proxy.set(Fault::Blackhole);
    let before = writes();
    scene.until("a write after it", PATIENCE, async || (writes() > before).then_some(())).await;
    (scene, proxy, pullmint)
}

#[tokio::test]
async fn told_to_stop_while_no_api_server_answers_it_ends_in_time() {
    let (scene, _proxy, mut pullmint) = cut_off("patient").await;
    signal(&pullmint, Signal::TERM);
    // Its own clock tells: beside the end of the process, that of the test's shell takes its time.
    assert_eq!(end_of(&mut pullmint, PATIENCE).await, Some(0));
    let began = time_of(&scene.until_said_by("a", &["stopping"]).await);
    for told in ["not answered in time", "could not save the state", "could not give the lease back"] {
        let took = time_of(&scene.until_said_by("a", &["WARN", told]).await).duration_since(began);
        assert!(took.unsigned_abs() < IN_TIME, "{told}: {took:#}");
    }
}

#[tokio::test]
async fn told_to_stop_twice_it_ends_at_once() {
    let (scene, _proxy, mut pullmint) = cut_off("impatient").await;
    signal(&pullmint, Signal::TERM);
    scene.until_said_by("a", &["stopping"]).await;
    signal(&pullmint, Signal::TERM);
    // What is in flight would be waited for longer.
    assert_eq!(end_of(&mut pullmint, Duration::from_secs(3)).await, Some(1));
    scene.until_said_by("a", &["told to stop once more"]).await;
}
