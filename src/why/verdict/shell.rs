//! Cures as commands that can be pasted.

use crate::why::case::{Case, Subject};
use crate::why::reference::Reference;

/// A word for the shell.
pub(super) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn kubectl(subject: &Subject, rest: &str) -> String {
    format!("kubectl -n {} {rest}", quote(&subject.namespace))
}

/// Lets the pod be made anew. `None`: nothing would make it again, or there is none yet.
pub(super) fn recreate(case: &Case) -> Option<String> {
    let subject = &case.subject;
    let controller = case.complaint.as_ref().and(subject.controller.as_deref())?;
    let (kind, name) = controller.split_once('/')?;
    Some(match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            kubectl(subject, &format!("rollout restart {}/{}", kind.to_lowercase(), quote(name)))
        }
        _ => kubectl(subject, &format!("delete pod {}", quote(&subject.pod))),
    })
}

/// Gives the container another image.
pub(super) fn set_image(case: &Case, image: &str) -> Option<String> {
    let subject = &case.subject;
    case.complaint.as_ref()?;
    let target = match subject.controller.as_deref().and_then(|controller| controller.split_once('/')) {
        Some((kind @ ("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"), name)) => {
            format!("{}/{}", kind.to_lowercase(), quote(name))
        }
        // A Job's template cannot be changed, and what others do is theirs.
        Some(_) => return None,
        None => format!("pod/{}", quote(&subject.pod)),
    };
    Some(kubectl(subject, &format!("set image {target} {}={}", quote(&subject.container), quote(image))))
}

/// Makes a pull Secret for a registry; what only a person knows stands in capitals.
pub(super) fn create_secret(case: &Case, name: &str, server: &str) -> String {
    let (name, server) = (quote(name), quote(server));
    let make = format!(
        "create secret docker-registry {name} --docker-server={server} --docker-username=USER --docker-password=PASSWORD"
    );
    kubectl(&case.subject, &make)
}

/// Makes a pull Secret, and lets the pods of the ServiceAccount use it where this one names none itself.
pub(super) fn give_secret(case: &Case, server: &str) -> String {
    let is_free = |name: &&str| !case.wiring.present.contains_key(*name);
    let name = ["pull", "pull-2"].into_iter().find(is_free).unwrap_or("pull-3");
    let create = create_secret(case, name, server);
    match case.wiring.wanted.is_empty() {
        true => format!("{create} && {}", patch_account(case, name)),
        false => create,
    }
}

/// Gets a new token for a registry of Amazon ECR. `None`: it is another's.
pub(super) fn renew_ecr(case: &Case, image: &Reference, secret: &str) -> Option<String> {
    let host = &image.domain;
    let region = host.split(".dkr.ecr.").nth(1)?.split('.').next()?;
    let create = format!(
        "create secret docker-registry {} --docker-server={host} --docker-username=AWS \
         --docker-password=\"$(aws ecr get-login-password --region {region})\" --dry-run=client -o yaml",
        quote(secret)
    );
    Some(format!("{} | kubectl apply -f -", kubectl(&case.subject, &create)))
}

/// Replaces a pull Secret that cannot be changed.
pub(super) fn replace_secret(case: &Case, name: &str, server: &str) -> String {
    let delete = kubectl(&case.subject, &format!("delete secret {}", quote(name)));
    format!("{delete} && {}", create_secret(case, name, server))
}

/// Gives a credential another key, without anybody seeing it.
pub(super) fn rename_key(case: &Case, secret: &str, from: &str, to: &str) -> String {
    let (from, to) = (serde_json::json!(from), serde_json::json!(to));
    let change = format!(
        ".data[\".dockerconfigjson\"] |= (@base64d | fromjson | .auths[{to}] = .auths[{from}] | del(.auths[{from}]) | tojson | @base64)"
    );
    through_jq(case, secret, &change, "apply")
}

/// Makes a Secret anew with the right type, and the content that it has.
pub(super) fn retype_secret(case: &Case, secret: &str) -> String {
    through_jq(case, secret, ".type = \"kubernetes.io/dockerconfigjson\"", "replace --force")
}

fn through_jq(case: &Case, secret: &str, change: &str, verb: &str) -> String {
    let get = kubectl(&case.subject, &format!("get secret {} -o json", quote(secret)));
    format!("{get} | jq {} | kubectl {verb} -f -", quote(change))
}

/// Lets a ServiceAccount name a Secret; the pod is then to be made anew.
pub(super) fn patch_account(case: &Case, secret: &str) -> String {
    let wiring = &case.wiring;
    let mut names = wiring.account_secrets.clone().unwrap_or_default();
    if !names.iter().any(|name| name == secret) {
        names.push(secret.to_owned());
    }
    let list: Vec<_> = names.iter().map(|name| serde_json::json!({"name": name})).collect();
    let patch = serde_json::json!({"imagePullSecrets": list}).to_string();
    kubectl(&case.subject, &format!("patch serviceaccount {} -p {}", quote(&wiring.account), quote(&patch)))
}

/// Lets pullmint take a Secret over.
pub(super) fn adopt(case: &Case, secret: &str) -> String {
    kubectl(&case.subject, &format!("annotate secret {} pullmint.dev/adopt=true", quote(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_is_one_word_to_the_shell() {
        assert_eq!(quote("web-1"), "web-1");
        assert_eq!(quote("a; rm -rf $HOME"), "'a; rm -rf $HOME'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
