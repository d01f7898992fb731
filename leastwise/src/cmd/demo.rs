//! `leastwise demo`: the real commands on a simulated tenant.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use graph_sim::Sim;
use runtime::error::Exit;
use runtime::{CancellationToken, Clock, Problem};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::stats::Stats;
use super::sync::Pass;
use super::{findings, init::Init, position};
use crate::cli::Format;
use crate::config::Config;
use crate::ledger;
use crate::output::{self, thousands};
use crate::stack::{Options, Stack};

/// Show the whole product on a simulated tenant: no configuration, no network.
///
/// Starts a simulator of Microsoft Graph on a free loopback port, reads it as `leastwise sync` reads a real tenant,
/// lets a day of changes happen, reads again, and prints the licence position. Started again with the same --out, it
/// goes on where it was, also after it was killed.
#[derive(Args)]
pub struct Demo {
    /// Users in the simulated tenant.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    users: u32,
    /// Another seed is another company.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated days after the first reading; each is read incrementally.
    #[arg(long, default_value_t = 1)]
    steps: u32,
    /// Where everything goes; a new directory below the system's temporary one unless given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What the simulator must be told to be the same again.
#[derive(Serialize, Deserialize, PartialEq)]
struct Simulated {
    users: u32,
    seed: u64,
    day: u32,
}

impl Demo {
    /// Runs the demo.
    ///
    /// # Errors
    /// As the commands that it runs.
    pub async fn run(self) -> Result<ExitCode, Problem> {
        let out = self.directory()?;
        let mut simulated = self.resume(&out)?;
        let (sim, config, stop) = self.simulator(&out).await?;
        sim.advance(simulated.day);
        let clock = Clock::system();
        let mut stack = Stack::open(
            &config,
            Options {
                clock: clock.clone(),
                ..Options::real(&config)?
            },
        )
        .await?;
        let pass = Pass::begin(&stack.clients).await?;
        stack.start();
        let shown = tokio::select! {
            shown = self.show(&sim, &mut simulated, &out, pass, &config, &clock) => shown,
            failed = stack.failed() => Err(failed.err().unwrap_or_else(|| Problem::new("LW-4090", "a service ended.", "start again"))),
            () = super::run::stopped() => Err(Problem::new("LW-4092", "stopped before the demo was done.", "start it again with the same --out: it goes on where it was")),
        };
        stack.stop().await;
        stop.cancel();
        shown
    }

    async fn show(
        &self,
        sim: &Sim,
        simulated: &mut Simulated,
        out: &Path,
        pass: Pass,
        config: &Config,
        clock: &Clock,
    ) -> Result<ExitCode, Problem> {
        let clients = pass.clients.clone();
        let (exit, seconds) = self
            .read(sim, "Reading a simulated tenant", pass, clock)
            .await?;
        Stats::now(self.users, seconds).store(out);
        for _ in 0..self.steps {
            simulated.day = sim.advance(1);
            simulated.store(out)?;
            self.read(
                sim,
                &format!("\nA day later (day {})", simulated.day),
                Pass::begin(&clients).await?,
                clock,
            )
            .await?;
        }
        output::write("\nLicence position\n\n")?;
        let tenants = ledger::tenants(config, clients.feed.clone()).await?;
        let positions = position::read(&tenants, clients.feed.clone()).await?;
        position::print(&tenants, &positions, Format::Table)?;
        let found = findings::read(&tenants, clients.feed.clone(), |_| true).await?;
        output::write(&format!(
            "\n{}: `leastwise findings --config {}`\n",
            findings::line(&found),
            out.join("leastwise.toml").display(),
        ))?;
        output::write(&format!(
            "\nInventory files: {}\n\nTry next:\n  leastwise position --config {toml} --output csv\n  leastwise init            # for a tenant of your own\n",
            out.join("inventory").display(),
            toml = out.join("leastwise.toml").display(),
        ))?;
        Ok(exit)
    }

    async fn read(
        &self,
        sim: &Sim,
        title: &str,
        pass: Pass,
        clock: &Clock,
    ) -> Result<(ExitCode, f64), Problem> {
        let (before, started) = (sim.stats(), clock.micros());
        let outcome = pass.finish().await?;
        let seconds = Duration::from_micros(clock.micros() - started).as_secs_f64();
        let after = sim.stats();
        let pages: u64 = outcome.runs.iter().map(|r| u64::from(r.pages)).sum();
        let objects: u64 = outcome.runs.iter().map(|r| r.fetched).sum();
        output::write(&format!(
            "{title}: {} objects on {pages} pages with {} requests in {seconds:.2} s\n",
            thousands(objects),
            after.requests - before.requests,
        ))?;
        output::write(&outcome.summary())?;
        Ok((outcome.exit()?, seconds))
    }

    fn directory(&self) -> Result<PathBuf, Problem> {
        let failed = |e: std::io::Error| {
            Problem::new(
                "LW-1007",
                format!("the demo's directory can't be created: {e}."),
                "name another one with --out",
            )
            .exit(Exit::Io)
        };
        match &self.out {
            Some(out) => {
                std::fs::create_dir_all(out).map_err(failed)?;
                std::path::absolute(out).map_err(failed)
            }
            None => tempfile::Builder::new()
                .prefix("leastwise-demo-")
                .tempdir()
                .map(tempfile::TempDir::keep)
                .map_err(failed),
        }
    }

    /// Goes on with the company that the directory holds.
    fn resume(&self, out: &Path) -> Result<Simulated, Problem> {
        let new = Simulated {
            users: self.users,
            seed: self.seed,
            day: 0,
        };
        let found = std::fs::read_to_string(out.join("demo.json")).ok();
        let Some(found) = found.and_then(|t| serde_json::from_str::<Simulated>(&t).ok()) else {
            new.store(out)?;
            return Ok(new);
        };
        if (found.users, found.seed) != (self.users, self.seed) {
            let what = format!(
                "{} holds another company (--users {} --seed {}).",
                out.display(),
                found.users,
                found.seed
            );
            return Err(Problem::new(
                "LW-1008",
                what,
                "name another directory with --out, or the same users and seed",
            )
            .exit(Exit::Usage));
        }
        Ok(found)
    }

    async fn simulator(&self, out: &Path) -> Result<(Sim, Config, CancellationToken), Problem> {
        let failed = |e: std::io::Error| {
            Problem::new(
                "LW-4093",
                format!("the simulator can't listen on loopback: {e}."),
                "",
            )
            .exit(Exit::Busy)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let base = format!("http://{}", listener.local_addr().map_err(failed)?);
        let sim = Sim::new(graph_sim::Config {
            users: self.users,
            seed: self.seed,
            base: Some(base),
            ..graph_sim::Config::default()
        });
        let stop = CancellationToken::new();
        serve(sim.clone(), listener, stop.clone());
        let config = self.configure(out, &sim)?;
        Ok((sim, config, stop))
    }

    /// The configuration that a person would write for this tenant.
    fn configure(&self, out: &Path, sim: &Sim) -> Result<Config, Problem> {
        let tenant = &sim.tenants()[0];
        let io = |e: std::io::Error| {
            Problem::new(
                "LW-1007",
                format!("the demo's directory can't be written: {e}."),
                "free some space",
            )
            .exit(Exit::Io)
        };
        let url = |text: &str| {
            text.parse().map_err(|_| {
                Problem::new(
                    "LW-4093",
                    "the simulator names a wrong address.",
                    "report it",
                )
            })
        };
        let secret = out.join("client-secret");
        runtime::directory::open_private(&secret)
            .and_then(|f| f.set_len(0))
            .map_err(io)?;
        std::fs::write(&secret, &tenant.client_secret).map_err(io)?;
        let toml = out.join("leastwise.toml");
        let init = Init {
            tenant_id: tenant.id.parse().ok(),
            client_id: Some(tenant.client_id.clone()),
            client_secret_file: "client-secret".into(),
            authority: Some(url(&tenant.authority)?),
            graph: Some(url(&tenant.graph)?),
            data_dir: "data".into(),
            inventory: "inventory".into(),
            force: true,
        };
        init.write(&toml)?;
        let mut config = Config::load(&toml)?;
        config.collector.scheduled = false;
        // The simulator is never late here, so nothing has to age.
        config.collector.lateness_seconds = 0;
        config.normalizer.lateness_seconds = 0;
        Ok(config)
    }
}

impl Simulated {
    fn store(&self, out: &Path) -> Result<(), Problem> {
        let text = serde_json::to_string(self).unwrap_or_default();
        std::fs::write(out.join("demo.json"), text).map_err(|e| {
            Problem::new(
                "LW-1007",
                format!("the demo's directory can't be written: {e}."),
                "free some space, or name another one with --out",
            )
            .exit(Exit::Io)
        })
    }
}

/// On threads of its own, named so that their share of the processor can be told from the product's.
fn serve(sim: Sim, listener: TcpListener, stop: CancellationToken) {
    let listener = listener.into_std();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            sim.serve(TcpListener::from_std(listener?)?, stop.cancelled_owned())
                .await
        })
    };
    // Err: without it no request is answered, and the first one says so.
    let _ = std::thread::Builder::new()
        .name("simulator".to_owned())
        .spawn(run);
}
