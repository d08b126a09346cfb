//! The JSON Schema of the files, made from the types they are read into.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::file;

/// What `pullmint.toml` may hold.
pub(super) static GLOBAL: LazyLock<Value> = LazyLock::new(of::<file::Global>);

/// What a registry's file may hold: one of several forms, told apart by `provider`.
pub(super) static REGISTRY: LazyLock<Value> = LazyLock::new(of::<file::Registry>);

/// The JSON Schema (draft 7) of every file of a configuration: `#/definitions/pullmint` for `pullmint.toml`,
/// `#/definitions/registry` for the others, and as a whole either of them.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pullmint's configuration: pullmint.toml, and one NAME.toml per registry",
        "anyOf": [{ "$ref": "#/definitions/registry" }, { "$ref": "#/definitions/pullmint" }],
        "definitions": { "pullmint": *GLOBAL, "registry": *REGISTRY },
    })
}

fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.with_transform(tidy).into_generator().into_root_schema_for::<T>().to_value()
}

/// Says what the types cannot: that TOML has no null, that other keys do not exist, and that lists name things once.
fn tidy(schema: &mut Schema) {
    transform_subschemas(&mut (tidy as fn(&mut Schema)), schema);
    let Some(object) = schema.as_object_mut() else { return };
    // Names of Rust types.
    object.remove("title");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut forms)) = object.remove("anyOf") {
        forms.retain(|form| form["type"] != "null");
        let Some(Value::Object(form)) = forms.pop() else { return };
        for (key, value) in form {
            object.entry(key).or_insert(value);
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    // Rust's own names for numbers say nothing to others.
    if object.get("format").is_some_and(|format| format == "uint" || format == "double") {
        object.remove("format");
    }
    match object.get("type").and_then(Value::as_str) {
        Some("object") => object.insert("additionalProperties".to_owned(), json!(false)),
        Some("array") => object.insert("uniqueItems".to_owned(), json!(true)),
        _ => None,
    };
}

/// The forms that a schema allows: several, told apart by a key, or itself.
pub(super) fn forms(schema: &Value) -> &[Value] {
    schema["oneOf"].as_array().map_or_else(|| std::slice::from_ref(schema), Vec::as_slice)
}

/// The keys of a table of this form.
pub(super) fn keys(form: &Value) -> impl Iterator<Item = &str> {
    form["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str())
}

/// The tables in a table of this form, by their names.
pub(super) fn inner_tables(form: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = form["properties"].as_object().into_iter().flatten();
    all.filter(|(_, schema)| schema["type"] == "object").map(|(name, schema)| (name.as_str(), schema))
}

/// Whether any file may have this key at any place.
pub(super) fn is_known_key(key: &str) -> bool {
    static KNOWN: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
        let tables = [&*GLOBAL, &*REGISTRY].into_iter().flat_map(forms);
        tables.flat_map(|form| keys(form).chain(inner_tables(form).flat_map(|(_, table)| keys(table)))).collect()
    });
    KNOWN.contains(key)
}
