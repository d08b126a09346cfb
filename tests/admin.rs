//! What the outside sees: health, metrics, the status as JSON and as a page, over real connections and in a browser.

#[path = "admin/browser.rs"]
mod browser;
#[path = "admin/given.rs"]
mod given;
#[path = "admin/health.rs"]
mod health;
#[path = "admin/page.rs"]
mod page;
#[path = "admin/review.rs"]
mod review;
#[path = "admin/server.rs"]
mod server;
#[path = "admin/style.rs"]
mod style;
#[path = "admin/tls.rs"]
mod tls;
#[path = "admin/visitor.rs"]
mod visitor;
