//! Images that do not pull, and why: what the leader sees of Pending pods, if the configuration asks for it.

pub mod table;
