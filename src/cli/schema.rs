//! `pullmint schema`: the JSON Schema of the configuration files.

use crate::cli::{Outcome, print};
use crate::config;

pub(super) fn schema() -> Outcome {
    print(&format!("{:#}\n", config::schema()))
}
