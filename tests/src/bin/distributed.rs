//! What developers' commands need of the product: `cargo xtask chaos` and its like run this.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "distributed",
    about = "Installations of real processes over real servers, on loopback"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Strike installations again and again while they work, and compare every sink with the truth
    Chaos(tests::chaos::Args),
    /// An installation with mutual TLS to look at
    #[command(subcommand)]
    Dev(tests::dev::Task),
    /// What the distributed setting costs
    Bench(tests::bench::Args),
    /// Get tokens from an OpenID provider that others wrote
    Provider(tests::provider::Args),
    /// Be called by a gRPC client that others' tools made of the contract
    Contract(tests::contract::Args),
    /// What the token-broker costs, without the other services and servers
    BenchBroker(tests::bench::broker::Args),
    /// What the collector costs and how fast it is, without the other services
    #[command(subcommand)]
    BenchCollector(tests::bench::collector::Task),
    /// What the normalizer costs on both databases, without the other services
    BenchNormalizer(tests::bench::normalizer::Args),
    /// What the exporter costs with each of its sinks, without the other services
    BenchExporter(tests::bench::exporter::Args),
    /// Ten faults: how long until an alert names each, and that what the runbook says ends it
    BenchFaults(tests::watch::faults::Args),
    /// Many tenants and 1, 2, 4 replicas of each service
    Scale(tests::bench::scale::Args),
    /// Two releases in one installation, in every order
    Upgrade(tests::upgrade::Args),
    /// What operation costs and gives: replicas, take-over, rest, telemetry, rolling restarts
    BenchOperation(tests::bench::operation::Args),
    /// A year of daily readings: what has to be done by hand for it
    Year(tests::year::Args),
    /// Kill a reader in the middle of a full read, again and again: what is read twice, and that nothing is lost
    Killed(tests::killed::Args),
    /// Count who would wrongly be taken for somebody without a licence, by Leastwise and by other readers
    Reclamations(tests::reclamations::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().task {
        Task::Chaos(args) => tests::chaos::run(&args),
        Task::Dev(task) => tests::dev::run(&task),
        Task::Bench(args) => tests::bench::run(&args),
        Task::Provider(args) => tests::provider::run(&args),
        Task::Contract(args) => tests::contract::run(&args),
        Task::BenchBroker(args) => tests::bench::broker::run(&args),
        Task::BenchCollector(task) => tests::bench::collector::run(&task),
        Task::BenchNormalizer(args) => tests::bench::normalizer::run(&args),
        Task::BenchExporter(args) => tests::bench::exporter::run(&args),
        Task::BenchFaults(args) => tests::watch::faults::run(&args),
        Task::Scale(args) => tests::bench::scale::run(&args),
        Task::Upgrade(args) => tests::upgrade::run(&args),
        Task::BenchOperation(args) => tests::bench::operation::run(&args),
        Task::Year(args) => tests::year::run(&args),
        Task::Killed(args) => tests::killed::run(&args),
        Task::Reclamations(args) => tests::reclamations::run(&args),
    }
}
