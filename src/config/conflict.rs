//! Registries that would fight: two that write the same key of the same Secret.

use crate::registry::Host;

use super::document::Document;
use super::report::Flaw;
use super::selection::may_meet;
use super::settings::{ProviderSettings, Registry};

/// Reports each pair of files that would fight, in the later one.
pub(super) fn report(read: &mut [(Document<'_>, Vec<Registry>)]) {
    for later in 1..read.len() {
        let (earlier, rest) = read.split_at_mut(later);
        let Some((document, registries)) = rest.first_mut() else { return };
        for (other, others) in earlier {
            let fight = registries.iter().find_map(|a| others.iter().find_map(|b| Some((a, contested(a, b)?))));
            if let Some((registry, host)) = fight {
                let flaw = Flaw::new(format!(
                    "this registry and the one of {} would both write the entry {} of the Secret {}",
                    other.file.display(),
                    host.key(),
                    registry.secret
                ));
                let span = document.key("secret").or_else(|| document.value("provider"));
                document.report(span, flaw.help("give one of them another `secret`, or `namespaces` apart by name"));
            }
        }
    }
}

fn contested<'a>(a: &'a Registry, b: &'a Registry) -> Option<&'a Host> {
    let meet = a.secret == b.secret && may_meet(&a.namespaces, &b.namespaces);
    let others = hosts(b);
    meet.then(|| hosts(a).into_iter().find(|host| others.contains(host)))?
}

fn hosts(registry: &Registry) -> Vec<&Host> {
    static DOCKER_HUB: std::sync::LazyLock<Host> = std::sync::LazyLock::new(Host::docker_hub);
    match &registry.provider {
        ProviderSettings::Acr(acr) => vec![&acr.login_server],
        ProviderSettings::DockerHub(_) => vec![&DOCKER_HUB],
        ProviderSettings::Ecr(ecr) => ecr.hosts.iter().collect(),
        ProviderSettings::EcrPublic(public) => public.hosts.iter().collect(),
    }
}
