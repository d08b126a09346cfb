//! The chart's roles are pullmint's own words.

use std::process::Command;

use serde_json::Value;

use crate::tools::{EXAMPLES, objects, only, template, values};

const KINDS: [&str; 4] = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

/// What `pullmint rbac` prints for the configuration in this ConfigMap, which it thereby accepts.
fn printed(config: &Value) -> Vec<Value> {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in config["data"].as_object().expect("files") {
        std::fs::write(dir.path().join(name), text.as_str().expect("a text")).expect("a file");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullmint"));
    let output = command.arg("rbac").arg("--config").arg(dir.path()).output().expect("a start");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    objects(&String::from_utf8(output.stdout).expect("UTF-8"))
}

/// What the object grants: without its labels.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().expect("metadata").remove("labels");
    object
}

#[tokio::test]
async fn the_roles_are_those_that_pullmint_prints_for_the_same_configuration() {
    for example in EXAMPLES {
        let rendered = template(&["--values", &values(example)]).await;
        let config = rendered.iter().find(|object| object["kind"] == "ConfigMap").expect("a configuration");
        let printed = printed(config);
        for kind in KINDS {
            assert_eq!(bare(only(&rendered, kind)), bare(only(&printed, kind)), "{example}");
        }
    }
}

/// What these rules allow with an object of that name, in order.
fn verbs<'a>(rules: &'a Value, resource: &str, name: &str) -> Vec<&'a str> {
    let rules = rules.as_array().expect("rules").iter().filter(|rule| rule["resources"][0] == resource);
    let names = |rule: &Value| rule["resourceNames"].as_array().is_none_or(|names| names.contains(&Value::from(name)));
    let verbs = rules.filter(|rule| names(rule)).flat_map(|rule| rule["verbs"].as_array().expect("verbs"));
    let mut verbs: Vec<_> = verbs.filter_map(Value::as_str).collect();
    verbs.sort_unstable();
    verbs
}

#[tokio::test]
async fn what_left_the_configuration_can_be_removed_and_no_more() {
    let example = values("everything");
    let everywhere = template(&["--values", &example]).await;
    let rules = &only(&everywhere, "ClusterRole")["rules"];
    assert_eq!(verbs(rules, "secrets", "pull-old"), ["delete", "list", "watch"]);
    assert_eq!(verbs(rules, "secrets", "pull"), ["create", "delete", "get", "list", "patch", "watch"]);
    // The account stays, and no longer names what is removed.
    assert_eq!(verbs(rules, "serviceaccounts", "old"), ["get", "list", "patch", "watch"]);

    let set = "rbac.scope=namespaces,rbac.namespaces={a}";
    let somewhere = template(&["--values", &example, "--set", set]).await;
    assert_eq!(verbs(&only(&somewhere, "ClusterRole")["rules"], "secrets", "pull-old"), ["list", "watch"]);
    let role = somewhere.iter().find(|object| object["kind"] == "Role" && object["metadata"]["namespace"] == "a");
    assert_eq!(verbs(&role.expect("a Role")["rules"], "secrets", "pull-old"), ["delete"]);
}

#[tokio::test]
async fn with_the_scope_namespaces_pullmint_may_write_only_in_those_listed() {
    let values = values("aks");
    let set = "rbac.scope=namespaces,rbac.namespaces={a,b},settings.pulls.explain=true,settings.pulls.recover=true";
    let rendered = template(&["--values", &values, "--set", set]).await;
    let writes = |rule: &Value| {
        let verbs = rule["verbs"].as_array().expect("verbs").iter();
        verbs.filter(|verb| !["get", "list", "watch"].contains(&verb.as_str().expect("a verb"))).count() > 0
    };
    let rules = only(&rendered, "ClusterRole")["rules"].as_array().expect("rules");
    // Events are told wherever something happens.
    let elsewhere: Vec<_> = rules.iter().filter(|rule| writes(rule)).map(|rule| &rule["resources"][0]).collect();
    assert_eq!(elsewhere, ["events"]);
    let roles: Vec<_> = rendered.iter().filter(|object| object["kind"] == "Role").collect();
    let places: Vec<_> = roles.iter().map(|role| role["metadata"]["namespace"].as_str().expect("one")).collect();
    assert_eq!(places, ["pullmint", "a", "b"]);
    assert!(roles.iter().all(|role| role["rules"].as_array().expect("rules").iter().any(writes)));
    let deletes_pods = |rule: &Value| rule["resources"][0] == "pods" && writes(rule);
    let in_tenants = &roles[1..];
    assert!(in_tenants.iter().all(|role| role["rules"].as_array().expect("rules").iter().any(deletes_pods)));
}
