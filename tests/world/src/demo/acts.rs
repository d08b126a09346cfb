//! The single acts of the story: each does what a user would, and waits until the cluster shows what must come of it.
//! `None` where other lines have told it already.

use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::pods;
use super::scenery::{ECR, WEB, create_namespace};
use super::screen::{INDENT, spell};
use super::secrets::{SPOILED, Seen};
use super::show::{REGISTRIES, Show};
use crate::{Context, Result, WorldError};

impl Show<'_> {
    pub(super) async fn all_are_written(&self) -> Result<Option<String>> {
        let names = &self.scenery.selected;
        self.secrets
            .until(|all| {
                let has = |namespace: &String, secret: &str| all.contains_key(&(namespace.clone(), secret.to_owned()));
                names.iter().all(|name| REGISTRIES.iter().all(|(secret, _)| has(name, secret))).then_some(())
            })
            .await;
        Ok(None)
    }

    pub(super) async fn others_have_none(&self) -> Result<Option<String>> {
        let there = self.secrets.namespaces();
        let touched: Vec<_> = self.scenery.others.intersection(&there).cloned().collect();
        match touched.is_empty() {
            true => {
                Ok(Some(format!("no Secret in the {} namespaces that are not selected", self.scenery.others.len())))
            }
            false => Err(WorldError::new(format!("there are Secrets in {}", touched.join(", ")))),
        }
    }

    pub(super) async fn a_new_namespace_is_served(&self) -> Result<Option<String>> {
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

    pub(super) async fn a_deleted_secret_is_restored(&self) -> Result<Option<String>> {
        let (place, name) = (self.team(3), "pullmint-acr");
        let old = self.secrets.get(&place, name).map(|seen| seen.uid).unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.scenery.client.clone(), &place);
        let started = Instant::now();
        api.delete(name, &DeleteParams::default()).await.context(|| "deleting a Secret")?;
        self.until_secret(&place, name, |seen| seen.uid != old).await;
        Ok(Some(format!("deleted Secret {place}/{name} is back after {}", spell(started.elapsed()))))
    }

    pub(super) async fn an_edited_secret_is_repaired(&self) -> Result<Option<String>> {
        let (place, name) = (self.team(5), "pullmint-docker-hub");
        let Some(old) = self.secrets.get(&place, name) else { return Ok(None) };
        let api: Api<Secret> = Api::namespaced(self.scenery.client.clone(), &place);
        let spoiled = json!({"stringData": {".dockerconfigjson": SPOILED}});
        let started = Instant::now();
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(spoiled)).await;
        let version = patched.context(|| "editing a Secret")?.metadata.resource_version.unwrap_or_default();
        self.until_secret(&place, name, |seen| {
            seen.version != version && seen.docker_config == old.docker_config && seen.version != old.version
        })
        .await;
        Ok(Some(format!("edited Secret {place}/{name} is right again after {}", spell(started.elapsed()))))
    }

    pub(super) async fn the_first_pod_gets_its_image(&self) -> Result<Option<String>> {
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

    /// Waits until every namespace has another credential than the old one.
    pub(super) async fn until_renewed(&self, secret: &str, old: &Seen) -> Result<Option<String>> {
        let names = &self.scenery.selected;
        self.secrets
            .until(|all| {
                let now = |name: &String| all.get(&(name.clone(), secret.to_owned()));
                names.iter().all(|name| now(name).is_some_and(|seen| seen.minted_at != old.minted_at)).then_some(())
            })
            .await;
        Ok(None)
    }

    /// Pulls with the Secret as it is now, as a pod named `pod` where there is a node.
    pub(super) async fn pull(
        &self,
        pod: &str,
        secret: &str,
        (host, repository): (&str, &str),
    ) -> Result<Option<String>> {
        let (place, image) = (self.team(1), format!("{host}/{repository}:1"));
        let (how, took) = match &self.scenery.stage.world.node {
            Some(node) => {
                let name = format!("{pod}-{}", secret.trim_start_matches("pullmint-"));
                let at = (place.as_str(), name.as_str());
                pods::create(&self.scenery.client, node.name(), at, &image, secret).await?;
                let took = pods::until_running(&self.scenery.client, at).await?;
                pods::delete(&self.scenery.client, at).await;
                (format!("for pod {place}/{name}"), took)
            }
            None => {
                let bytes = self.secrets.get(&place, secret).map(|seen| seen.docker_config).unwrap_or_default();
                let took = self.scenery.puller.pull((host, repository), &bytes).await.map_err(WorldError::new)?;
                (format!("with Secret {place}/{secret}"), spell(took))
            }
        };
        self.count_pull();
        Ok(Some(format!("{image} in {took} {how}")))
    }

    pub(super) async fn the_old_one_is_refused(
        &self,
        secret: &str,
        image: (&str, &str),
        old: &Seen,
    ) -> Result<Option<String>> {
        let puller = &self.scenery.puller;
        let Err(why) = puller.pull(image, &old.docker_config).await else {
            return Err(WorldError::new(format!("the first credential of {secret} still opens the registry")));
        };
        let new = self.secrets.get(&self.team(0), secret).map(|seen| seen.docker_config).unwrap_or_default();
        puller.pull(image, &new).await.map_err(WorldError::new)?;
        self.count_pull();
        let who = puller.name();
        Ok(Some(format!(
            "{secret}: the first credential opens nothing any more; {who} is told:\n{INDENT}\"{why}\"\n\
             {INDENT}and pulls with the one that is in force now"
        )))
    }
}
