//! `pullmint why` against the real parts: the kubelet's own code, real pods on a real node, registries good and bad.

#[path = "why/asked.rs"]
mod asked;
#[path = "why/bed.rs"]
mod bed;
#[path = "why/cause.rs"]
mod cause;
#[path = "why/command.rs"]
mod command;
#[path = "why/figures.rs"]
mod figures;
#[path = "why/hostile.rs"]
mod hostile;
#[path = "why/nodes.rs"]
mod nodes;
#[path = "why/oracle.rs"]
mod oracle;
#[path = "why/pages.rs"]
mod pages;
#[path = "why/pods.rs"]
mod pods;
#[path = "why/registry.rs"]
mod registry;
#[path = "why/table.rs"]
mod table;
#[path = "why/texts.rs"]
mod texts;
#[path = "why/tools.rs"]
mod tools;
