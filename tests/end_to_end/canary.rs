//! No secret that pullmint is given or that it mints is ever shown, whatever goes wrong and however much is logged.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Event, Secret, ServiceAccount};
use kube::api::{Api, ListParams};
use world::clouds::{Fault, Service, seed};

use crate::scene::{ACR, ECR, ECR_PUBLIC, Ended, HUB, HUB_MINTED, PATIENCE, Scene, bare, ended};
use crate::tenants;

/// Every provider with every way in which it gets secrets.
fn configure(scene: &Scene) {
    let role = format!("role_arn = \"{}\"\n", seed::AWS_ROLE);
    let client_secret = format!(
        "provider = \"acr\"\nlogin_servers = [\"other.azurecr.io\"]\nidentity = \"client-secret\"\nclient_id = \"{}\"\n\
         tenant = \"{}\"\nclient_secret_file = \"{{azure_client_secret}}\"\n",
        seed::AZURE_CLIENT,
        seed::AZURE_TENANT,
    );
    let scoped = format!("{ACR}repositories = [\"team/app\"]\n");
    let personal = "provider = \"docker-hub\"\nsource = \"personal-token\"\nusername = \"acme-owner\"\n\
                    password_file = \"{hub_password}\"\n";
    let exchanged = format!(
        "provider = \"docker-hub\"\nsource = \"oidc\"\norganization = \"acme\"\nconnection_id = \"{}\"\n\
         token_file = \"{{hub_oidc_token}}\"\n",
        seed::HUB_CONNECTION,
    );
    for (name, toml) in [
        ("acr", ACR),
        ("ecr", ECR),
        ("hub", HUB),
        ("oidc", &exchanged),
        ("organization", HUB_MINTED),
        ("personal", personal),
        ("public", ECR_PUBLIC),
        ("role", &format!("{ECR}{role}")),
        ("scoped", &scoped),
        ("secret", &client_secret),
    ] {
        scene.configure(&format!("{name}.toml"), &format!("{toml}service_accounts = [\"default\"]\n"));
    }
}

/// What must be found nowhere.
fn secrets(scene: &Scene) -> BTreeSet<String> {
    let files = &scene.around.files;
    let given = [
        &files.aws_web_identity_token,
        &files.azure_client_secret,
        &files.azure_federated_token,
        &files.hub_password,
        &files.hub_personal_token,
        &files.hub_org_token,
        &files.hub_oidc_token,
    ];
    let given = given.map(|path| std::fs::read_to_string(path).expect("a secret file").trim_end().to_owned());
    let kubeconfig = std::fs::read_to_string(scene.around.kubeconfig()).expect("a kubeconfig");
    let kubeconfig: serde_json::Value = serde_json::from_str(&kubeconfig).expect("JSON");
    let bearer = kubeconfig["users"][0]["user"]["token"].as_str().expect("a token").to_owned();
    let of_tenants = tenants::canaries().into_iter();
    given.into_iter().chain([bearer]).chain(of_tenants).chain(scene.around.clouds.secrets()).collect()
}

/// A secret as it may appear in a text.
fn shapes(secret: &str) -> Vec<String> {
    const USERS: [&str; 5] = ["AWS", "00000000-0000-0000-0000-000000000000", seed::HUB_ORG, seed::HUB_OWNER, "tenant"];
    let quoted = serde_json::to_string(secret).expect("a string");
    let mut shapes = vec![
        secret.to_owned(),
        quoted.trim_matches('"').to_owned(),
        format!("{secret:?}").trim_matches('"').to_owned(),
        secret.as_bytes().escape_ascii().to_string(),
        URL_SAFE.encode(secret),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        secret.replace('%', "%25").replace(' ', "%20"),
    ];
    shapes.extend((0..3).map(|offset| inside_base64(secret, offset)));
    shapes.extend(USERS.map(|user| STANDARD.encode(format!("{user}:{secret}"))));
    // Bytes as numbers, as a log of a buffer shows them.
    let bytes: Vec<_> = secret.bytes().map(|byte| byte.to_string()).collect();
    shapes.push(bytes.join(", "));
    // A long one may be shown in part: its end is its own, whereas all signed tokens begin alike.
    if secret.is_ascii() && secret.len() > 60 {
        shapes.push(secret[secret.len() - 30..].to_owned());
    }
    shapes.into_iter().map(|shape| shape.trim_end_matches('=').to_owned()).collect()
}

/// What base64 makes of a secret that stands somewhere in a longer text, as in the data of a Secret: the part that
/// does not depend on its neighbours.
fn inside_base64(secret: &str, offset: usize) -> String {
    let encoded = STANDARD.encode([&vec![0; offset], secret.as_bytes()].concat());
    let whole = (offset + secret.len()) / 3 * 4;
    encoded[if offset == 0 { 0 } else { 4 }..whole].to_owned()
}

/// Everything that was shown, and where.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    fn add(&mut self, place: impl Into<String>, text: String) {
        self.0.push((place.into(), text));
    }

    fn add_command(&mut self, args: &[&str], ended: Ended) {
        self.add(format!("{args:?} on standard output"), ended.out);
        self.add(format!("{args:?} on standard error"), ended.err);
    }

    /// What stood before each secret that was shown, and where.
    fn leaks(&self, secrets: &BTreeSet<String>) -> BTreeSet<(&str, &str)> {
        let mut leaks = BTreeSet::new();
        for shape in secrets.iter().flat_map(|secret| shapes(secret)) {
            for (place, text) in &self.0 {
                for (at, _) in text.match_indices(&shape) {
                    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                    let start = text.floor_char_boundary(line.max(at.saturating_sub(400)));
                    leaks.insert((place.as_str(), &text[start..at]));
                }
            }
        }
        leaks
    }

    fn holds_none_of(&self, secrets: &BTreeSet<String>) {
        let leaks = self.leaks(secrets);
        let some: Vec<_> = leaks.iter().take(10).collect();
        assert!(some.is_empty(), "{} leaks; a secret stood after each of these: {some:#?}", leaks.len());
    }
}

const FAULTS: [Fault; 9] = [
    Fault::Deny,
    Fault::Echo,
    Fault::Expired,
    Fault::Garbage,
    Fault::Huge,
    Fault::Reset,
    Fault::Status(503),
    Fault::Throttle(Duration::from_secs(1)),
    Fault::Truncated,
];

#[tokio::test]
async fn secrets_are_found_in_no_output_at_any_level_whatever_fails() {
    let scene = Scene::start("canary", 1).await;
    configure(&scene);
    let clouds = &scene.around.clouds;
    let mut seen = Seen::default();

    // Short lives, so that every pass mints anew.
    scene.around.set_life(Duration::from_millis(1500));
    let passes = Service::ALL.len().max(FAULTS.len());
    for pass in 0..passes {
        // In each pass another fault at each service, so that each meets each, and none hides those behind it for long.
        for (place, service) in Service::ALL.into_iter().enumerate() {
            clouds.heal(service);
            if (place + pass) % 3 == 0 {
                clouds.fail_next(service, 2, FAULTS[(place + pass) / 3 % FAULTS.len()]);
            }
        }
        let format = ["text", "json"][pass % 2];
        let args = ["once", "--timeout", "6", "--log", "trace", "--log-format", format];
        seen.add_command(&args, scene.pullmint(&args).await);
    }
    for fault in [Fault::Echo, Fault::Deny] {
        Service::ALL.into_iter().for_each(|service| clouds.fail(service, fault));
        for args in [&["check", "--log", "trace"][..], &["check", "--output", "json", "--log", "trace"]] {
            seen.add_command(args, scene.pullmint(args).await);
        }
        // What it reveals is on standard output, where it was asked for.
        let args = ["render", "--reveal", "--log", "trace"];
        seen.add(format!("{args:?} on standard error"), scene.pullmint(&args).await.err);
    }
    Service::ALL.into_iter().for_each(|service| clouds.heal(service));
    for args in [&["check", "--log", "trace"][..], &["render", "--log", "trace"], &["rbac", "--log", "trace"]] {
        seen.add_command(args, scene.pullmint(args).await);
    }
    // The one thing that shows them on demand shows them in one place only.
    let args = ["render", "--reveal", "--log", "trace"];
    let revealed = scene.pullmint(&args).await;
    assert_eq!(revealed.code, 0, "{}", revealed.err);
    seen.add(format!("{args:?} on standard error"), revealed.err);
    let shown = Seen(vec![("standard output".to_owned(), revealed.out)]);
    let found = shown.leaks(&secrets(&scene)).len();
    assert!(found >= 6, "{found}: what is shown is found, each host by itself");

    let everything = ["--log", "trace,hyper=trace,aws_smithy_runtime=trace"];
    // It opens whatever Secret a pod names.
    scene.configure_all("[pulls]\nexplain = true\nread_all_secrets = true\n");
    let pullmint = scene.run_with(&everything);
    scene.until_secret("canary-0", "pullmint-personal").await;
    scene.until_said(&["leading: minting and writing"]).await;
    let standby = scene.named("standby").args(everything).start().expect("pullmint starts");
    scene.until_said_by("standby", &["standing by"]).await;
    asked_why(&scene, &mut seen).await;
    let explained = async || {
        let status: serde_json::Value = serde_json::from_str(&scene.ask("pullmint", "/status.json").await).ok()?;
        status["pullFailures"]["causes"].as_array().is_some_and(|causes| !causes.is_empty()).then_some(())
    };
    scene.until("causes of failed pulls", PATIENCE, explained).await;
    clouds.fail(Service::Entra, Fault::Echo);
    scene.until_said(&["renewal failed", "registry=acr"]).await;
    for name in ["pullmint", "standby"] {
        for path in ["/", "/status.json", "/metrics", "/livez?verbose", "/readyz?verbose"] {
            let shown = scene.ask(name, path).await;
            assert!(!shown.is_empty(), "{name}{path}");
            seen.add(format!("{name}{path}"), shown);
        }
    }
    // A configuration that is rejected while it runs, for the secret in it.
    scene.configure("inline.toml", &format!("{HUB}password = '{}'\n", seed::HUB_PASSWORD));
    scene.until_rejected().await;
    for path in ["/", "/status.json", "/metrics"] {
        seen.add(format!("a rejected configuration at {path}"), scene.ask("pullmint", path).await);
    }
    scene.until_told("canary", "RenewalFailing").await;
    scene.until_told("canary", "Minted").await;
    scene.until_told("canary-0", "PullFailureExplained").await;
    drop((pullmint, standby));
    seen.add("run", scene.log());
    seen.add("run as a standby", scene.log_of("standby"));
    told_to_the_cluster(&scene, &mut seen).await;
    for said in ["TRACE", "DEBUG", "remedy", "answered 400", "renewal failed"] {
        assert!(seen.0.iter().any(|(_, text)| text.contains(said)), "nobody said {said}");
    }
    seen.holds_none_of(&secrets(&scene));
}

/// What `why` and `audit` say of a tenant whose Secrets hold credentials of every shape, while registries answer well, with
/// what they were sent, and not at all.
async fn asked_why(scene: &Scene, seen: &mut Seen) {
    tenants::move_in(scene, "canary-0", &["pullmint-acr", "pullmint-ecr", "pullmint-hub", "pullmint-public"]).await;
    let ca_file = scene.around.internet.ca_file().display().to_string();
    let before = scene.around.clouds.requests(Service::AcrToken);
    for fault in [None, Some(Fault::Echo), Some(Fault::Deny)] {
        if let Some(fault) = fault {
            Service::ALL.into_iter().for_each(|service| scene.around.clouds.fail(service, fault));
        }
        let asked = ["why", "audit"].into_iter().flat_map(|command| ["text", "json"].map(|output| (command, output)));
        let told = asked.map(async |(command, output)| {
            let args = [command, "--namespace", "canary-0", "--output", output, "--log", "trace"];
            let mut command = bare(&[&args[..], &["--ca-file", &ca_file]].concat());
            command.envs(scene.around.env());
            (args, ended(command).await)
        });
        for (args, told) in join_all(told).await {
            assert_eq!(told.code, 3, "{args:?}: {told:?}");
            let looked = args[0] == "audit" || told.out.contains("Secret tenant-undecodable");
            assert!(looked, "{args:?}: the tenants' Secrets were read: {}", told.out);
            seen.add_command(&args, told);
        }
    }
    assert!(scene.around.clouds.requests(Service::AcrToken) > before, "the tenants' credentials were tried");
    Service::ALL.into_iter().for_each(|service| scene.around.clouds.heal(service));
}

/// Events, and whatever is written beside the Secrets' data.
async fn told_to_the_cluster(scene: &Scene, seen: &mut Seen) {
    let all = ListParams::default();
    let events = Api::<Event>::all(scene.client.clone()).list(&all).await.expect("events");
    seen.add("events", format!("{:?}", events.items));
    for namespace in ["canary", "canary-0"] {
        let secrets = Api::<Secret>::namespaced(scene.client.clone(), namespace).list(&all).await.expect("Secrets");
        assert!(!secrets.items.is_empty(), "there are some in {namespace}");
        let metadata: Vec<_> = secrets.items.iter().map(|secret| &secret.metadata).collect();
        seen.add(format!("the Secrets of {namespace}"), serde_json::to_string(&metadata).expect("JSON"));
        let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), namespace).list(&all).await;
        let accounts = serde_json::to_string(&accounts.expect("accounts").items).expect("JSON");
        seen.add(format!("the accounts of {namespace}"), accounts);
    }
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_of_the_configuration_is_refused_and_not_repeated() {
    let scene = Scene::start("misplaced", 0).await;
    let mut seen = Seen::default();
    for (name, toml) in [
        ("inline", format!("{HUB}password = '{}'\n", seed::HUB_PASSWORD)),
        ("token", HUB.replace("{hub_org_token}", seed::HUB_ORG_TOKEN)),
        ("unclosed", format!("{HUB}\nclient_secret = \"{}\n", seed::AZURE_SECRET)),
        ("bare", format!("{HUB}{}\n", seed::AWS_SECRET_ACCESS_KEY)),
        ("table", format!("{HUB}[{}]\n", seed::AZURE_SECRET)),
        ("user", format!("{ECR}endpoint = \"https://user:{}@example.com\"\n", seed::HUB_PERSONAL_TOKEN)),
    ] {
        scene.configure(&format!("{name}.toml"), &toml);
        for args in [&["check"][..], &["render", "--reveal"], &["once", "--timeout", "5"]] {
            let args = [args, &["--log", "trace"]].concat();
            let ended = scene.pullmint(&args).await;
            assert_ne!(ended.code, 0, "{name}: {ended:?}");
            seen.add_command(&args, ended);
        }
        std::fs::remove_file(scene.around.config().join(format!("{name}.toml"))).expect("removed");
    }
    let args = ["run", "--log", seed::HUB_ORG_TOKEN, "--log-format", seed::AZURE_SECRET];
    let mut command = scene.command(&args);
    command.env("AWS_SECRET_ACCESS_KEY", seed::AWS_SECRET_ACCESS_KEY);
    // A person who writes a secret into a command line sees it there; it is not looked for.
    assert_eq!(ended(command).await.code, 2);
    seen.holds_none_of(&secrets(&scene));
}
