//! The examples in config/: complete, true, and valid for a validator that is not ours.

use std::collections::BTreeSet;

use pullmint::config::{self, Report, Settings, settings::ProviderSettings};
use serde_json::{Value, json};

const EXAMPLES: [(&str, &str); 5] = [
    ("pullmint", include_str!("../config/pullmint.toml")),
    ("docker-hub", include_str!("../config/docker-hub.toml")),
    ("ecr", include_str!("../config/ecr.toml")),
    ("ecr-public", include_str!("../config/ecr-public.toml")),
    ("acr", include_str!("../config/acr.toml")),
];

fn example(name: &str) -> &'static str {
    EXAMPLES.iter().find(|(other, _)| *other == name).expect("an example").1
}

/// Loads one file, with a valid registry beside it if it is `pullmint.toml`.
fn load(name: &str, text: &str) -> Result<Settings, Report> {
    let file = |name: &str, text: &str| (format!("config/{name}.toml").into(), text.to_owned());
    let mut files = vec![file(name, text)];
    if name == "pullmint" {
        files.push(file("ecr", example("ecr")));
    }
    config::load_from(files)
}

/// The key of a line, if the line assigns to one, be it commented out.
fn key(line: &str) -> Option<&str> {
    let key = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")?.0;
    key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(key)
}

/// The text with these keys commented in and those commented out; no other comment has the form of a key.
fn edit(text: &str, on: &[&str], off: &[&str]) -> String {
    let line = |line: &str| match key(line) {
        Some(key) if on.contains(&key) => line.trim_start_matches("# ").to_owned() + "\n",
        Some(key) if off.contains(&key) => format!("# {line}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn commented(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| line.starts_with("# ")).filter_map(|line| Some((line, key(line)?)))
}

/// The form of a file in the printed schema.
fn form(schema: &Value, name: &str) -> Value {
    if name == "pullmint" {
        return schema["definitions"]["pullmint"].clone();
    }
    let forms = schema["definitions"]["registry"]["oneOf"].as_array().expect("forms");
    forms.iter().find(|form| form["properties"]["provider"]["const"] == name).expect("a form").clone()
}

fn keys(form: &Value) -> BTreeSet<&str> {
    form["properties"].as_object().expect("a table").keys().map(String::as_str).collect()
}

/// The tables in a file of this form, by their names.
fn tables(form: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = form["properties"].as_object().expect("a table").iter();
    all.filter(|(_, schema)| schema["type"] == "object").map(|(name, schema)| (name.as_str(), schema))
}

/// What the schema says of a key, at the top or in a table.
fn schema_of<'f>(form: &'f Value, key: &str) -> &'f Value {
    let places = std::iter::once(form).chain(tables(form).map(|(_, table)| table));
    places.map(|form| &form["properties"][key]).find(|schema| !schema.is_null()).unwrap_or(&Value::Null)
}

fn json(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    let mut value = serde_json::to_value(table).expect("JSON");
    // TOML's points in time have no like in JSON; tools that validate TOML make strings of them.
    if let Some(time) = value.get_mut("expires_at") {
        *time = json!(time.as_object().and_then(|time| time.values().next()).cloned());
    }
    value
}

#[test]
fn every_example_is_a_valid_configuration() {
    for (name, text) in EXAMPLES {
        load(name, text).unwrap_or_else(|report| panic!("{name}: {report}"));
    }
    let files = EXAMPLES.iter().map(|(name, text)| (format!("config/{name}.toml").into(), (*text).to_owned()));
    let settings = config::load_from(files).unwrap_or_else(|report| panic!("{report}"));
    let names: Vec<_> = settings.registries.iter().map(|registry| registry.name.as_str()).collect();
    assert_eq!(names, ["acr", "docker-hub", "ecr", "ecr-public"]);
}

#[test]
fn every_example_explains_every_key_and_no_other() {
    let schema = config::schema();
    for (name, text) in EXAMPLES {
        let form = form(&schema, name);
        let mut expected: BTreeSet<&str> = keys(&form);
        for (table, inner) in tables(&form) {
            assert!(text.contains(&format!("\n[{table}]\n")), "{name}: [{table}]");
            expected.remove(table);
            expected.extend(keys(inner));
        }
        let explained: BTreeSet<&str> = text.lines().filter_map(key).collect();
        assert_eq!(explained, expected, "{name}");
    }
}

#[test]
fn what_an_example_comments_out_is_the_default_where_there_is_one() {
    let schema = config::schema();
    for (name, text) in EXAMPLES {
        let form = form(&schema, name);
        for (line, key) in commented(text) {
            let table = json(&line[2..]);
            if let Some(default) = schema_of(&form, key).get("default") {
                assert_eq!(table[key], *default, "{name}: {key}");
            }
        }
        let is_default = |key: &&str| {
            ["include", "exclude", "selector"].contains(key) || schema_of(&form, key).get("default").is_some()
        };
        let defaults: Vec<&str> = commented(text).map(|(_, key)| key).filter(is_default).collect();
        let plain = load(name, text).expect("valid");
        assert_eq!(load(name, &edit(text, &defaults, &[])).expect("valid"), plain, "{name}");
    }
}

#[test]
fn every_commented_line_may_be_commented_in() {
    let validator = jsonschema::validator_for(&config::schema()).expect("a schema");
    for (name, text) in EXAMPLES {
        let mut texts =
            vec![text.to_owned(), edit(text, &commented(text).map(|(_, key)| key).collect::<Vec<_>>(), &[])];
        texts.extend(commented(text).map(|(_, key)| edit(text, &[key], &[])));
        for text in texts {
            let value = json(&text);
            let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}\n{text}");
        }
    }
}

#[test]
fn lines_that_go_together_make_a_valid_configuration() {
    let global = [
        "retired_secrets",
        "retired_service_accounts",
        "concurrency",
        "max_writes_per_second",
        "log",
        "ca_file",
        "listen",
        "tls_certificate_file",
        "tls_key_file",
        "authenticate",
        "explain",
        "private_networks",
        "read_all_secrets",
        "recover",
        "recoveries_per_minute",
    ];
    let common = ["secret", "service_accounts", "renew_at", "schedule", "verify", "include", "exclude", "selector"];
    let aws = ["dual_stack", "role_arn", "external_id", "session_name", "endpoint"];
    let minted = ["organization", "password_file", "repositories", "label", "lifetime"];
    type Group<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], &'a [&'a str]);
    let groups: [Group<'_>; 10] = [
        ("pullmint", "", "", &global, &[]),
        ("ecr", "", "", &[&aws[..], &["fips", "extra_hosts"]].concat(), &[]),
        ("ecr-public", "", "", &aws, &[]),
        ("docker-hub", "", "", &["expires_at"], &[]),
        ("docker-hub", "token-file", "organization-token", &minted, &["token_file"]),
        ("docker-hub", "token-file", "personal-token", &["password_file", "label", "lifetime"], &["token_file"]),
        ("docker-hub", "token-file", "oidc", &["organization", "connection_id"], &["username"]),
        ("acr", "", "", &["client_id", "token_file", "tenant", "cloud", "audience", "repositories"], &[]),
        ("acr", "workload-identity", "managed-identity", &["resource_id"], &[]),
        ("acr", "workload-identity", "client-secret", &["client_id", "client_secret_file", "tenant"], &[]),
    ];
    let mut seen = BTreeSet::new();
    for (name, from, to, on, off) in groups {
        let on: Vec<&str> = on.iter().chain(&common).copied().collect();
        seen.extend(on.iter().map(|key| (name, *key)));
        let text = edit(example(name), &on, off).replace(&format!("= \"{from}\""), &format!("= \"{to}\""));
        load(name, &text).unwrap_or_else(|report| panic!("{name}: {report}"));
    }
    for (name, text) in EXAMPLES {
        for (_, key) in commented(text) {
            assert!(seen.contains(&(name, key)), "{name}: {key} is in no group");
        }
    }
}

#[test]
fn a_key_mistyped_at_any_place_is_refused_and_the_right_one_is_suggested() {
    let schema = config::schema();
    for (name, text) in EXAMPLES {
        let form = form(&schema, name);
        let top = std::iter::once((None, &form));
        for (table, form) in top.chain(tables(&form).map(|(table, form)| (Some(table), form))) {
            for key in keys(form) {
                let wrong = format!("{key}{}", key.chars().last().expect("a letter"));
                let header = table.map(|table| format!("[{table}]\n")).unwrap_or_default();
                let mistyped = match table {
                    None => format!("{wrong} = 1\n{text}"),
                    Some(_) => text.replace(&header, &format!("{header}{wrong} = 1\n")),
                };
                let report = load(name, &mistyped).expect_err("an unknown key");
                let [problem] = report.problems() else { panic!("{name}: {report}") };
                assert_eq!(problem.message, format!("there is no key `{wrong}` here"));
                assert_eq!(problem.help.as_deref(), Some(&*format!("did you mean `{key}`?")), "{name}");
                let line = mistyped.lines().position(|line| line == format!("{wrong} = 1")).expect("the line") + 1;
                assert_eq!(problem.place.as_ref().map(|place| (place.line, place.column)), Some((line, 1)));
            }
        }
    }
}

#[test]
fn a_key_of_the_top_below_a_table_is_told_to_move_up() {
    let report = load("ecr", &format!("{}\nverify = false\n", example("ecr"))).expect_err("a swallowed key");
    assert_eq!(
        report.problems()[0].help.as_deref(),
        Some("`verify` belongs to no table: move it above the first line with `[…]`")
    );
}

#[test]
fn each_host_form_of_ecr_is_an_entry_of_its_own() {
    let hosts = |edits: &[(&str, &str)]| {
        let mut text = edit(example("ecr"), &["fips", "dual_stack", "extra_hosts"], &[]);
        for (from, to) in edits {
            text = text.replace(from, to);
        }
        let settings = load("ecr", &text).unwrap_or_else(|report| panic!("{report}"));
        match &settings.registries[0].provider {
            ProviderSettings::Ecr(ecr) => ecr.hosts.iter().map(|host| host.key().to_owned()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let (fips, dual) = (("fips = false", "fips = true"), ("dual_stack = false", "dual_stack = true"));
    let (classic, extra) = ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ("hosts = []", "hosts = [\"r.acme.com\"]"));
    assert_eq!(hosts(&[]), [classic]);
    assert_eq!(hosts(&[dual, extra]), [classic, "123456789012.dkr-ecr.eu-west-1.on.aws", "r.acme.com"]);
    assert_eq!(
        hosts(&[fips, dual]),
        [
            classic,
            "123456789012.dkr-ecr.eu-west-1.on.aws",
            "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com",
            "123456789012.dkr-ecr-fips.eu-west-1.on.aws",
        ]
    );
    assert_eq!(
        hosts(&[dual, ("\"eu-west-1\"", "\"cn-north-1\"")]),
        [
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
        ]
    );
    assert_eq!(hosts(&[("\"eu-west-1\"", "\"eusc-de-east-1\"")]), ["123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu"]);
    assert_eq!(
        hosts(&[("\"eu-west-1\"", "\"us-isob-east-1\"")]),
        ["123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov"]
    );
}

#[test]
fn several_login_servers_are_several_registries_of_one_secret() {
    let text = example("acr").replace("\"acme.azurecr.io\"", "\"acme.azurecr.io\", \"beta.azurecr.io\"");
    let settings = load("acr", &text).expect("valid");
    let names: Vec<_> = settings.registries.iter().map(|r| (r.name.as_str(), r.secret.as_str())).collect();
    assert_eq!(names, [("acr.acme", "pullmint-acr"), ("acr.beta", "pullmint-acr")]);
}

#[test]
fn a_registry_says_otherwise_for_itself_key_by_key() {
    let global =
        "secret = \"pull\"\nservice_accounts = [\"default\"]\n[namespaces]\ninclude = [\"a-*\"]\nselector = \"a=b\"\n";
    let ecr = edit(example("ecr"), &["selector", "schedule"], &[]) + "exclude = []\n";
    let files = [("d/pullmint.toml".into(), global.to_owned()), ("d/ecr.toml".into(), ecr)];
    let settings = config::load_from(files).unwrap_or_else(|report| panic!("{report}"));
    let registry = &settings.registries[0];
    assert_eq!((registry.secret.as_str(), &registry.service_accounts[..]), ("pull", &["default".to_owned()][..]));
    assert_eq!(registry.namespaces.include, ["a-*"]);
    assert!(registry.namespaces.exclude.is_empty() && registry.namespaces.selector.is_empty());
    assert_eq!(registry.renewal.schedule.as_deref(), Some("0 0 */6 * * *"), "as the scheduler takes it: with seconds");
}
