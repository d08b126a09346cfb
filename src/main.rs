//! The `pullmint` command.

use std::process::ExitCode;

use pullmint::cli::Cli;

fn main() -> ExitCode {
    pullmint::harden();
    Cli::read().execute()
}
