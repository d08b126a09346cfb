//! The `pullmint` command.

fn main() {}
