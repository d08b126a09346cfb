//! `pullmint once`: one pass, told by its exit code.

use world::clouds::{Fault, Service};

use crate::scene::{ACR, ECR, HUB_MINTED, Scene, bare, ended};
use crate::secrets::version;

#[tokio::test]
async fn a_second_pass_over_what_is_in_place_mints_nothing_and_writes_nothing() {
    let scene = Scene::start("once", 3).await;
    for (name, toml) in [("ecr", ECR), ("acr", ACR), ("hub", HUB_MINTED)] {
        scene.configure(&format!("{name}.toml"), toml);
    }
    let first = scene.pullmint(&["once"]).await;
    assert_eq!(first.code, 0, "{first:?}");
    for registry in ["acr", "ecr", "hub"] {
        assert!(first.out.contains(&format!("{registry}: fresh until 20")), "{}", first.out);
    }
    assert!(first.out.ends_with("9 in place, 9 written, 0 refused, 0 failing, 0 waiting\n"), "{}", first.out);
    let before = scene.until_secret("once-2", "pullmint-hub").await;

    let second = scene.pullmint(&["once"]).await;
    assert_eq!(second.code, 0, "{second:?}");
    assert!(second.out.ends_with("9 in place, 0 written, 0 refused, 0 failing, 0 waiting\n"), "{}", second.out);
    let after = scene.until_secret("once-2", "pullmint-hub").await;
    assert_eq!(version(&before), version(&after));
    let minting = [Service::Ecr, Service::AcrExchange, Service::HubTokens];
    assert_eq!(minting.map(|service| scene.around.clouds.mints(service)), [1, 1, 1]);
}

#[tokio::test]
async fn a_pass_that_fails_in_part_serves_the_rest_and_exits_with_3() {
    let scene = Scene::start("partial", 2).await;
    scene.configure("ecr.toml", ECR);
    scene.configure("acr.toml", ACR);
    scene.around.clouds.fail(Service::Ecr, Fault::Deny);
    let pass = scene.pullmint(&["once"]).await;
    assert_eq!(pass.code, 3, "{pass:?}");
    assert!(pass.out.contains("ecr: ask ECR in eu-west-1"), "{}", pass.out);
    assert!(pass.out.contains("  remedy: ") && pass.out.contains("ecr:GetAuthorizationToken"), "{}", pass.out);
    assert!(pass.out.contains("Secret partial-1/pullmint-ecr: waits for a new credential of ecr"), "{}", pass.out);
    assert!(pass.out.contains("acr: fresh until 20"), "{}", pass.out);
    assert!(scene.secret("partial-1", "pullmint-acr").await.is_some());
}

#[tokio::test]
async fn a_pass_of_which_nothing_comes_exits_with_1() {
    let scene = Scene::start("nothing", 2).await;
    scene.configure("ecr.toml", ECR);
    scene.around.clouds.fail(Service::Ecr, Fault::Deny);
    let pass = scene.pullmint(&["once"]).await;
    assert_eq!(pass.code, 1, "{pass:?}");
    assert!(pass.out.ends_with("0 in place, 0 written, 0 refused, 0 failing, 2 waiting\n"), "{}", pass.out);
}

#[tokio::test]
async fn without_a_cluster_a_pass_exits_with_1_and_says_where_it_looked() {
    let scene = Scene::start("nowhere", 0).await;
    scene.configure("ecr.toml", ECR);
    let mut command = scene.command(&["once"]);
    command.env("KUBECONFIG", "/nonexistent").env("HOME", "/nonexistent").env_remove("KUBERNETES_SERVICE_HOST");
    let pass = ended(command).await;
    assert_eq!((pass.code, pass.out.as_str()), (1, ""), "{pass:?}");
    assert!(pass.err.contains("found no cluster") && pass.err.contains("KUBECONFIG"), "{}", pass.err);
}

#[tokio::test]
async fn a_pass_that_does_not_reach_its_api_server_mints_nothing_and_ends_in_time() {
    let scene = Scene::start("unreached", 0).await;
    scene.configure("hub.toml", HUB_MINTED);
    // A port that was free a moment ago, and that nobody serves.
    let port = world::ports::Port::free().expect("a port");
    let kubeconfig = scene.stage.world.control_plane.kubeconfig_via(&format!("https://127.0.0.1:{port}"));
    let mut command = scene.command(&["once", "--timeout", "3"]);
    command.env("KUBECONFIG", kubeconfig.expect("a kubeconfig"));
    let pass = ended(command).await;
    assert_eq!(pass.code, 1, "{pass:?}");
    assert!(pass.err.contains("did not answer within 3 s"), "{}", pass.err);
    assert_eq!(scene.around.clouds.mints(Service::HubTokens), 0, "a token that nobody can keep would be lost");
}

#[tokio::test]
async fn a_configuration_with_faults_exits_with_2_and_shows_each_of_them() {
    let scene = Scene::start("faulty", 0).await;
    scene.configure("ecr.toml", "provider = \"ecr\"\nregoin = \"eu-west-1\"\n");
    scene.configure("acr.toml", "provider = \"acr\"\nlogin_servers = []\nidentity = \"workload\"\n");
    for command in [&["once"][..], &["run"], &["check"], &["render"], &["rbac"]] {
        let ended = scene.pullmint(command).await;
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{command:?}: {ended:?}");
        for part in ["ecr.toml:2", "regoin", "^", "region", "acr.toml:3"] {
            assert!(ended.err.contains(part), "{command:?} says nothing of {part}: {}", ended.err);
        }
    }
    let nowhere = ended(bare_at("/nonexistent")).await;
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
    assert!(nowhere.err.contains("/nonexistent"), "{}", nowhere.err);
}

fn bare_at(config: &str) -> tokio::process::Command {
    bare(&["once", "--config", config])
}
