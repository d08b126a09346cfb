//! Reads a TOML tree by a JSON Schema: everything that is wrong is reported where it stands, the rest is returned.
//!
//! serde stops at the first problem; a person who has to fix a file wants all of them. Only the part of JSON Schema
//! that our own schemas use is understood here.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::document::Span;
use super::report::{Flaw, nearest};
use super::{mask, schema, text};

type Sink<'s> = dyn FnMut(Span, Flaw) + 's;

/// Reads the table at a file's top.
pub(super) fn table(schema: &Value, table: &DeTable<'_>, report: &mut Sink<'_>) -> Option<Value> {
    let forms = schema::forms(schema);
    match forms {
        [form] => Some(entries(form, table, 0..0, &[], report)),
        _ => {
            let tag = schema::keys(&forms[0]).find(|key| forms[0]["properties"][key].get("const").is_some())?;
            let (form, at) = choose(forms, tag, table, report)?;
            Some(entries(form, table, at, &[], report))
        }
    }
}

/// Chooses the form that the table's tag names, and goes on with the one that was probably meant.
fn choose<'f>(forms: &'f [Value], tag: &str, table: &DeTable<'_>, report: &mut Sink<'_>) -> Option<(&'f Value, Span)> {
    let name = |form: &'f Value| form["properties"][tag]["const"].as_str().unwrap_or_default();
    let Some(value) = table.get(tag) else {
        report(0..0, Flaw::new(format!("`{tag}` is missing")).help(one_of(forms.iter().map(name))));
        return None;
    };
    let choice = choice(value, forms.iter().map(name), report)?;
    forms.iter().find(|form| name(form) == choice).map(|form| (form, value.span()))
}

/// Reads a table. `at` is where missing keys are reported; `outer` has the keys of the tables around it.
fn entries(form: &Value, table: &DeTable<'_>, at: Span, outer: &[&str], report: &mut Sink<'_>) -> Value {
    let keys: Vec<&str> = schema::keys(form).collect();
    let mut read = Map::new();
    for (key, value) in table {
        let name: &str = key.get_ref();
        match form["properties"].get(name) {
            Some(schema) => {
                if let Some(value) = self::value(schema, value, &keys, report) {
                    read.insert(name.to_owned(), value);
                }
            }
            None => report(key.span(), unknown(name, &keys, outer)),
        }
    }
    for key in form["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        // A key that was merely mistyped has been reported as that.
        let mistyped = |(other, _): (&Spanned<_>, _)| {
            nearest(AsRef::<str>::as_ref(other.get_ref()), keys.iter().copied()) == Some(key)
        };
        if !table.contains_key(key) && !table.iter().any(mistyped) {
            report(at.clone(), Flaw::new(format!("`{key}` is missing")).help(meaning(&form["properties"][key])));
        }
    }
    Value::Object(read)
}

/// What a key is for, with the words that can stand there if they are few.
fn meaning(schema: &Value) -> String {
    let comment = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
    match choices(schema) {
        choices if choices.is_empty() => comment,
        choices => format!("{}: {}", comment.trim_end_matches('.'), one_of(choices.into_iter())),
    }
}

fn unknown(key: &str, keys: &[&str], outer: &[&str]) -> Flaw {
    let near = nearest(key, keys.iter().copied());
    let typo = near.is_some_and(|near| strsim::damerau_levenshtein(key, near) == 1);
    let files = keys.iter().filter(|key| **key != "ca_file").filter_map(|key| key.strip_suffix("_file"));
    if !typo && (mask::is_secret(key) || nearest(key, files.clone()).is_some()) {
        let flaw = Flaw::new(format!("`{key}`: secrets do not stand in the configuration"));
        return match files.min_by_key(|file| strsim::damerau_levenshtein(key, file)) {
            Some(file) => flaw.help(format!("put it in a file and name that: `{file}_file = \"/run/secrets/…\"`")),
            None => flaw.help("they come from files named by `…_file`, those of AWS from the SDK's own chain"),
        };
    }
    let flaw = Flaw::new(format!("there is no key `{key}` here"));
    if let Some(near) = near {
        flaw.help(format!("did you mean `{near}`?"))
    } else if outer.contains(&key) {
        flaw.help(format!("`{key}` belongs to no table: move it above the first line with `[…]`"))
    } else {
        let owners: Vec<&str> = schema::forms(&schema::REGISTRY)
            .iter()
            .filter(|form| schema::keys(form).any(|known| known == key))
            .filter_map(|form| form["properties"]["provider"]["const"].as_str())
            .collect();
        if owners.is_empty() { flaw } else { flaw.help(format!("`{key}` is for provider `{}`", owners.join("`, `"))) }
    }
}

fn value(schema: &Value, value: &Spanned<DeValue<'_>>, outer: &[&str], report: &mut Sink<'_>) -> Option<Value> {
    let choices = choices(schema);
    if !choices.is_empty() {
        return choice(value, choices.iter().copied(), report).map(Value::from);
    }
    let span = value.span();
    match (schema["type"].as_str().unwrap_or("string"), value.get_ref()) {
        ("string", DeValue::String(text)) => checked(schema, text, span, report),
        ("string", DeValue::Datetime(time)) if schema["format"] == "date-time" => {
            checked(schema, &time.to_string(), span, report)
        }
        ("boolean", DeValue::Boolean(truth)) => Some(Value::Bool(*truth)),
        ("integer", DeValue::Integer(_)) | ("number", DeValue::Integer(_) | DeValue::Float(_)) => {
            number(schema, value, report)
        }
        ("array", DeValue::Array(items)) => list(schema, items, span, report),
        ("object", DeValue::Table(table)) => Some(entries(schema, table, span, outer, report)),
        (wanted, found) => {
            let flaw = Flaw::new(format!("expected {}, found {}", noun(wanted), kind(found)));
            let flaw = match (wanted, found) {
                ("array", DeValue::String(_)) => flaw.help("put it between brackets: `[\"…\"]`"),
                ("string", DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)) => {
                    flaw.help("put it between quotes")
                }
                _ => flaw,
            };
            report(span, flaw);
            None
        }
    }
}

/// The words that a schema allows, if it is a choice among some.
fn choices(schema: &Value) -> Vec<&str> {
    schema["oneOf"].as_array().into_iter().flatten().filter_map(|form| form["const"].as_str()).collect()
}

fn checked(schema: &Value, text: &str, span: Span, report: &mut Sink<'_>) -> Option<Value> {
    if let Some(only) = schema.get("const") {
        return Some(only.clone());
    }
    match text::check(schema["format"].as_str().unwrap_or_default(), text) {
        Ok(()) => Some(Value::from(text)),
        Err(flaw) => {
            report(span, flaw);
            None
        }
    }
}

fn number(schema: &Value, value: &Spanned<DeValue<'_>>, report: &mut Sink<'_>) -> Option<Value> {
    let number = match value.get_ref() {
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().map(serde_json::Number::from),
        DeValue::Float(f) => f.as_str().parse().ok().and_then(serde_json::Number::from_f64),
        _ => None,
    };
    let bound = |key: &str, otherwise: f64| schema[key].as_f64().unwrap_or(otherwise);
    let (min, max) = (bound("minimum", f64::MIN), bound("maximum", f64::MAX));
    let number = number.filter(|number| number.as_f64().is_some_and(|number| (min..=max).contains(&number)));
    if number.is_none() {
        report(value.span(), Flaw::new(format!("expected a number from {min} to {max}")));
    }
    number.map(Value::Number)
}

/// Reads a list, as far as its items are right. One of which none is right is no empty one.
fn list(schema: &Value, items: &DeArray<'_>, span: Span, report: &mut Sink<'_>) -> Option<Value> {
    let mut read = Vec::new();
    for item in items {
        let Some(value) = value(&schema["items"], item, &[], report) else { continue };
        if read.contains(&value) {
            report(item.span(), Flaw::new("this stands twice in the list"));
        } else {
            read.push(value);
        }
    }
    let count = items.len() as u64;
    let (min, max) = (schema["minItems"].as_u64().unwrap_or(0), schema["maxItems"].as_u64().unwrap_or(u64::MAX));
    if count < min {
        report(span, Flaw::new("the list is empty"));
        return None;
    } else if count > max {
        report(span, Flaw::new(format!("the list has {count} items; at most {max} are possible")));
    }
    (count == 0 || !read.is_empty()).then_some(Value::Array(read))
}

/// One of several words; if it is none of them, the problem is reported and the one probably meant is returned.
fn choice<'c>(
    value: &Spanned<DeValue<'_>>,
    choices: impl Iterator<Item = &'c str> + Clone,
    report: &mut Sink<'_>,
) -> Option<&'c str> {
    let Some(text) = value.get_ref().as_str() else {
        let flaw = Flaw::new(format!("expected a string, found {}", kind(value.get_ref())));
        report(value.span(), flaw.help(one_of(choices)));
        return None;
    };
    if let Some(choice) = choices.clone().find(|choice| *choice == text) {
        return Some(choice);
    }
    let near = nearest(text, choices.clone());
    let help = near.map_or_else(|| one_of(choices), |near| format!("did you mean `{near}`?"));
    report(value.span(), Flaw::new("there is no such choice").help(help));
    near
}

fn one_of<'c>(choices: impl Iterator<Item = &'c str>) -> String {
    format!("one of `{}`", choices.collect::<Vec<_>>().join("`, `"))
}

fn noun(kind: &str) -> &'static str {
    match kind {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "a table",
        _ => "a string",
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a point in time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
