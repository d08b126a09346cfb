//! The world is what the tests that stand on it take it for.

mod clouds;
mod control_plane;
mod endings;
mod node;
mod registry;
