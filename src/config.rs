//! The configuration: a directory with `pullmint.toml` for everything and one `NAME.toml` per registry.

pub mod selection;
pub mod selector;
pub mod settings;
