//! The configuration reference: the schema, told in words.

use serde_json::{Value, json};

use super::report::nearest;
use super::{check, schema, text};

/// What one kind of file may hold.
struct Section {
    title: String,
    intro: &'static str,
    keys: Vec<Key>,
}

/// One key, with all that the schema says about it.
struct Key {
    name: String,
    schema: Value,
    is_required: bool,
}

const INTRO: &str = "\
<!-- Generated from the schema. `PULLMINT_WRITE_DOCS=1 cargo test --test docs` writes it anew. -->

# Configuration

A directory: `pullmint.toml` for what holds for every registry, which may be absent, and one `NAME.toml` per registry,
whose name is the registry's. [config/](../config) has one complete example per provider. `pullmint check` tries a
configuration without writing anything, and every problem of every file is reported at once, with its line.

Paths begin at the directory of the configuration, unless they are absolute. Secrets never stand in these files: a key
that ends in `_file` names the file that holds one.

`pullmint schema` prints the JSON Schema of all this for editors, `pullmint schema --explain KEY` one key.
";

/// The reference of all keys, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRO.to_owned();
    for Section { title, intro, keys } in sections() {
        page.push_str(&format!("\n## {title}\n\n{intro}\n"));
        for key in keys {
            page.push_str(&format!("\n### `{}`\n\n{}", key.name, key.text()));
        }
    }
    page
}

/// What is said about one key, or about all keys of one table, in each file that may have it.
///
/// # Errors
/// With the name of the key that was perhaps meant, if there is none of this name.
pub fn explain(name: &str) -> Result<String, Option<String>> {
    let sections = sections();
    let found = sections.iter().flat_map(|section| {
        let keys = section.keys.iter().filter(|key| key.answers_to(name));
        keys.map(|key| format!("{}: {}\n\n{}", section.title, key.name, key.text()))
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        let names = sections.iter().flat_map(|section| &section.keys).flat_map(Key::names);
        return Err(nearest(name, names).map(str::to_owned));
    }
    Ok(found.join("\n"))
}

fn sections() -> Vec<Section> {
    let forms = schema::forms(&schema::REGISTRY);
    let is_common = |name: &str| forms.iter().all(|form| schema::keys(form).any(|key| key == name));
    let mut sections = vec![
        Section {
            title: "pullmint.toml".to_owned(),
            intro: "What holds for every registry.",
            keys: keys(&schema::GLOBAL, &|_| true),
        },
        Section {
            title: "Every registry".to_owned(),
            intro: "The keys that each `NAME.toml` may have, whatever its provider.",
            keys: [provider(forms)]
                .into_iter()
                .chain(forms.iter().take(1).flat_map(|form| keys(form, &is_common)))
                .collect(),
        },
    ];
    for form in forms {
        let provider = form["properties"]["provider"]["const"].as_str().unwrap_or_default();
        let title = format!("`provider = \"{provider}\"`");
        sections.push(Section { title, intro: intro(provider), keys: keys(form, &|name| !is_common(name)) });
    }
    sections
}

fn intro(provider: &str) -> &'static str {
    match provider {
        "acr" => "Azure Container Registry. [The guide](providers/acr.md) tells how pullmint gets its identity.",
        "docker-hub" => "Docker Hub. [The guide](providers/docker-hub.md) tells where the tokens come from.",
        "ecr" => "Amazon ECR: one identity in one region. [The guide](providers/ecr.md) tells how pullmint gets it.",
        "ecr-public" => "Amazon ECR Public, always in us-east-1. [The guide](providers/ecr.md) is that of ECR.",
        _ => "",
    }
}

/// The key that says which form a file has.
fn provider(forms: &[Value]) -> Key {
    let choice =
        |form: &Value| json!({ "const": form["properties"]["provider"]["const"], "description": form["description"] });
    let choices: Vec<_> = forms.iter().map(choice).collect();
    let description = "Whose registry it is. It decides which other keys there are.";
    Key {
        name: "provider".to_owned(),
        schema: json!({ "description": description, "oneOf": choices }),
        is_required: true,
    }
}

/// The keys of a form in alphabetical order, those of its tables with the table's name before them.
fn keys(form: &Value, wanted: &dyn Fn(&str) -> bool) -> Vec<Key> {
    let mut all = Vec::new();
    for (name, schema) in form["properties"].as_object().into_iter().flatten().filter(|(name, _)| wanted(name)) {
        if schema["type"] == "object" {
            let inner = keys(schema, &|_| true).into_iter();
            all.extend(inner.map(|key| Key { name: format!("{name}.{}", key.name), ..key }));
        } else if name != "provider" {
            let required = form["required"].as_array().into_iter().flatten();
            let is_required = required.into_iter().any(|required| required == name);
            all.push(Key { name: name.clone(), schema: schema.clone(), is_required });
        }
    }
    all
}

impl Key {
    /// The names that it can be asked for by: its own, with and without its table's, and its table's.
    fn names(&self) -> impl Iterator<Item = &str> {
        let (table, own) = self.name.rsplit_once('.').unwrap_or(("", &self.name));
        [self.name.as_str(), own, table].into_iter().filter(|name| !name.is_empty())
    }

    fn answers_to(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// Type, bounds, default and meaning.
    fn text(&self) -> String {
        let mut facts = vec![kind(&self.schema)];
        facts.extend(bounds(&self.schema));
        facts.push(match self.schema.get("default") {
            _ if self.is_required => "required".to_owned(),
            Some(default) => format!("default `{default}`"),
            None => "optional".to_owned(),
        });
        let mut text =
            format!("{}.\n\n{}\n", facts.join(" · "), self.schema["description"].as_str().unwrap_or_default());
        for choice in self.schema["oneOf"].as_array().into_iter().flatten() {
            let name = choice["const"].as_str().unwrap_or_default();
            let description = choice["description"].as_str().unwrap_or_default();
            text.push_str(&format!("\n- `{name}`: {description}{}", dependents(&self.name, name)));
        }
        if text.contains("\n- ") {
            text.push('\n');
        }
        text
    }
}

fn kind(schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("array") => described("List of texts", &schema["items"]),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => "Whole number".to_owned(),
        Some("number") => "Number".to_owned(),
        _ if schema["oneOf"].is_array() => "One of the texts below".to_owned(),
        _ => described("Text", schema),
    }
}

/// With what kind of text it is, where that says more than the noun.
fn described(noun: &str, schema: &Value) -> String {
    let format = schema["format"].as_str().filter(|format| *format != "text");
    match format.and_then(text::describe) {
        Some(words) => format!("{noun}: {}", within_a_sentence(words.trim().trim_end_matches('.'))),
        None => noun.to_owned(),
    }
}

fn within_a_sentence(words: &str) -> String {
    match words.split_once(' ') {
        Some((article @ ("A" | "An" | "The"), rest)) => format!("{} {rest}", article.to_lowercase()),
        _ => words.to_owned(),
    }
}

fn bounds(schema: &Value) -> Option<String> {
    let (low, high) = match schema["type"].as_str() {
        Some("array") => (&schema["minItems"], &schema["maxItems"]),
        _ => (&schema["minimum"], &schema["maximum"]),
    };
    match (low.is_null(), high.is_null()) {
        (true, true) => None,
        (false, true) => Some(format!("at least {low}")),
        (true, false) => Some(format!("at most {high}")),
        (false, false) => Some(format!("{low} to {high}")),
    }
}

/// Which other keys a choice needs and takes.
fn dependents(key: &str, name: &str) -> String {
    let Some(choice) = check::choices(key).iter().find(|choice| choice.name == name) else { return String::new() };
    let list = |keys: &[&str]| format!("`{}`", keys.join("`, `"));
    match (choice.needs, choice.takes) {
        ([], []) => String::new(),
        (needs, []) => format!(" Needs {}.", list(needs)),
        ([], takes) => format!(" Takes {}.", list(takes)),
        (needs, takes) => format!(" Needs {}, takes {}.", list(needs), list(takes)),
    }
}
