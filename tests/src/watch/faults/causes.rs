//! Ten faults, each with what the runbook says against it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};
use tokio::task::AbortHandle;

use super::fault::{Deed, Fault};
use crate::watch::{Watched, letter};

/// One for each fault that concerns one, and some beside them.
pub const TENANTS: u16 = 8;
const SECRET: usize = 0;
const CERTIFICATE: usize = 1;
const LETTER: usize = 2;
const HELD: usize = 3;
const ROLE: usize = 4;
const STUCK: usize = 5;

/// What faults happen to, beside the installation.
pub struct World {
    handle: Handle,
    home: PathBuf,
    /// The sink that is to be down.
    port: u16,
    sink: Mutex<Option<AbortHandle>>,
    right: Mutex<String>,
}

impl World {
    /// A sink that takes everything, and files.
    pub fn new(runtime: &Runtime, home: &Path) -> Result<Self> {
        let world = World {
            handle: runtime.handle().clone(),
            home: home.to_owned(),
            port: servers::free_port()?,
            sink: Mutex::default(),
            right: Mutex::default(),
        };
        fs::write(home.join("hook"), "0123456789abcdef0123456789abcdef")?;
        fs::write(
            home.join("app.pem"),
            servers::app_certificate((2020, 1, 1), (2049, 12, 31))?,
        )?;
        world.open()?;
        Ok(world)
    }

    /// The sink listens.
    fn open(&self) -> Result<()> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port))?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let taken = axum::Router::new().fallback(async || "taken");
        let mut tasks = tokio::task::JoinSet::new();
        let serving = async move {
            let _ended = axum::serve(listener, taken).await;
        };
        *self.sink.lock().unwrap() = Some(tasks.spawn_on(serving, &self.handle));
        tasks.detach_all();
        Ok(())
    }

    /// The tenant's app has the certificate by which it proves itself.
    pub fn register(&self, watched: &Watched) -> Result<()> {
        let certificate = fs::read_to_string(self.home.join("app.pem"))?;
        let path = format!("certificate?tenant={CERTIFICATE}&app=0");
        watched.control("POST", &path, &certificate).map(drop)
    }

    /// As `dev up` writes it, with one more sink, and a tenant that proves itself by a certificate.
    pub fn adjusted(&self, service: &str, text: String) -> String {
        let at = |name: &str| self.home.join(name).display().to_string();
        match service {
            "exporter" => format!(
                "{text}[[sinks]]\nkind = \"webhook\"\nname = \"crm\"\nurl = \"http://127.0.0.1:{}/\"\nsecret_file = \"{}\"\n",
                self.port,
                at("hook")
            ),
            "token-broker" => {
                let mut seen = 0;
                let lines = text.lines().map(|line| {
                    if line.starts_with("client_secret_file = ") {
                        seen += 1;
                        if seen == CERTIFICATE + 1 {
                            return format!(
                                "credentials = [{{ kind = \"certificate\", certificate_file = \"{}\" }}]\n",
                                at("app.pem")
                            );
                        }
                    }
                    format!("{line}\n")
                });
                lines.collect()
            }
            _ => text,
        }
    }

    /// The faults: those of a list can happen at once.
    pub fn faults(&self, watched: &Watched) -> Vec<Vec<Fault>> {
        let tenant = |n: usize| watched.tenants[n].clone();
        let control = |path: String, body: &'static str| -> Deed {
            Box::new(move |w: &Watched, _: &World| w.control("POST", &path, body).map(drop))
        };
        vec![
            vec![
                of_a_tenant("wrong-secret", "LeastwiseTokenFailing", "token-broker", &tenant(SECRET), "LW-2001", "leastwise_token_failing{")
                    .by(Box::new(|w, world| {
                        let file = w.secret(SECRET);
                        *world.right.lock().unwrap() = fs::read_to_string(&file)?;
                        fs::write(file, "not-the-secret")?;
                        w.forget_tokens(SECRET)
                    }))
                    .mended_by(Box::new(|w, world| {
                        fs::write(w.secret(SECRET), &*world.right.lock().unwrap())?;
                        preflight(w, SECRET)
                    })),
                of_a_tenant("expired-certificate", "LeastwiseTokenFailing", "token-broker", &tenant(CERTIFICATE), "LW-2016", "leastwise_token_failing{")
                    .by(Box::new(|w, world| {
                        fs::copy(world.home.join("app.pem"), world.home.join("good.pem"))?;
                        let ended = servers::app_certificate((2020, 1, 1), (2021, 1, 1))?;
                        fs::write(world.home.join("app.pem"), ended)?;
                        w.forget_tokens(CERTIFICATE)
                    }))
                    .mended_by(Box::new(|w, world| {
                        fs::copy(world.home.join("good.pem"), world.home.join("app.pem"))?;
                        preflight(w, CERTIFICATE)
                    })),
                Fault {
                    labels: vec![("stage", "collector".into())],
                    ..of_a_tenant("throttling", "LeastwiseThrottled", "collector", "", "LW-3012", "leastwise_dataset_failing_seconds{")
                }
                // For longer than a run waits.
                .by(control("faults".into(), r#"{"status":429,"path":"/subscribedSkus","times":1,"retryAfter":400}"#))
                // It goes on by itself.
                .mended_by(Box::new(|_, _| Ok(()))),
                of_a_sink("full-disk", "LeastwiseDiskFull", "postgres", "LW-6010")
                    .by(Box::new(|w, _| {
                        let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION \
                                    'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
                                    CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON \"user\" EXECUTE FUNCTION full_disk()";
                        w.sql("inventory", full)?;
                        w.control("POST", "advance?days=1", "").map(drop)
                    }))
                    .mended_by(Box::new(|w, _| w.sql("inventory", "DROP FUNCTION full_disk CASCADE").map(drop))),
                of_a_sink("sink-down", "LeastwiseSinkFailing", "crm", "LW-6040")
                    .by(Box::new(|_, world| {
                        let serving = world.sink.lock().unwrap().take();
                        serving.context("it is down")?.abort();
                        Ok(())
                    }))
                    .mended_by(Box::new(|_, world| world.open())),
                Fault {
                    labels: vec![("stage", "queue".into()), ("queue", "page.full".into())],
                    of_a_tenant: false,
                    service: "normalizer",
                    shows: vec!["leastwise_messages_dead_total{".into(), "page.full".into()],
                    ..of_a_tenant("dead-letter", "LeastwiseDeadLetters", "queue", "", "", "")
                }
                .by(Box::new(|w, world| world.handle.block_on(letter::dead(w, &w.tenants[LETTER]))))
                .mended_by(Box::new(|w, _| w.sync().map(drop))),
                Fault {
                    labels: vec![("stage", "normalizer".into()), ("tenant", tenant(HELD))],
                    shows: vec!["leastwise_tenant_held{".into(), tenant(HELD)],
                    ..of_a_tenant("removals-held", "LeastwiseRemovalsHeld", "normalizer", "", "", "")
                }
                .by(control(format!("storm?tenant={HELD}"), r#"{"kind":"deletion","users":30}"#))
                .mended_by(Box::new(approve)),
                of_a_tenant("role-taken", "LeastwiseDatasetFailing", "collector", &tenant(ROLE), "LW-3003", "leastwise_dataset_failing_seconds{")
                    .by(Box::new(|w, _| {
                        w.control("POST", &format!("consent?tenant={ROLE}&app=0"), r#"{"roles":["Organization.Read.All"]}"#)?;
                        w.forget_tokens(ROLE)
                    }))
                    .mended_by(Box::new(|w, _| {
                        let all = r#"{"roles":["User.Read.All","Organization.Read.All"]}"#;
                        w.control("POST", &format!("consent?tenant={ROLE}&app=0"), all)?;
                        w.forget_tokens(ROLE)?;
                        preflight(w, ROLE)
                    })),
            ],
            vec![
                Fault {
                    labels: vec![("stage", "queue".into()), ("service", "collector".into())],
                    of_a_tenant: false,
                    service: "collector",
                    shows: vec!["leastwise_ready{".into(), "check=\"queue\"".into()],
                    above: (0.5, false),
                    ..of_a_tenant("queue-down", "LeastwiseQueueDown", "queue", "", "", "")
                }
                .by(Box::new(|w, _| w.it.rabbit.kill()))
                .mended_by(Box::new(|w, _| w.it.rabbit.start_again())),
            ],
            vec![
                Fault {
                    labels: vec![("stage", "normalizer".into()), ("tenant", tenant(STUCK))],
                    shows: vec!["leastwise_tenant_pending_seconds{".into(), tenant(STUCK)],
                    // It is slow until then, and stuck from then on.
                    above: (600.0, true),
                    ..of_a_tenant("stuck-tenant", "LeastwiseTenantStuck", "normalizer", "", "", "")
                }
                .by(Box::new(|w, _| {
                    let tenant = &w.tenants[STUCK];
                    let id = w.sql("normalizer", &format!("SELECT id FROM tenant WHERE tenant = '{tenant}'"))?;
                    let id = id.trim();
                    // Pages of this tenant never come.
                    let hidden = format!(
                        "CREATE FUNCTION held_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
                         CREATE TRIGGER held_back BEFORE INSERT ON inbox_page FOR EACH ROW \
                         WHEN (NEW.tenant = {id}) EXECUTE FUNCTION held_back()"
                    );
                    w.sql("normalizer", &hidden).map(drop)
                }))
                .mended_by(Box::new(|w, _| {
                    w.sql("normalizer", "DROP FUNCTION held_back CASCADE")?;
                    let again = ["runs", "again", &w.tenants[STUCK], "--reason", "its pages were lost"];
                    let (done, told) = w.leastwise(&again)?;
                    ensure!(done, "{told}");
                    Ok(())
                })),
            ],
        ]
    }
}

fn of_a_tenant(
    name: &'static str,
    alert: &'static str,
    stage: &'static str,
    tenant: &str,
    code: &str,
    series: &str,
) -> Fault {
    Fault {
        name,
        alert,
        labels: vec![
            ("stage", stage.into()),
            ("tenant", tenant.to_owned()),
            ("code", code.to_owned()),
        ],
        of_a_tenant: true,
        service: stage,
        shows: vec![series.to_owned(), tenant.to_owned(), code.to_owned()],
        above: (-1.0, true),
        inject: Box::new(|_, _| Ok(())),
        repair: Box::new(|_, _| Ok(())),
    }
}

fn of_a_sink(name: &'static str, alert: &'static str, sink: &str, code: &str) -> Fault {
    Fault {
        labels: vec![("stage", "exporter".into()), ("sink", sink.to_owned())],
        shows: vec![
            "leastwise_sink_failing{".into(),
            format!("sink=\"{sink}\""),
            code.to_owned(),
        ],
        ..of_a_tenant(name, alert, "exporter", "", "", "")
    }
}

impl Fault {
    fn by(mut self, inject: Deed) -> Self {
        self.inject = inject;
        self
    }

    fn mended_by(mut self, repair: Deed) -> Self {
        self.repair = repair;
        self
    }
}

/// `leastwise tenants preflight`, until it gets a token.
fn preflight(watched: &Watched, tenant: usize) -> Result<()> {
    let mut told = String::new();
    let limit = std::time::Duration::from_secs(120);
    let done = servers::wait_until("preflight gets a token", limit, || {
        (_, told) = watched.leastwise(&["tenants", "preflight", &watched.tenants[tenant]])?;
        Ok(!told.contains("LW-2"))
    });
    done.with_context(|| told)
}

/// `leastwise runs approve` of each run of the tenant that holds something.
fn approve(watched: &Watched, _: &World) -> Result<()> {
    let list = [
        "runs",
        "list",
        &watched.tenants[HELD],
        "--held",
        "--output",
        "json",
    ];
    let (_, told) = watched.leastwise(&list)?;
    let runs: Value = serde_json::from_str(&told).with_context(|| told.clone())?;
    let runs = runs.as_array().context("no runs")?;
    let numbers: Vec<String> = runs.iter().map(|run| run["run"].to_string()).collect();
    ensure!(!numbers.is_empty(), "nothing is held: {told}");
    for number in numbers {
        let number = number.trim_matches('"');
        let (done, told) =
            watched.leastwise(&["runs", "approve", number, "--reason", "they have left"])?;
        ensure!(done, "{told}");
    }
    Ok(())
}
