//! The report on a broken configuration, as a person reads it.

use pullmint::config;

fn report(files: &[(&str, &str)]) -> config::Report {
    let files = files.iter().map(|(name, text)| (name.into(), (*text).to_owned()));
    config::load_from(files).expect_err("problems")
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
client_secret = "canary-1"
resource_id = "/subscriptions/s"
repositories = ["team/*"]
"#;

const HUB: &str = r#"provider = "docker-hub"
source = "organization-token"
secret = "pull"
username = "me@example.com"
pasword = "canary-2"
lifetime = "10s"
schedule = "every day"
repositories = ["acme/*"]
"#;

const HUB_TWO: &str = r#"provider = "docker-hub"
secret = "pull"
source = "token-file"
username = "acme"
token_file = "dckr_pat_canary-3"
"#;

const HUB_THREE: &str = r#"provider = "docker-hub"
secret = "pull"
source = "token-file"
username = "acme"
token_file = "token"
"#;

const ECR: &str = r#"provider = "ecr"
region = "eu-west-1"
accounts = [123456789012]
extra_hosts = ["123456789012.dkr.ecr.us-east-1.amazonaws.com"]
external_id = "x"
"#;

const BROKEN: &str = r#"provider = "ecr"
secret_access_key = canary-4
region "eu-west-1"
"#;

#[test]
fn all_problems_of_all_files_stand_in_one_report() {
    let report = report(&[
        ("config/pullmint.toml", PULLMINT),
        ("config/acr.toml", ACR),
        ("config/hub.toml", HUB),
        ("config/hub2.toml", HUB_TWO),
        ("config/hub3.toml", HUB_THREE),
        ("config/hub4.toml", HUB_THREE),
        ("config/ecr.toml", ECR),
        ("config/Broken.toml", BROKEN),
        ("config/none.toml", ""),
    ]);
    println!("{}", report.render(true));
    println!("{report}");
    assert!(!report.to_string().contains("canary"));
    panic!();
}
