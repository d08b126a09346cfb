//! Two hundred edits of the configuration, good and bad, while pullmint runs: each is read, each bad one is refused, and what
//! is left of them is what a fresh start would have made.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fastrand::Rng;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use pullmint::cli::Cli;
use rustix::process::Signal;
use serde_json::Value;
use world::clouds::seed;
use world::process::{Launch, Process};

use crate::scene::{ACR, ECR, ECR_PUBLIC, HUB, PATIENCE, Scene, end_of, signal};
use crate::secrets::{ACR_HOST, ECR_HOST, HUB_HOST, dockerconfigjson, version};
use crate::volume::Volume;

/// What the edits are made of.
const SEED: u64 = 4;
const EDITS: usize = 200;

/// Between two looks at the configuration. With the usual time most edits would have been made over before they are read.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// In the environment of the process that the storm goes over: its configuration.
const INSIDE: &str = "PULLMINT_TEST_STORM";

const TAKEN: &str = "the configuration was read again and is in force";
const REFUSED: &str = "the configuration was changed and cannot be used";

const NAMESPACES: usize = 4;
const ACCOUNTS: [&str; 2] = ["builder", "default"];
const SECRETS: [&str; 2] = ["storm-one", "storm-two"];

/// Another account's registry in the same region.
const ECR_OTHER: &str = "provider = \"ecr\"\nregion = \"eu-west-1\"\naccounts = [\"210987654321\"]\nverify = false\n";

/// Name, settings, and what the credential opens.
const REGISTRIES: [(&str, &str, &str); 5] = [
    ("acr", ACR, ACR_HOST),
    ("ecr", ECR, ECR_HOST),
    ("hub", HUB, HUB_HOST),
    ("other", ECR_OTHER, "210987654321.dkr.ecr.eu-west-1.amazonaws.com"),
    ("public", ECR_PUBLIC, "public.ecr.aws"),
];

/// One registry's settings, as far as they vary.
#[derive(Clone, Debug)]
struct Choice {
    secret: Option<&'static str>,
    /// The numbers of the namespaces.
    namespaces: BTreeSet<usize>,
    accounts: BTreeSet<&'static str>,
    role: bool,
}

impl Choice {
    fn random(random: &mut Rng) -> Self {
        Self {
            secret: random.bool().then(|| SECRETS[random.usize(..SECRETS.len())]),
            namespaces: (0..NAMESPACES).filter(|_| random.bool()).collect(),
            accounts: ACCOUNTS.into_iter().filter(|_| random.u8(..3) == 0).collect(),
            role: random.bool(),
        }
    }

    fn secret(&self, registry: &str) -> String {
        self.secret.map_or_else(|| format!("pullmint-{registry}"), str::to_owned)
    }

    fn toml(&self, registry: &str, base: &str) -> String {
        let mut namespaces: Vec<_> = self.namespaces.iter().map(|number| format!("storms-{number}")).collect();
        namespaces.push("none-of-these".to_owned());
        let accounts: Vec<_> = self.accounts.iter().collect();
        let mut toml = format!("{base}namespaces.include = {namespaces:?}\nservice_accounts = {accounts:?}\n");
        if let Some(secret) = self.secret {
            toml += &format!("secret = \"{secret}\"\n");
        }
        if self.role && registry == "ecr" {
            toml += &format!("role_arn = \"{}\"\n", seed::AWS_ROLE);
        }
        toml
    }
}

/// The registries that there are at present.
type Chosen = BTreeMap<&'static str, Choice>;

fn files(scene: &Scene, chosen: &Chosen) -> BTreeMap<String, String> {
    let there = REGISTRIES.into_iter().filter_map(|(name, base, _)| Some((name, base, chosen.get(name)?)));
    let registries = there.map(|(name, base, choice)| (format!("{name}.toml"), choice.toml(name, base)));
    registries.chain([("pullmint.toml".to_owned(), scene.common(""))]).collect()
}

/// Makes one of the files unusable, in one of the ways in which people do.
fn spoil(files: &mut BTreeMap<String, String>, random: &mut Rng) {
    let place = random.usize(..files.len());
    let toml = files.values_mut().nth(place).expect("a file");
    match random.u8(..4) {
        0 => {
            toml.truncate(toml.len() / 2);
            toml.push('[');
        }
        1 => toml.push_str("no_such_key = 1\n"),
        2 => toml.push_str("secret = 5\nsecret = 6\n"),
        _ => toml.insert_str(0, "= ?\n"),
    }
}

/// One edit, and what is published of it; whether that can be used.
fn edit(scene: &Scene, chosen: &mut Chosen, random: &mut Rng) -> (BTreeMap<String, String>, bool) {
    let registry = REGISTRIES[random.usize(..REGISTRIES.len())].0;
    let dice = random.u8(..10);
    match dice {
        0..6 => drop(chosen.insert(registry, Choice::random(random))),
        6..8 => drop(chosen.remove(registry)),
        _ => {}
    }
    let mut files = files(scene, chosen);
    if dice >= 8 {
        spoil(&mut files, random);
    }
    (files, dice < 8 && !chosen.is_empty())
}

/// What became of the edits, by the log: how many were taken, and how many refused.
fn read(scene: &Scene) -> (usize, usize) {
    let log = scene.log();
    (log.matches(TAKEN).count(), log.matches(REFUSED).count())
}

/// `pullmint run` with less time between two looks, in a process of its own.
fn run(scene: &Scene) -> Process {
    let this = std::env::current_exe().expect("a path");
    let launch = Launch::new("pullmint", this, scene.around.dir()).env(INSIDE, scene.around.config());
    let launch = launch.args(["--exact", "reload_storm::inside", "--nocapture"]);
    let launch = scene.around.env().into_iter().fold(launch, |launch, (key, value)| launch.env(key, value));
    launch.start().expect("pullmint starts")
}

#[test]
fn inside() {
    let Some(config) = std::env::var_os(INSIDE) else { return };
    let args = ["pullmint".into(), "run".into(), "--config".into(), config];
    let ended = Cli::parse_from(args).looking_every(LOOK_EVERY).execute();
    assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::SUCCESS));
}

/// Each Secret that there should be, with the hosts that it opens; and each account, with the Secrets that it names.
type Picture = BTreeMap<(String, String), BTreeSet<String>>;

fn wanted(chosen: &Chosen) -> Picture {
    let mut picture = Picture::new();
    for (name, _, host) in REGISTRIES {
        let Some(choice) = chosen.get(name) else { continue };
        for number in &choice.namespaces {
            let (namespace, secret) = (format!("storms-{number}"), choice.secret(name));
            for account in &choice.accounts {
                let key = (namespace.clone(), format!("account {account}"));
                picture.entry(key).or_default().insert(secret.clone());
            }
            picture.entry((namespace, secret)).or_default().insert(host.to_owned());
        }
    }
    picture
}

async fn ours(scene: &Scene) -> Vec<Secret> {
    let ours = ListParams::default().labels("pullmint.dev/owner=storms");
    Api::<Secret>::all(scene.client.clone()).list(&ours).await.expect("Secrets").items
}

async fn present(scene: &Scene) -> Picture {
    let mut picture = Picture::new();
    for secret in ours(scene).await {
        let config: Value = serde_json::from_str(&dockerconfigjson(&secret)).expect("JSON");
        let hosts = config["auths"].as_object().expect("auths").keys().cloned().collect();
        picture.insert((secret.namespace().expect("a namespace"), secret.name_any()), hosts);
    }
    for number in 0..NAMESPACES {
        let namespace = format!("storms-{number}");
        let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), &namespace);
        for account in accounts.list(&ListParams::default()).await.expect("accounts") {
            let named: BTreeSet<_> = account.image_pull_secrets.iter().flatten().map(|it| it.name.clone()).collect();
            if !named.is_empty() {
                picture.insert((namespace.clone(), format!("account {}", account.name_any())), named);
            }
        }
    }
    picture
}

async fn versions(scene: &Scene) -> BTreeMap<String, String> {
    ours(scene)
        .await
        .iter()
        .map(|secret| (format!("{:?}", secret.namespace()) + &secret.name_any(), version(secret)))
        .collect()
}

#[tokio::test]
async fn after_two_hundred_edits_good_and_bad_all_is_as_a_fresh_start_would_have_made_it() {
    let scene = Scene::start("storms", NAMESPACES).await;
    for number in 0..NAMESPACES {
        let metadata = ObjectMeta { name: Some("builder".to_owned()), ..ObjectMeta::default() };
        let account = ServiceAccount { metadata, ..ServiceAccount::default() };
        let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), &format!("storms-{number}"));
        accounts.create(&PostParams::default(), &account).await.expect("an account");
    }
    let mut random = Rng::with_seed(SEED);
    let mut chosen: Chosen = REGISTRIES.map(|(name, ..)| (name, Choice::random(&mut random))).into();
    let mut volume = Volume::mount(&scene);
    volume.publish(&scene, &files(&scene, &chosen));
    let mut pullmint = run(&scene);
    scene.until_said(&["starting"]).await;
    let (mut before, mut taken, mut refused) = (files(&scene, &chosen), 0, 0);
    while taken + refused <= EDITS {
        let (files, is_good) = if taken + refused < EDITS {
            edit(&scene, &mut chosen, &mut random)
        } else {
            // What the last one leaves is to be in force.
            chosen.insert("acr", Choice::random(&mut random));
            (files(&scene, &chosen), true)
        };
        if files == before {
            continue;
        }
        let number = taken + refused;
        *(if is_good { &mut taken } else { &mut refused }) += 1;
        volume.publish(&scene, &files);
        before = files;
        let as_meant = async || (read(&scene) == (taken, refused)).then_some(());
        scene.until(&format!("edit {number} to be read, seed {SEED}"), PATIENCE, as_meant).await;
        tokio::time::sleep(Duration::from_millis(random.u64(..200))).await;
    }
    assert!(taken > 100 && refused > 30, "seed {SEED}: {taken} taken, {refused} refused");

    let wanted = wanted(&chosen);
    let right = async || (present(&scene).await == wanted).then_some(());
    let came_right = world::look_for(PATIENCE * 4, Duration::from_millis(50), right).await.is_some();
    let log = scene.log();
    let last: Vec<_> = log.lines().rev().take(60).collect();
    assert!(
        came_right,
        "seed {SEED}: wanted {wanted:?}, got {:?}, backwards:\n{}",
        present(&scene).await,
        last.join("\n")
    );
    assert_eq!(read(&scene), (taken, refused), "and no edit twice");

    signal(&pullmint, Signal::TERM);
    assert_eq!(end_of(&mut pullmint, PATIENCE).await, Some(0));
    let before = versions(&scene).await;
    let pass = scene.pullmint(&["once"]).await;
    assert!(pass.code == 0 && pass.out.contains(" 0 written"), "seed {SEED}: {pass:?}");
    assert_eq!(versions(&scene).await, before, "seed {SEED}");
}
