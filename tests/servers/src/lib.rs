//! Private RabbitMQ, PostgreSQL and Prometheus servers for tests and for `cargo xtask dev up`, a device for keys, containers,
//! and other people's programs that judge sinks, dashboards and manifests.
//!
//! Each server has its own directory, its own ports on the loopback interface and its own passwords, so any number of
//! them run side by side. It ends, and its temporary directory goes, when its value is dropped or when the process
//! that started it dies, by whatever signal.
#![allow(
    clippy::print_stdout,
    reason = "what a test can't do without is said where its output is read"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "servers of their own run in real time: to wait for one is to look again until a deadline"
)]

mod grafana;
mod guard;
mod home;
mod http;
pub mod images;
mod moto;
mod others;
mod pki;
pub mod podman;
mod ports;
pub mod postgres;
mod prism;
mod process;
mod programs;
pub mod prometheus;
mod proxy;
pub mod rabbitmq;
mod run;
mod softhsm;
mod wait;

pub use grafana::Grafana;
pub use http::get;
pub use moto::Moto;
pub use others::{Node, Python, text as run_text};
pub use pki::{Pki, Validity, app_certificate};
pub use podman::Podman;
pub use ports::free as free_port;
pub use postgres::Postgres;
pub use prism::Prism;
pub use process::Process;
pub use programs::missing;
pub use prometheus::Prometheus;
pub use proxy::Proxy;
pub use rabbitmq::RabbitMq;
pub use softhsm::SoftHsm;
pub use wait::wait_until;

use std::path::PathBuf;

/// The PEM files of one side of a TLS connection.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authority by which the other side's certificate must be signed.
    pub ca: PathBuf,
    /// This side's certificate.
    pub certificate: PathBuf,
    /// The private key of `certificate`.
    pub key: PathBuf,
}
