//! What watches an installation: alerts fire and keep still, each has its page, dashboards are what Grafana knows, and every
//! expression has data where the product runs.
#![allow(clippy::unwrap_used, reason = "the whole directory is a test")]

mod dashboards;
mod live;
mod rules;
mod runbook;
