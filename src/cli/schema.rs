//! `pullmint schema`: the JSON Schema of the configuration files, or what it says in words.

use clap::{Args, ValueEnum};

use crate::cli::{Outcome, complain, print};
use crate::config;

/// What `schema` takes.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// JSON Schema for editors, or the reference of all keys for people
    #[arg(short, long, value_enum, default_value = "json", value_name = "FORMAT")]
    format: Format,
    /// Only what is said about this key
    #[arg(long, value_name = "KEY", conflicts_with = "format")]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// JSON Schema, draft 7
    Json,
    /// The text of docs/configuration.md
    Markdown,
}

pub(super) fn schema(args: &SchemaArgs) -> Outcome {
    match (&args.explain, args.format) {
        (Some(key), _) => explain(key),
        (None, Format::Json) => print(&format!("{:#}\n", config::schema())),
        (None, Format::Markdown) => print(&config::reference()),
    }
}

fn explain(key: &str) -> Outcome {
    match config::explain(key) {
        Ok(text) => print(&text),
        Err(meant) => {
            let help = meant.map_or_else(
                || "`pullmint schema --format markdown` has them all".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            complain(&format!("--explain {key}: there is no such key; {help}"));
            Outcome::Unusable
        }
    }
}
