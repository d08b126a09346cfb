//! What is told to Prometheus, and what is made of it: metrics, alerts, their runbook pages, the dashboard.

#[path = "monitoring/alerts.rs"]
mod alerts;
#[path = "monitoring/catalogue.rs"]
mod catalogue;
#[path = "monitoring/dashboard.rs"]
mod dashboard;
#[path = "monitoring/given.rs"]
mod given;
#[path = "monitoring/live.rs"]
mod live;
#[path = "monitoring/openmetrics.rs"]
mod openmetrics;
#[path = "monitoring/prometheus.rs"]
mod prometheus;
#[path = "monitoring/promtool.rs"]
mod promtool;
#[path = "monitoring/queries.rs"]
mod queries;
#[path = "monitoring/runbooks.rs"]
mod runbooks;
#[expect(dead_code, reason = "made for the end-to-end tests, which need more of it")]
#[path = "end_to_end/scene.rs"]
mod scene;
#[path = "monitoring/series.rs"]
mod series;
