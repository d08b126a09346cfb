//! A Secret name that the roles lack: told everywhere, and in nobody's way.

use serde_json::Value;

use crate::rbac::grant;
use crate::scene::{ACR, ECR, Ended, PATIENCE, Scene};

impl Scene {
    async fn status_of(&self, name: &str) -> Value {
        serde_json::from_str(&self.ask(name, "/status.json").await).expect("JSON")
    }
}

#[tokio::test]
async fn a_name_that_the_roles_lack_is_told_everywhere_and_in_nobodys_way() {
    let mut scene = Scene::start("lacking", 2).await;
    scene.configure("acr.toml", ACR);
    grant(&mut scene).await;
    let _pullmint = scene.run();
    scene.until_secret("lacking-1", "pullmint-acr").await;

    scene.configure("ecr.toml", ECR);
    let told = async || {
        let status = scene.status_of("pullmint").await;
        let ecr = status["secrets"].as_array()?.iter().find(|secret| secret["name"] == "pullmint-ecr")?.clone();
        (ecr["failing"] == 2 && status["settled"] == true).then_some(status)
    };
    let status = scene.until("copies that fail", PATIENCE, told).await;
    let copies = status["namespaces"][0]["secrets"].as_array().expect("copies");
    let ecr = copies.iter().find(|copy| copy["name"] == "pullmint-ecr").expect("a copy");
    let problem = ecr["problem"].as_str().expect("a problem");
    assert!(problem.contains("cannot list resource \"secrets\"") && problem.contains("`pullmint rbac`"), "{problem}");

    let metrics = scene.ask("pullmint", "/metrics").await;
    let refused = "pullmint_watch_failing{watch=\"secrets pullmint-ecr\",reason=\"refused\"} 1";
    for line in [refused, "pullmint_secrets{secret=\"pullmint-ecr\",state=\"failing\"} 2"] {
        assert!(metrics.contains(line), "{line} is not in: {metrics}");
    }
    let page = scene.ask("pullmint", "/").await;
    for words in ["watch secrets pullmint-ecr is refused by the API server", "2 Secrets cannot be written"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for probe in ["/livez", "/readyz"] {
        assert_eq!(scene.ask("pullmint", probe).await, "ok\n");
    }
    world::create_namespaces(&scene.client, "lacking-later", 1, &[]).await.expect("a namespace");
    scene.until_secret("lacking-later-0", "pullmint-acr").await;

    let pass = scene.pullmint(&["once", "--log-format", "json"]).await;
    assert_eq!(pass.code, 3, "{pass:?}");
    assert!(pass.out.contains("Secret lacking-1/pullmint-ecr: ") && pass.out.contains("`pullmint rbac`"), "{pass:?}");
    assert!(pass.out.ends_with("3 in place, 0 written, 0 refused, 3 failing, 0 waiting\n"), "{pass:?}");
    assert_once_told(&pass);
    let log = scene.log();
    assert!(!log.contains("kube_runtime"), "{log}");

    grant(&mut scene).await;
    scene.until_secret("lacking-1", "pullmint-ecr").await;
    let mended = async || (!scene.ask("pullmint", "/metrics").await.contains(refused)).then_some(());
    scene.until("the metric to be 0", PATIENCE, mended).await;
}

/// Each line is a record of pullmint's own, and the refusal is one of them, with its cause and its remedy.
fn assert_once_told(pass: &Ended) {
    let lines =
        pass.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    let lines: Vec<_> = lines.collect();
    assert!(lines.iter().all(|line| line["target"].as_str().is_some_and(|it| it.starts_with("pullmint"))), "{lines:?}");
    let refusals: Vec<_> = lines.iter().filter(|line| line["message"] == "may not watch").collect();
    let [refusal] = &refusals[..] else { panic!("not one refusal: {lines:?}") };
    assert_eq!((&refusal["level"], &refusal["objects"]), (&"WARN".into(), &"secrets pullmint-ecr".into()));
    assert!(refusal["error"].as_str().is_some_and(|error| error.contains("cannot list")), "{refusal}");
    assert!(refusal["remedy"].as_str().is_some_and(|remedy| remedy.contains("pullmint rbac")), "{refusal}");
}

#[tokio::test]
async fn without_the_right_to_list_namespaces_a_pass_ends_soon_and_says_so() {
    let mut scene = Scene::start("sightless", 1).await;
    scene.configure("acr.toml", ACR);
    scene.around.identify_to_cluster(crate::rbac::nobody(&scene).await);
    let pass =
        tokio::time::timeout(PATIENCE, scene.pullmint(&["once"])).await.expect("an end long before the pass's own");
    assert_eq!(pass.code, 1, "{pass:?}");
    assert!(pass.out.contains("no namespace can be seen: ") && pass.out.contains("`pullmint rbac`"), "{pass:?}");
}
