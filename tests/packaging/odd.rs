//! Values that nobody thought of: `null`, and lists without anything in them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::tools::{CHART, helm, only, template};

/// What `values.yaml` has: the sections, and each value by its path. A table whose keys are the user's is a value.
fn defaults() -> (Vec<String>, BTreeMap<String, Value>) {
    let read = |name: &str| std::fs::read_to_string(format!("{CHART}/{name}")).expect("a file");
    let values: Map<String, Value> = serde_saphyr::from_str(&read("values.yaml")).expect("YAML");
    let schema: Value = serde_json::from_str(&read("values.schema.json")).expect("JSON");
    let has_keys_of_its_own =
        |name: &str| ["properties", "$ref"].iter().any(|key| schema["properties"][name].get(key).is_some());
    let (mut sections, mut leaves) = (Vec::new(), BTreeMap::new());
    for (name, value) in values {
        match value {
            Value::Object(section) if has_keys_of_its_own(&name) => {
                leaves.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
                sections.push(name);
            }
            value => drop(leaves.insert(name, value)),
        }
    }
    (sections, leaves)
}

/// Says `null`, which takes a default away.
fn nulls<'a>(paths: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    paths.into_iter().flat_map(|path| ["--set-json".to_owned(), format!("{path}=null")]).collect()
}

#[tokio::test]
async fn what_may_be_empty_may_be_null_and_nothing_else() {
    let (sections, leaves) = defaults();
    let is_something = |value: &Value| match value {
        Value::String(text) => !text.is_empty(),
        other => other.is_boolean() || other.is_number(),
    };
    let needed: Vec<_> = leaves.iter().filter(|(_, value)| is_something(value)).map(|(path, _)| path.clone()).collect();
    for refused in [&sections, &needed] {
        let args = nulls(refused);
        let args: Vec<_> = ["template", "pullmint", CHART].into_iter().chain(args.iter().map(String::as_str)).collect();
        let said = helm(&args).await.err;
        for path in refused {
            let name = path.rsplit('.').next().expect("a name");
            assert!(said.contains(&format!("'{name}'")) && said.contains("missing propert"), "{path}: {said}");
        }
    }

    let is_empty = |value: &Value| [json!(""), json!([]), json!({})].contains(value);
    let others = leaves.iter().filter(|(path, _)| !needed.contains(path));
    let (empty, filled): (Vec<_>, Vec<_>) = others.partition(|(_, value)| is_empty(value));
    let rendered = async |paths: Vec<(&String, &Value)>| {
        let args = nulls(paths.into_iter().map(|(path, _)| path));
        template(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    assert_eq!(rendered(empty).await, template(&[]).await);
    rendered(filled).await;
}

#[tokio::test]
async fn a_list_without_ports_opens_none_of_them() {
    for nothing in ["null", "[]"] {
        let set = format!("networkPolicy.egressPorts={nothing}");
        let objects = template(&["--set-json", &set]).await;
        let rules = only(&objects, "NetworkPolicy")["spec"]["egress"].as_array().expect("rules");
        assert!(rules.iter().all(|rule| rule["ports"].is_array()), "{nothing}: {rules:#?}");
    }
}
