//! `pullmint check`: tries everything that `run` needs, and writes nothing.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::time::timeout;

use crate::admin;
use crate::cli::{ConfigArgs, HomeArgs, Outcome, print};
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::config::settings::{Admin, Registry};
use crate::provider::{self, MintError, Outside, Reason, Revocation};

mod permissions;

use permissions::permissions;

/// What `check` takes.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    home: HomeArgs,
    /// A table for people, or JSON for programs
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One JSON object: `items`, each with `subject`, `check`, `result`, `detail`, `remedy`
    Json,
    /// One line an item, and below it what to do
    Table,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Item {
    subject: String,
    check: &'static str,
    result: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// It works.
    Ok,
    /// It works as far as can be told; something could not be asked.
    Warning,
    /// It does not work.
    Failed,
    /// It was not tried, since something before it failed.
    Skipped,
}

const TRIAL: &str = "delete the trial token";

/// No cloud or registry may take longer.
const PATIENCE: Duration = Duration::from_secs(45);

pub(super) async fn check(args: &CheckArgs) -> Outcome {
    let settings = match args.config.load() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let registries = settings.registries.len();
    let mut items = vec![ok("configuration", "load", format!("registries: {registries}"))];
    items.extend(serving(&settings.admin).await);
    let (credentials, permissions) = tokio::join!(credentials(&settings), permissions(&settings, &args.home));
    items.extend(credentials);
    items.extend(permissions);
    let text = match args.output {
        Output::Json => format!("{:#}\n", serde_json::json!({ "items": items })),
        Output::Table => table(&items),
    };
    let failed = items.iter().filter(|item| item.result == Verdict::Failed).count();
    match (print(&text), failed) {
        (Outcome::Done, 0) => Outcome::Done,
        (Outcome::Done, _)
            if items.iter().any(|item| item.result == Verdict::Ok && item.subject != "configuration") =>
        {
            Outcome::Partial
        }
        _ => Outcome::Failed,
    }
}

/// What metrics, health and status are served with, if that is TLS.
async fn serving(admin: &Admin) -> Option<Item> {
    Some(match admin::try_tls(admin.tls.as_ref()?).await {
        Ok(()) => ok("admin", "tls", "certificate and key do".to_owned()),
        Err(error) => Item {
            result: Verdict::Failed,
            remedy: Some("mount what `tls_certificate_file` and `tls_key_file` name, in PEM".to_owned()),
            ..ok("admin", "tls", error.to_string())
        },
    })
}

async fn credentials(settings: &Settings) -> Vec<Item> {
    let outside = match Outside::new(settings.ca_file.as_deref(), Arc::new(SystemClock)) {
        Ok(outside) => outside,
        Err(error) => return vec![failed("network", "set up", &error)],
    };
    let asked = settings.registries.iter().map(|registry| credential(registry, &outside));
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

/// Mints one credential and tries it; what was minted for the trial only is deleted again.
async fn credential(registry: &Registry, outside: &Outside) -> Vec<Item> {
    let name = registry.name.as_str();
    let provider = provider::build(registry, outside);
    let minted = timeout(PATIENCE, provider.mint()).await.unwrap_or_else(|_| Err(too_slow("mint a credential")));
    let credential = match minted {
        Ok(credential) => credential,
        Err(error) => return vec![failed(name, "mint", &error), skipped(name, "verify")],
    };
    let mut items = vec![ok(name, "mint", format!("for {}, expires {}", credential.username, credential.expiry))];
    let verified = timeout(PATIENCE, provider.verify(&credential)).await;
    let hosts: Vec<_> = provider.hosts().iter().map(ToString::to_string).collect();
    items.push(match verified.unwrap_or_else(|_| Err(too_slow("try the credential at the registry"))) {
        Ok(()) => ok(name, "verify", format!("accepted by {}", hosts.join(", "))),
        Err(error) if error.reason == Reason::Denied => failed(name, "verify", &error),
        Err(error) => Item { result: Verdict::Warning, ..failed(name, "verify", &error) },
    });
    if let Some(handle) = &credential.handle {
        match provider.revoke(handle).await {
            Ok(Revocation::Gone) => {}
            Ok(Revocation::OutOfReach) => items.push(undeleted(name, &handle.0)),
            Err(error) => items.push(Item { result: Verdict::Warning, ..failed(name, TRIAL, &error) }),
        }
    }
    items
}

fn ok(subject: &str, check: &'static str, detail: String) -> Item {
    Item { subject: subject.to_owned(), check, result: Verdict::Ok, detail, remedy: None }
}

fn skipped(subject: &str, check: &'static str) -> Item {
    Item { result: Verdict::Skipped, ..ok(subject, check, "something before it failed".to_owned()) }
}

fn failed(subject: &str, check: &'static str, error: &MintError) -> Item {
    let remedy = Some(error.remedy.to_string());
    Item {
        result: Verdict::Failed,
        remedy,
        ..ok(subject, check, format!("{}: {}", error.reason.as_str(), error.chain()))
    }
}

fn undeleted(name: &str, token: &str) -> Item {
    let remedy = "let the login that makes tokens delete them, too; delete this one by hand".to_owned();
    let detail = format!("the login may make tokens and not delete them: {token} lives until its end");
    Item { result: Verdict::Warning, remedy: Some(remedy), ..ok(name, TRIAL, detail) }
}

fn too_slow(attempt: &'static str) -> MintError {
    MintError {
        reason: Reason::Unreachable,
        attempt: attempt.into(),
        remedy: "check the network path: egress rules, proxy, DNS".into(),
        retry_after: None,
        source: Some(format!("no answer within {} s", PATIENCE.as_secs()).into()),
    }
}

/// Columns as wide as their widest cell; remedies on lines of their own.
fn table(items: &[Item]) -> String {
    let width = |cell: fn(&Item) -> &str| items.iter().map(|item| cell(item).chars().count()).max().unwrap_or(0);
    let (subjects, checks) = (width(|item| &item.subject), width(|item| item.check));
    let mut text = String::new();
    for Item { subject, check, result, detail, remedy } in items {
        let mark = match result {
            Verdict::Ok => "ok      ",
            Verdict::Warning => "WARNING ",
            Verdict::Failed => "FAILED  ",
            Verdict::Skipped => "skipped ",
        };
        text.push_str(&format!("{mark} {subject:subjects$}  {check:checks$}  {detail}\n"));
        if let Some(remedy) = remedy {
            text.push_str(&format!("          remedy: {remedy}\n"));
        }
    }
    text
}
