//! The report on a broken configuration, as a person reads it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use pullmint::config::settings::{Admin, TlsFiles};
use pullmint::config::{self, Report, Settings};

fn load(files: &[(&str, &str)]) -> Result<Settings, Report> {
    config::load_from(files.iter().map(|(name, text)| (name.into(), (*text).to_owned())))
}

fn report(files: &[(&str, &str)]) -> Report {
    load(files).expect_err("problems")
}

/// The message of the one problem of an otherwise valid file.
fn problem(text: &str) -> String {
    let report = report(&[("c/a.toml", text)]);
    let [problem] = report.problems() else { panic!("{report}") };
    problem.message.clone()
}

const PULLMINT: &str = r#"service_accounts = "default"
concurrency = 1000
ca_flie = "ca.pem"

[namespaces]
include = ["team-["]
selector = "team in web"
region = "eu-west-1"
"#;

const ACR: &str = r#"provider = "acr"
login_servers = ["acme.azurecr.io", "beta.azurecr.cn", "https://gamma.azurecr.io"]
identity = "client-secret"
client_secret = "canary"
resource_id = "/subscriptions/s"
repositories = ["team/*"]
"#;

const HUB: &str = r#"provider = "dockerhub"
source = "organization-token"
secret = "pull"
username = "me@example.com"
pasword = "canary"
lifetime = "10s"
schedule = "every day"
repositories = ["acme/*"]
"#;

const HUB_TWO: &str = r#"provider = "docker-hub"
source = "token-file"
username = "acme"
token_file = "dckr_pat_canary"
"#;

const HUB_THREE: &str = r#"provider = "docker-hub"
secret = "pull"
source = "token-file"
username = "acme"
token_file = "token"
"#;

const ECR: &str = r#"provider = "ecr"
accounts = [123456789012]
extra_hosts = ["123456789012.dkr.ecr.us-east-1.amazonaws.com"]
external_id = "x"
secret_access_key = "canary"
"#;

const BROKEN: &str = r#"provider = "ecr"
password = canary
region "eu-west-1"
"#;

#[test]
fn all_problems_of_all_files_stand_in_one_report() {
    let report = report(&[
        ("config/pullmint.toml", PULLMINT),
        ("config/acr.toml", ACR),
        ("config/hub.toml", HUB),
        ("config/hub-2.toml", HUB_TWO),
        ("config/hub-3.toml", HUB_THREE),
        ("config/hub-4.toml", HUB_THREE),
        ("config/ecr.toml", ECR),
        ("config/Broken.toml", BROKEN),
        ("config/empty.toml", ""),
    ]);
    assert_eq!(report.to_string(), EXPECTED);
    assert!(!report.render(true).contains("canary"));
}

const EXPECTED: &str = r#"error: `Broken` cannot be a registry's name
--> config/Broken.toml
 = help: name the file with lower-case letters, digits and inner hyphens, at most 63

error: this is no TOML: string values must be quoted, expected literal string
 --> config/Broken.toml:2:12
  |
2 | password = ***
  |            ^^^

error: this is no TOML: key with no value, expected `=`
 --> config/Broken.toml:3:8
  |
3 | region "eu-west-1"
  |        ^

error: `beta.azurecr.cn` is not in the cloud `public`
 --> config/acr.toml:2:37
  |
2 | login_servers = ["acme.azurecr.io", "beta.azurecr.cn", "https://gamma.azurecr.io"]
  |                                     ^^^^^^^^^^^^^^^^^
  |
  = help: give `cloud = "china"`, in a file of its own if others are not

error: give the host alone, without scheme and path: gamma.azurecr.io
 --> config/acr.toml:2:56
  |
2 | login_servers = ["acme.azurecr.io", "beta.azurecr.cn", "https://gamma.azurecr.io"]
  |                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^

error: `identity = "client-secret"` also needs `client_id` and `tenant`
 --> config/acr.toml:3:12
  |
3 | identity = "client-secret"
  |            ^^^^^^^^^^^^^^^

error: `client_secret`: secrets do not stand in the configuration
 --> config/acr.toml:4:1
  |
4 | client_secret = ***
  | ^^^^^^^^^^^^^
  |
  = help: put it in a file and name that: `client_secret_file = "/run/secrets/…"`

error: `resource_id` means nothing with `identity = "client-secret"`
 --> config/acr.toml:5:1
  |
5 | resource_id = "/subscriptions/s"
  | ^^^^^^^^^^^
  |
  = help: it belongs to `identity = "managed-identity"`

error: ACR knows no wildcards
 --> config/acr.toml:6:17
  |
6 | repositories = ["team/*"]
  |                 ^^^^^^^^
  |
  = help: name each repository, or leave `repositories` out

error: `region` is missing
 --> config/ecr.toml:1:12
  |
1 | provider = "ecr"
  |            ^^^^^
  |
  = help: The AWS region, as `eu-west-1`. A token opens the registries of one region only.

error: expected a string, found a whole number
 --> config/ecr.toml:2:13
  |
2 | accounts = [123456789012]
  |             ^^^^^^^^^^^^
  |
  = help: put it between quotes

error: `secret_access_key`: secrets do not stand in the configuration
 --> config/ecr.toml:5:1
  |
5 | secret_access_key = ***
  | ^^^^^^^^^^^^^^^^^
  |
  = help: they come from files named by `…_file`, those of AWS from the SDK's own chain

error: `provider` is missing
 --> config/empty.toml:1:1
  |
1 |
  | ^
  |
  = help: one of `acr`, `docker-hub`, `ecr`, `ecr-public`

error: this looks like the secret itself, not like a file that holds it
 --> config/hub-2.toml:4:14
  |
4 | token_file = " ***
  |              ^^^^^
  |
  = help: mount the secret as a file and give its path; then revoke what stood here

error: this registry and the one of config/hub-3.toml would both write the entry https://index.docker.io/v1/ of the Secret pull
 --> config/hub-4.toml:2:1
  |
2 | secret = "pull"
  | ^^^^^^
  |
  = help: give one of them another `secret`, or `namespaces` apart by name

error: there is no such choice
 --> config/hub.toml:1:12
  |
1 | provider = "dockerhub"
  |            ^^^^^^^^^^^
  |
  = help: did you mean `docker-hub`?

error: `source = "organization-token"` also needs `organization` and `password_file`
 --> config/hub.toml:2:10
  |
2 | source = "organization-token"
  |          ^^^^^^^^^^^^^^^^^^^^

error: a registry login takes the Docker ID, and Docker refuses e-mail addresses there
 --> config/hub.toml:4:12
  |
4 | username = "me@example.com"
  |            ^^^^^^^^^^^^^^^^
  |
  = help: the Docker ID is shown at the top of hub.docker.com, and in image names

error: `pasword`: secrets do not stand in the configuration
 --> config/hub.toml:5:1
  |
5 | pasword = ***
  | ^^^^^^^
  |
  = help: put it in a file and name that: `password_file = "/run/secrets/…"`

error: with `source = "organization-token"` a token lives from 30s to 365 days
 --> config/hub.toml:6:12
  |
6 | lifetime = "10s"
  |            ^^^^^

error: a cron expression has five fields, or six with seconds in front, not 2
 --> config/hub.toml:7:12
  |
7 | schedule = "every day"
  |            ^^^^^^^^^^^
  |
  = help: as `0 */6 * * *`: every six hours, in UTC

error: expected a list, found a string
 --> config/pullmint.toml:1:20
  |
1 | service_accounts = "default"
  |                    ^^^^^^^^^
  |
  = help: put it between brackets: `["…"]`

error: expected a number from 1 to 256
 --> config/pullmint.toml:2:15
  |
2 | concurrency = 1000
  |               ^^^^

error: there is no key `ca_flie` here
 --> config/pullmint.toml:3:1
  |
3 | ca_flie = ***
  | ^^^^^^^
  |
  = help: did you mean `ca_file`?

error: this is no glob: unclosed character class; missing ']'
 --> config/pullmint.toml:6:12
  |
6 | include = ["team-["]
  |            ^^^^^^^^

error: `team in web` is no requirement: expected `key`, `!key`, `key=value`, `key!=value` or `key in (a,b)`
 --> config/pullmint.toml:7:12
  |
7 | selector = "team in web"
  |            ^^^^^^^^^^^^^

error: there is no key `region` here
 --> config/pullmint.toml:8:1
  |
8 | region = "eu-west-1"
  | ^^^^^^
  |
  = help: `region` is for provider `ecr`

error: 27 problems in 8 files"#;

#[test]
fn a_mistyped_log_level_is_shown_where_it_stands() {
    let report = report(&[("config/pullmint.toml", "log = \"inof,kube=warn\"\n"), ("config/ecr.toml", ECR_PUBLIC)]);
    let expected = r#"error: there is no level `inof`
 --> config/pullmint.toml:1:7
  |
1 | log = "inof,kube=warn"
  |       ^^^^^^^^^^^^^^^^
  |
  = help: did you mean `info`?"#;
    assert_eq!(report.to_string(), expected);
}

const ECR_PUBLIC: &str = "provider = \"ecr-public\"\n";

#[test]
fn a_directory_is_read_as_kubernetes_mounts_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("..2026_01_01");
    fs::create_dir_all(&data).expect("a directory");
    fs::write(data.join("hub.toml"), HUB_THREE).expect("a file");
    fs::write(dir.path().join(".hidden.toml"), "nonsense").expect("a file");
    fs::write(dir.path().join("notes.txt"), "nonsense").expect("a file");
    symlink("..2026_01_01", dir.path().join("..data")).expect("a link");
    symlink("..data/hub.toml", dir.path().join("hub.toml")).expect("a link");
    let settings = config::load(dir.path()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(settings.registries.len(), 1);
    let token = dir.path().join("token");
    assert!(format!("{settings:?}").contains(&format!("{token:?}")), "paths begin at the directory: {settings:?}");
}

#[test]
fn amid_an_update_of_the_volume_the_new_version_is_read_and_nothing_of_the_links_that_lag_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("..2026_01_02");
    fs::create_dir_all(&data).expect("a directory");
    fs::write(data.join("added.toml"), ECR_PUBLIC).expect("a file");
    symlink("..2026_01_02", dir.path().join("..data")).expect("a link");
    symlink("..data/removed.toml", dir.path().join("removed.toml")).expect("a link");
    let settings = config::load(dir.path()).unwrap_or_else(|report| panic!("{report}"));
    let names: Vec<_> = settings.registries.iter().map(|registry| registry.name.as_str()).collect();
    assert_eq!(names, ["added"]);

    fs::write(data.join("added.toml"), "provider = 1\n").expect("a file");
    let report = config::load(dir.path()).expect_err("a problem");
    assert_eq!(report.problems()[0].file, dir.path().join("added.toml"), "a file is called what a person sees");
}

#[test]
fn what_cannot_be_read_is_named() {
    let first = |dir: &Path| {
        let report = config::load(dir).expect_err("a problem");
        (report.problems()[0].file.clone(), report.problems()[0].message.clone())
    };
    let dir = tempfile::tempdir().expect("a directory");
    let (file, message) = first(dir.path());
    assert_eq!(
        (file.as_path(), message.as_str()),
        (dir.path(), "there is no registry: expected a file NAME.toml for each")
    );
    let absent = config::load(&dir.path().join("absent")).expect_err("a problem").problems()[0].clone();
    assert!(absent.message.starts_with("unreadable: ") && absent.help.expect("help").contains("`--config DIR`"));
    symlink("nowhere", dir.path().join("a.toml")).expect("a link");
    assert_eq!(first(dir.path()).0, dir.path().join("a.toml"));
    fs::remove_file(dir.path().join("a.toml")).expect("a link");
    fs::write(dir.path().join("b.toml"), b"a = \"\xff\"").expect("a file");
    assert!(first(dir.path()).1.contains("UTF-8"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let acr = |more: &str| problem(&format!("provider = \"acr\"\nlogin_servers = [\"a.azurecr.io\"]\n{more}"));
    let hub = |more: &str| problem(&format!("provider = \"docker-hub\"\n{more}"));
    let ecr = |more: &str| problem(&format!("provider = \"ecr\"\nregion = \"eusc-de-east-1\"\n{more}"));
    for (message, part) in [
        (acr("identity = \"workload-identity\"\nclient_secret_file = \"f\""), "`client_secret_file` means nothing"),
        (acr("identity = \"client-secret\""), "also needs `client_id` and `client_secret_file` and `tenant`"),
        (acr("identity = \"managed-identity\"\nclient_id = \"c\"\nresource_id = \"/subscriptions/s\""), "both name"),
        (acr("identity = \"developer-cli\"\ncloud = \"china\""), "is not in the cloud `china`"),
        (acr("identity = \"developer-cli\"\ncloud = \"http://login.example.com\""), "no such cloud"),
        (
            hub("source = \"token-file\"\nusername = \"a\"\ntoken_file = \"f\"\nexpires_at = 2027-01-01"),
            "point in time",
        ),
        (hub("source = \"token-file\"\nusername = \"a\"\ntoken_file = \"f\"\nlifetime = \"1h\""), "means nothing"),
        (hub("source = \"personal-token\"\nusername = \"a\"\npassword_file = \"f\"\nlifetime = \"29s\""), "30s to 365"),
        (hub("source = \"personal-token\"\nusername = \"a\"\npassword_file = \"f\"\nlifetime = \"2y\""), "no duration"),
        (ecr("accounts = []"), "neither an account nor an extra host"),
        (ecr("accounts = [\"123456789012\"]\ndual_stack = true"), "no dual-stack host names"),
        (ecr("accounts = [\"123456789012\", \"123456789012\"]"), "twice"),
        (ecr("accounts = [\"12345678901\"]"), "12 digits"),
        (ecr("accounts = [\"123456789012\"]\nrenew_at = 1.5"), "from 0.1 to 0.9"),
        (ecr("accounts = [\"123456789012\"]\nrole_arn = \"arn:aws:iam::1:role/x\""), "no ARN"),
        (ecr("accounts = [\"123456789012\"]\nendpoint = \"ecr.example.com\""), "no URL"),
        (ecr("accounts = [\"123456789012\"]\nsecret = \"Pull\""), "no such name"),
        (problem("provider = \"ecr\"\nregoin = \"eu-west-1\"\naccounts = [\"123456789012\"]"), "no key `regoin`"),
    ] {
        assert!(message.contains(part), "{message:?} should contain {part:?}");
    }
}

#[test]
fn what_only_follows_from_a_mistyped_key_is_not_reported_beside_it() {
    for file in [
        "provider = \"ecr\"\nregion = \"eu-west-1\"\nacounts = [\"123456789012\"]",
        "provider = \"docker-hub\"\nsource = \"token-file\"\nusername = \"a\"\ntoken_fle = \"f\"",
    ] {
        assert!(problem(file).starts_with("there is no key `"), "{file}");
    }
}

#[test]
fn a_missing_key_is_told_with_the_words_to_choose_from() {
    let report = report(&[("c/hub.toml", "provider = \"docker-hub\"\n")]);
    let words = "How the token comes about: one of `token-file`, `organization-token`, `personal-token`, `oidc`";
    assert_eq!(report.problems()[0].help.as_deref(), Some(words));
}

#[test]
fn a_schedule_that_never_ticks_is_refused() {
    let report = report(&[("c/a.toml", "provider = \"ecr-public\"\nschedule = \"0 0 31 2 *\"\n")]).to_string();
    let expected = r#"error: this schedule never ticks: no month has such a day
 --> c/a.toml:2:12
  |
2 | schedule = "0 0 31 2 *"
  |            ^^^^^^^^^^^^
  |
  = help: where both a day of the month and a weekday are given, both must hold"#;
    assert_eq!(report, expected);
}

#[test]
fn no_secret_for_pulling_is_called_like_the_one_that_pullmint_keeps_its_state_in() {
    assert_eq!(
        report(&[("c/state.toml", ECR_PUBLIC)]).to_string(),
        r#"error: the Secret of this registry would be `pullmint-state`, where pullmint keeps its own state
 --> c/state.toml:1:12
  |
1 | provider = "ecr-public"
  |            ^^^^^^^^^^^^
  |
  = help: give the registry a `secret`, or its file another name"#
    );
    assert_eq!(
        report(&[("c/pullmint.toml", "secret = \"pullmint-state\"\n"), ("c/a.toml", ECR_PUBLIC)]).to_string(),
        r#"error: pullmint keeps its own state in the Secret of this name
 --> c/pullmint.toml:1:10
  |
1 | secret = "pullmint-state"
  |          ^^^^^^^^^^^^^^^^
  |
  = help: give the Secret for pulling another name"#
    );
    let own = format!("{ECR_PUBLIC}secret = \"pullmint-state\"\n");
    assert_eq!(report(&[("c/state.toml", &own)]).problems().len(), 1);
    assert!(load(&[("c/state.toml", &format!("{ECR_PUBLIC}secret = \"pull\"\n"))]).is_ok());
    assert!(load(&[("c/pullmint.toml", "secret = \"pull\"\n"), ("c/state.toml", ECR_PUBLIC)]).is_ok());
}

#[test]
fn what_is_wrong_with_the_admin_table_is_shown_where_it_stands() {
    let report = |table: &str| report(&[("c/a.toml", HUB_TWO_VALID), ("c/pullmint.toml", table)]).to_string();
    assert_eq!(
        report("[admin]\nlisten = \"localhost:8080\"\ntls_key_file = \"tls.key\"\n"),
        r#"error: this is no address with a port
 --> c/pullmint.toml:2:10
  |
2 | listen = "localhost:8080"
  |          ^^^^^^^^^^^^^^^^
  |
  = help: as `127.0.0.1:8080` or `[::]:8080`

error: `tls_key_file` also needs `tls_certificate_file`
 --> c/pullmint.toml:3:1
  |
3 | tls_key_file = "tls.key"
  | ^^^^^^^^^^^^
  |
  = help: HTTPS takes both; without either, plain HTTP is spoken

error: 2 problems in 1 file"#
    );
    assert!(report("admin.tls_certificate_file = \"tls.crt\"\n").contains("also needs `tls_key_file`"));
    assert!(!report("[admin]\ntls_key = \"canary\"\n").contains("canary"));
}

#[test]
fn admin_is_plain_and_open_on_every_address_unless_told_otherwise() {
    let admin = |toml: &str| load(&[("c/a.toml", HUB_TWO_VALID), ("c/pullmint.toml", toml)]).expect("valid").admin;
    assert_eq!(admin(""), Admin::default());
    let files = TlsFiles { certificate: "c/tls.crt".into(), key: "/run/tls.key".into() };
    assert_eq!(
        admin(
            "[admin]\nlisten = \"127.0.0.1:9\"\ntls_certificate_file = \"tls.crt\"\ntls_key_file = \"/run/tls.key\"\n\
               authenticate = true"
        ),
        Admin { listen: ([127, 0, 0, 1], 9).into(), tls: Some(files), authenticate: true }
    );
}

#[test]
fn recovery_needs_to_know_the_cause_and_is_off_unless_told_otherwise() {
    let load = |toml: &str| load(&[("c/a.toml", HUB_TWO_VALID), ("c/pullmint.toml", toml)]);
    assert_eq!(
        load("[pulls]\nrecover = true\n").expect_err("a problem").to_string(),
        r#"error: `recover` also needs `explain = true`
 --> c/pullmint.toml:2:1
  |
2 | recover = true
  | ^^^^^^^
  |
  = help: only where the cause was found out it is known that a new pod will pull: set `explain = true` beside it"#
    );
    let per_minute = |toml: &str| load(toml).expect("valid").pulls.recoveries_per_minute;
    assert_eq!(per_minute(""), None);
    assert_eq!(per_minute("[pulls]\nexplain = true\nrecoveries_per_minute = 3\n"), None);
    assert_eq!(per_minute("[pulls]\nexplain = true\nrecover = true\n"), Some(10));
    assert_eq!(per_minute("[pulls]\nexplain = true\nrecover = true\nrecoveries_per_minute = 3\n"), Some(3));
    let none = load("[pulls]\nexplain = true\nrecover = true\nrecoveries_per_minute = 0\n");
    assert!(none.expect_err("a problem").to_string().contains("expected a number from 1 to 1000"));
}

#[test]
fn registries_fight_only_over_the_same_key_of_a_secret_where_both_may_write_it() {
    let at = |namespaces: &str| format!("{HUB_THREE}[namespaces]\ninclude = {namespaces}\n");
    let together = |a: &str, b: &str| load(&[("c/a.toml", a), ("c/b.toml", b)]).is_ok();
    assert!(together(HUB_TWO_VALID, HUB_THREE), "two Secrets");
    assert!(!together(HUB_THREE, HUB_THREE));
    assert!(together(&at("[\"dev\"]"), &at("[\"prod\"]")));
    assert!(!together(&at("[\"dev\"]"), &at("[\"d*\"]")));
    let ecr = "provider = \"ecr-public\"\nsecret = \"pull\"\n";
    assert!(together(ecr, HUB_THREE), "two keys");
    assert!(!together(ecr, ecr));
}

const HUB_TWO_VALID: &str =
    "provider = \"docker-hub\"\nsource = \"token-file\"\nusername = \"acme\"\ntoken_file = \"t\"\n";

const EXAMPLE: &str = include_str!("../config/docker-hub.toml");

/// However a secret gets into a file: under which key, in which form, with which mistakes around it.
fn leak() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "password",
        "pasword",
        "PASSWORD",
        "token",
        "client_secret",
        "auth",
        "\"pass word\"",
        "hub.token",
        "namespaces.password",
        "foo",
        "secret_access_key",
        "'token'",
    ]);
    let form = prop::sample::select(vec![
        "KEY = \"CANARY\"",
        "KEY = CANARY",
        "KEY = \"CANARY",
        "KEY: CANARY",
        "KEY CANARY",
        "KEY=\"\"\"\nCANARY\n\"\"\"",
        "KEY = \"\"\"\nCANARY\nCANARY= x",
        "KEY = [\n  \"CANARY\",\n]",
        "KEY = [\n  \"CANARY\n",
        "x = { KEY = \"CANARY\" }",
        "namespaces = { KEY = \"CANARY\", }",
        "verify = { KEY = \"CANARY",
        "[KEY]\nx = \"CANARY\"",
        "KEY = 'CANARY",
        "token_file = \"dckr_pat_CANARY\"",
        "KEY = \"CANARY\" \"",
        "export KEY=CANARY",
        "KEY = \"\\qCANARY\"",
    ]);
    (key, form).prop_map(|(key, form): (&str, &str)| form.replace("KEY", key))
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_place_is_in_the_file(
        text in "(([a-z_]{1,9}|\\[|\\]|\\[namespaces\\]|source|provider|schedule|\"[^\"]{0,9}\"|=|\\.|\\{|\\}|,|'''|\"\"\"|#|[0-9:TZ-]{1,9}|.)[ \t\r\n]{0,2}){0,40}",
        whole in any::<bool>(),
    ) {
        let text = if whole { text } else { format!("provider = \"docker-hub\"\n{text}") };
        for name in ["a", "pullmint"] {
            let Err(report) = load(&[(&format!("c/{name}.toml"), &text)]) else { continue };
            for place in report.problems().iter().filter_map(|problem| problem.place.as_ref()) {
                let line = text.split('\n').nth(place.line - 1).expect("a line of the file");
                prop_assert!((1..=line.chars().count() + 1).contains(&place.column), "{}", report);
            }
            prop_assert!(!report.render(true).is_empty());
        }
    }

    #[test]
    fn an_example_broken_anywhere_still_has_a_report(cut in 0..EXAMPLE.len(), length in 0..40_usize, more in "\\PC{0,3}") {
        let text: String = EXAMPLE.chars().take(cut).chain(more.chars()).chain(EXAMPLE.chars().skip(cut + length)).collect();
        if let Err(report) = load(&[("c/a.toml", &text)]) {
            prop_assert!(report.problems().iter().all(|problem| report.to_string().contains(&problem.message)));
        }
    }

    #[test]
    fn a_secret_in_a_file_is_never_shown(leak in leak(), at in 0..40_usize, more in leak(), cut in 0..30_usize) {
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        lines.insert(at, &leak);
        let more = &more[..more.len().saturating_sub(cut)];
        let position = (at * 3) % lines.len();
        lines.insert(position, more);
        let report = report(&[("c/a.toml", &lines.join("\n"))]);
        prop_assert!(!report.render(true).contains("CANARY"), "{}", report);
        prop_assert!(!format!("{report:?}").contains("CANARY"), "{:?}", report);
    }
}
