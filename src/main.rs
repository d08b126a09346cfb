//! The `pullmint` command.

use std::process::ExitCode;

use clap::Parser;
use pullmint::cli::Cli;

fn main() -> ExitCode {
    pullmint::harden();
    Cli::parse().execute()
}
