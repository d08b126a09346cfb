//! `make demo` holds what it promises: it is run here as it is, only shorter.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use world::demo::{self, DemoOptions, Screen};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_what_it_promises() {
    let lines = Arc::new(Mutex::new(String::new()));
    let screen = Screen::new({
        let lines = lines.clone();
        move |line| {
            lines.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    let program = PathBuf::from(env!("CARGO_BIN_EXE_pullmint"));
    let options = DemoOptions { program, time: Duration::from_secs(40), kubeconfig: None };
    let as_claimed = demo::run(&options, screen, std::future::pending()).await.expect("a demo");
    let shown = lines.lock().unwrap().clone();
    assert!(as_claimed, "{shown}");
    for claim in [
        "• minted     ecr: verified at the registry",
        "• minted     acr: verified at the registry",
        "• minted     docker-hub: verified at the registry",
        "✔ written    pullmint-ecr in 16 namespaces",
        "✔ left alone no Secret in the 8 namespaces",
        "✔ served     new namespace team-new",
        "✔ restored   deleted Secret team-3/pullmint-acr",
        "✔ repaired   edited Secret team-5/pullmint-docker-hub",
        "• renewed    ecr: verified at the registry",
        "✔ written    pullmint-ecr: the new credential in all 16 namespaces",
        "✔ pulled     123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1",
        "✔ pulled     acme.azurecr.io/team/app:1",
        "✔ expired    pullmint-ecr",
        "✔ expired    pullmint-acr",
        "17 namespaces",
    ] {
        assert!(shown.contains(claim), "not seen: {claim}\n{shown}");
    }
}
