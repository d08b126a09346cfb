//! The story: what a user would do while pullmint runs, and what must come of it. Each step has its time, and a step
//! whose time runs out is a failure.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::{sleep, timeout};
use world::process::Process;
use world::stage::IMAGES;
use world::{Context, Result};

use super::log::Log;
use super::options::Options;
use super::pods;
use super::scenery::{ECR, Scenery, WEB, create_namespace};
use super::screen::{Screen, spell};
use super::secrets::{Secrets, Seen, left};

/// The longest that anything may take which pullmint does at once.
const AT_ONCE: Duration = Duration::from_secs(15);
/// The kubelet's back-off after two refused pulls, and time for the pull.
const BACK_OFF: Duration = Duration::from_secs(45);

/// The Secret of each registry, and an image there: host and repository.
const REGISTRIES: [(&str, (&str, &str)); 4] = [
    ("pullmint-docker-hub", IMAGES[0]),
    ("pullmint-acr", IMAGES[1]),
    ("pullmint-ecr", IMAGES[2]),
    ("pullmint-ecr-public", IMAGES[3]),
];

/// pullmint while it runs, and everything that looks on.
pub(super) struct Show<'a> {
    scenery: &'a Scenery,
    screen: &'a Screen,
    life: Duration,
    pullmint: Process,
    log: Log,
    secrets: Secrets,
    began: Instant,
    pulls: Mutex<u64>,
}

impl<'a> Show<'a> {
    pub(super) fn start(options: &Options, scenery: &'a Scenery, screen: &'a Arc<Screen>) -> Result<Self> {
        let began = Instant::now();
        let (client, selected) = (scenery.client.clone(), scenery.selected.clone());
        let secrets = Secrets::watch(client, selected, began, screen.clone());
        let pullmint =
            scenery.stage.pullmint("pullmint", &options.program, &["run", "--log-format", "json"]).start()?;
        screen.act("pullmint", &format!("{} run --log-format json", options.program_name()));
        let log = Log::follow(&pullmint.log(), screen.clone())?;
        Ok(Self { scenery, screen, life: options.life(), pullmint, log, secrets, began, pulls: Mutex::default() })
    }

    /// What is left of the life of the credentials in force.
    pub(super) fn lives(&self) -> String {
        self.secrets.lives(&self.team(0))
    }

    pub(super) async fn tell(&self) {
        if !self.step("written", AT_ONCE, self.all_are_written()).await {
            return;
        }
        let first = REGISTRIES.map(|(secret, image)| (secret, image, self.secrets.get(&self.team(0), secret)));
        let at_once = async {
            self.step("left alone", AT_ONCE, self.others_have_none()).await;
            self.step("served", AT_ONCE, self.a_new_namespace_is_served()).await;
            self.step("restored", AT_ONCE, self.a_deleted_secret_is_restored()).await;
            self.step("repaired", AT_ONCE, self.an_edited_secret_is_repaired()).await;
        };
        tokio::join!(at_once, self.step("pulled", BACK_OFF, self.the_first_pod_gets_its_image()));
        let mortal = first.iter().filter_map(|(secret, image, seen)| {
            let seen = seen.clone()?;
            Some((*secret, *image, seen.expires_at?, seen))
        });
        let mortal: Vec<_> = mortal.collect();
        for (secret, _, _, seen) in &mortal {
            self.step("renewed", self.life + AT_ONCE, self.until_renewed(secret, seen)).await;
        }
        for (secret, image) in REGISTRIES {
            self.step("pulled", BACK_OFF, self.pull("rotated", secret, image)).await;
        }
        for (secret, image, expires, seen) in mortal.iter().filter(|(secret, ..)| *secret != "pullmint-ecr-public") {
            // One second more, as some clouds count whole ones only.
            sleep(left(*expires) + Duration::from_secs(1)).await;
            self.step("expired", AT_ONCE, self.the_old_one_is_refused(secret, *image, seen)).await;
        }
        self.step("pulled", BACK_OFF, self.pull("later", "pullmint-ecr", ECR)).await;
    }

    /// Ends pullmint and sums up.
    pub(super) fn finish(mut self) {
        if let Some(status) = self.pullmint.status() {
            self.screen.bad("pullmint", &format!("ended before it was told to: {status}"));
        }
        self.pullmint.stop();
        let (mints, count) = (self.log.mints(), |number: u64, what: &str| format!("{number} {what}"));
        let (all, registries) = (mints.values().sum::<u64>(), mints.len() as u64);
        let served = self.secrets.namespaces().intersection(&self.places()).count() as u64;
        let parts = [
            count(all, "mints"),
            count(all - registries, "renewals"),
            count(self.secrets.writes(), "writes of Secrets"),
            count(served, "namespaces"),
            count(*self.pulls.lock().expect("no panic while counting"), "pulls"),
        ];
        self.screen.plain("");
        self.screen.title(&format!("In {}: {}.", spell(self.began.elapsed()), parts.join(", ")));
        match self.screen.failures() {
            0 => {}
            failures => self.screen.title(&format!("What is marked ✘ did not happen as it should: {failures}.")),
        }
    }

    /// Says what came of a step, or that nothing did in time.
    async fn step(&self, what: &str, within: Duration, work: impl Future<Output = Result<Option<String>>>) -> bool {
        match timeout(within, work).await {
            Ok(Ok(text)) => {
                text.iter().for_each(|text| self.screen.good(what, text));
                return true;
            }
            Ok(Err(error)) => self.screen.bad(what, &error.to_string()),
            Err(_) => self.screen.bad(what, &format!("not within {}", spell(within))),
        }
        false
    }

    async fn all_are_written(&self) -> Result<Option<String>> {
        let names = &self.scenery.selected;
        self.secrets
            .until(|all| {
                let has = |namespace: &String, secret: &str| all.contains_key(&(namespace.clone(), secret.to_owned()));
                names.iter().all(|name| REGISTRIES.iter().all(|(secret, _)| has(name, secret))).then_some(())
            })
            .await;
        Ok(None)
    }

    async fn others_have_none(&self) -> Result<Option<String>> {
        let there = self.secrets.namespaces();
        let touched: Vec<_> = self.scenery.others.intersection(&there).cloned().collect();
        match touched.is_empty() {
            true => {
                Ok(Some(format!("no Secret in the {} namespaces that are not selected", self.scenery.others.len())))
            }
            false => Err(world::WorldError::new(format!("there are Secrets in {}", touched.join(", ")))),
        }
    }

    async fn a_new_namespace_is_served(&self) -> Result<Option<String>> {
        let name = format!("{}team-new", self.scenery.prefix);
        let started = Instant::now();
        create_namespace(&self.scenery.client, &name).await?;
        let mine = |count| {
            let name = &name;
            self.secrets
                .until(move |all| (all.keys().filter(|(place, _)| place == name).count() >= count).then_some(()))
        };
        mine(1).await;
        let first = spell(started.elapsed());
        mine(REGISTRIES.len()).await;
        let all = spell(started.elapsed());
        Ok(Some(format!(
            "new namespace {name}: first Secret {first} after its creation, all {} after {all}",
            REGISTRIES.len()
        )))
    }

    async fn a_deleted_secret_is_restored(&self) -> Result<Option<String>> {
        let (place, name) = (self.team(3), "pullmint-acr");
        let old = self.secrets.get(&place, name).map(|seen| seen.uid).unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.scenery.client.clone(), &place);
        let started = Instant::now();
        api.delete(name, &DeleteParams::default()).await.context(|| "deleting a Secret")?;
        self.until_secret(&place, name, |seen| seen.uid != old).await;
        Ok(Some(format!("deleted Secret {place}/{name} is back after {}", spell(started.elapsed()))))
    }

    async fn an_edited_secret_is_repaired(&self) -> Result<Option<String>> {
        let (place, name) = (self.team(5), "pullmint-docker-hub");
        let Some(old) = self.secrets.get(&place, name) else { return Ok(None) };
        let api: Api<Secret> = Api::namespaced(self.scenery.client.clone(), &place);
        let spoiled = json!({"stringData": {".dockerconfigjson": "{\"auths\":{}}"}});
        let started = Instant::now();
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(spoiled)).await;
        let version = patched.context(|| "editing a Secret")?.metadata.resource_version.unwrap_or_default();
        self.until_secret(&place, name, |seen| {
            seen.version != version && seen.docker_config == old.docker_config && seen.version != old.version
        })
        .await;
        Ok(Some(format!("edited Secret {place}/{name} is right again after {}", spell(started.elapsed()))))
    }

    async fn the_first_pod_gets_its_image(&self) -> Result<Option<String>> {
        let place = self.team(0);
        if self.scenery.stage.world.node.is_none() {
            return self.pull("first", "pullmint-ecr", ECR).await;
        }
        let took = pods::until_running(&self.scenery.client, (&place, WEB)).await?;
        self.count_pull();
        let since = spell(self.began.elapsed());
        Ok(Some(format!(
            "pod {place}/{WEB}, refused before, runs {since} after pullmint's start; the pull took {took}"
        )))
    }

    async fn until_renewed(&self, secret: &str, old: &Seen) -> Result<Option<String>> {
        self.until_secret(&self.team(0), secret, |seen| seen.minted_at != old.minted_at).await;
        Ok(None)
    }

    /// Pulls with the Secret as it is now, as a pod named `pod` where there is a node.
    async fn pull(&self, pod: &str, secret: &str, (host, repository): (&str, &str)) -> Result<Option<String>> {
        let (place, image) = (self.team(1), format!("{host}/{repository}:1"));
        let (how, took) = match &self.scenery.stage.world.node {
            Some(node) => {
                let name = format!("{pod}-{}", secret.trim_start_matches("pullmint-"));
                let at = (place.as_str(), name.as_str());
                pods::create(&self.scenery.client, node.name(), at, &image, secret).await?;
                let took = pods::until_running(&self.scenery.client, at).await?;
                pods::delete(&self.scenery.client, at).await;
                (format!("kubelet and containerd, pod {place}/{name}"), took)
            }
            None => {
                let bytes = self.secrets.get(&place, secret).map(|seen| seen.docker_config).unwrap_or_default();
                let took =
                    self.scenery.puller.pull((host, repository), &bytes).await.map_err(world::WorldError::new)?;
                (format!("{} with Secret {place}/{secret}", self.scenery.puller.name()), spell(took))
            }
        };
        self.count_pull();
        Ok(Some(format!("{image} in {took} by {how}")))
    }

    async fn the_old_one_is_refused(&self, secret: &str, image: (&str, &str), old: &Seen) -> Result<Option<String>> {
        let puller = &self.scenery.puller;
        let Err(why) = puller.pull(image, &old.docker_config).await else {
            return Err(world::WorldError::new(format!("the first credential of {secret} still opens the registry")));
        };
        let new = self.secrets.get(&self.team(0), secret).map(|seen| seen.docker_config).unwrap_or_default();
        puller.pull(image, &new).await.map_err(world::WorldError::new)?;
        self.count_pull();
        Ok(Some(format!(
            "{secret}: the first credential is refused ({why}), the one in force pulls; by {}",
            puller.name()
        )))
    }

    async fn until_secret(&self, namespace: &str, name: &str, is: impl Fn(&Seen) -> bool) {
        let key = (namespace.to_owned(), name.to_owned());
        self.secrets.until(|all| all.get(&key).filter(|seen| is(seen)).map(drop)).await;
    }

    fn team(&self, number: usize) -> String {
        format!("{}team-{number}", self.scenery.prefix)
    }

    /// Where Secrets ought to be.
    fn places(&self) -> BTreeSet<String> {
        let new = format!("{}team-new", self.scenery.prefix);
        self.scenery.selected.iter().cloned().chain([new]).collect()
    }

    fn count_pull(&self) {
        *self.pulls.lock().expect("no panic while counting") += 1;
    }
}
