//! A process of its own around a service: command line, configuration, logs, signals, the page of its health and
//! metrics, exit codes.
//!
//! A service implements [`Service`]; its `main` is [`main`].

mod cli;
mod health;
mod page;
mod sections;
mod supervise;

use std::process::ExitCode;

pub use health::Health;
pub use sections::{Http, Sections, default_grace};

use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::config::Settings;
#[cfg(feature = "postgres")]
use crate::db::{self, Db, Migrations};
use crate::error::{Chain, Exit, Problem};
use crate::grpc::{Access, Server};
use crate::retry::Backoff;
use crate::{CancellationToken, Clock, telemetry};

/// Delays while something that a process needs isn't there.
const BACKOFF: Backoff = Backoff {
    base: std::time::Duration::from_millis(500),
    max: std::time::Duration::from_secs(30),
};

/// The version of every program of this release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A service as a process: the type is its configuration.
pub trait Service: Settings {
    /// The program's name.
    const NAME: &'static str;
    /// What it does, in one sentence.
    const ABOUT: &'static str;
    /// Whether it has a database, and so a command `migrate`.
    const DATABASE: bool = true;

    /// The sections that every process has.
    fn sections(&self) -> Sections<'_>;

    /// Brings the database to this release's format.
    fn migrate(&self) -> impl Future<Output = Result<(), Problem>> {
        async { Ok(()) }
    }

    /// Works until `process.stop`, then finishes what is in hand. Ends only then, or by a problem that waiting doesn't
    /// heal.
    fn run(self, process: Process) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// What a running service gets from its process.
#[derive(Clone)]
pub struct Process {
    /// Cancelled when the process shall end.
    pub stop: CancellationToken,
    /// The time.
    pub clock: Clock,
    /// Where checks of readiness are put down.
    pub health: Health,
}

impl Process {
    /// Tries something until it works: a database, a queue or a file that isn't there yet is no reason to end. What
    /// is in the way shows in the log and on `/readyz`. Not repeated is what only another configuration or another
    /// release can heal.
    ///
    /// # Errors
    /// Such a problem; `LW-4092` when the process is stopped meanwhile.
    pub async fn eventually<T, F>(
        &self,
        what: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let mut tries = 0;
        loop {
            let problem = match self.stop.run_until_cancelled(attempt()).await {
                None => return Err(stopped()),
                Some(Ok(done)) => {
                    self.health.arrived(what);
                    return Ok(done);
                }
                Some(Err(problem)) if problem.exit == Exit::Usage || lasting(&problem) => {
                    return Err(problem);
                }
                Some(Err(problem)) => problem,
            };
            // Spread by the process, so that replicas that start together don't try together for ever.
            let spread = f64::from(std::process::id() % 97) / 97.0;
            let wait = BACKOFF.delay(tries, spread);
            let (problem, wait_ms) = (Chain(&problem).to_string(), wait.as_millis());
            tracing::warn!(what, problem, wait_ms, "not there yet; trying again");
            self.health.missing(what, problem);
            tries += 1;
            let slept = self.stop.run_until_cancelled(tokio::time::sleep(wait));
            if slept.await.is_none() {
                return Err(stopped());
            }
        }
    }

    #[cfg(feature = "postgres")]
    /// The database, once it is there and has this release's format; then its check of readiness is put down.
    ///
    /// # Errors
    /// As [`Db::connect`], for what waiting doesn't heal.
    pub async fn database(
        &self,
        config: &db::Config,
        migrations: &Migrations,
        service: &'static str,
    ) -> Result<Db, Problem> {
        // Waiting is done here, where readiness sees it.
        let mut once = config.clone();
        once.start_seconds = 0;
        let db = self
            .eventually("database", || {
                Db::connect(&once, migrations, service, &self.stop)
            })
            .await?;
        let asked = db.clone();
        self.health.check("database", move || {
            let db = asked.clone();
            async move { db.ping().await.map_err(|e| e.to_string()) }
        });
        Ok(db)
    }

    /// Serves a service's callers and operators while it works.
    ///
    /// # Errors
    /// The first problem, or `LW-4090` for a task that crashed.
    pub async fn work(
        &self,
        server: Server,
        routes: Routes,
        access: Access,
        work: impl Future<Output = Result<(), Problem>> + Send + 'static,
    ) -> Result<(), Problem> {
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(routes, access, self.stop.child_token()));
        tasks.spawn(work);
        self.all(tasks).await
    }

    /// Waits for the tasks of a service, which work until they are stopped: the first that ends ends all.
    ///
    /// # Errors
    /// The first problem, or `LW-4090` for a task that crashed.
    async fn all(&self, mut tasks: JoinSet<Result<(), Problem>>) -> Result<(), Problem> {
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            self.stop.cancel();
            let ended = ended.unwrap_or_else(|e| {
                let what = format!("a task of the service ended: {e}.");
                Err(Problem::new("LW-4090", what, "start again; report it"))
            });
            outcome = outcome.and(ended);
        }
        outcome
    }
}

/// Tables that a newer release has written don't get older by waiting.
fn lasting(problem: &Problem) -> bool {
    ["LW-4002", "LW-4006"].contains(&&*problem.code)
}

fn stopped() -> Problem {
    Problem::new(
        "LW-4092",
        "stopped before everything was there.",
        "start it again",
    )
}

/// Runs the service `S` as this process.
#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what people read"
)]
pub fn main<S: Service>() -> ExitCode {
    let cli = match cli::parse::<S>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are no errors; clap knows where each one is printed.
            let _ = e.print();
            let code = if e.use_stderr() { Exit::Usage as u8 } else { 0 };
            return ExitCode::from(code);
        }
    };
    match begin::<S>(cli) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{}", Chain(&problem));
            ExitCode::from(problem.exit as u8)
        }
    }
}

/// Does what the command line says; the text is for standard output.
fn begin<S: Service>(cli: cli::Cli) -> Result<String, Problem> {
    let settings: S = cli.settings(crate::config::environment())?;
    if cli.dump_config {
        return crate::config::dump(&settings);
    }
    let sections = settings.sections();
    sections.telemetry.check(sections.tls)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            Problem::new(
                "LW-4091",
                format!("no threads can be started: {e}."),
                "check the limits of this user",
            )
        })?;
    let telemetry = {
        let _in = runtime.enter();
        telemetry::Server::begin(
            (S::NAME, VERSION),
            cli.log_format,
            sections.telemetry,
            sections.tls,
        )?
    };
    let mut fine = sections.check()?;
    fine.extend(settings.check()?);
    if cli.check_config {
        fine.extend(settings.inspect()?);
        return Ok(fine.iter().map(|line| format!("fine: {line}\n")).collect());
    }
    let metrics = telemetry.metrics();
    let done = runtime.block_on(async {
        match cli.command {
            Some(cli::Command::Migrate) => settings.migrate().await,
            None => supervise::run(settings, metrics).await,
        }
    });
    telemetry.end();
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done.map(|()| String::new())
}
