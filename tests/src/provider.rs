//! The token-broker gets tokens from an OpenID provider that others wrote: what it sends is right by somebody else's
//! reading of the RFCs, too. `cargo xtask clients` runs it.
//!
//! `tests/graph-sim/clients/node/provider.mjs` is the provider. Whoever starts this names its authority in
//! `SSL_CERT_FILE`, where the product's HTTP client looks for whom it trusts.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use graph_sim::Sim;
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::Clock;
use runtime::http::{Client, Outbound};
use serde_json::{Value, json};
use tempfile::TempDir;
use token_broker::audit::{self, Audit};
use token_broker::{Broker, Deps};
use tower::ServiceExt as _;

/// The provider's programs and files.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Node
    #[arg(long)]
    node: PathBuf,
    /// `provider.mjs`, beside what it needs
    #[arg(long)]
    script: PathBuf,
    /// The provider's certificate for `localhost`
    #[arg(long)]
    certificate: PathBuf,
    /// Its key
    #[arg(long)]
    key: PathBuf,
}

/// Nobody is asked there.
const GRAPH: &str = "https://graph.leastwise.example";
const ONCE: &str = "client assertion tokens must only be used once";

/// Runs all checks, and says of each on a line of its own whether it passes.
///
/// # Errors
/// When the provider doesn't start.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut world = World::start(args)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let results = runtime.block_on(async {
        [
            (
                "a certificate's assertions get a token each, and a replay gets none",
                world.by_certificate().await,
            ),
            (
                "another algorithm than the registered one is refused",
                world.by_another_algorithm().await,
            ),
            (
                "a certificate that is not registered is refused",
                world.by_another_certificate().await,
            ),
            (
                "a token file is read on every use, and each token is used once",
                world.federated().await,
            ),
        ]
    });
    let mut code = ExitCode::SUCCESS;
    for (name, result) in results {
        match result {
            Ok(()) => println!("ok - oidc-provider: {name}"),
            Err(e) => {
                println!("not ok - oidc-provider: {name}\n{e:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// The provider, and a simulated tenant's certificates.
struct World {
    home: TempDir,
    tenant: String,
    ready: Value,
    lines: Lines<BufReader<ChildStdout>>,
    /// What went to the token endpoint.
    sent: Arc<Mutex<Vec<Bytes>>>,
    provider: Child,
}

impl World {
    fn start(args: &Args) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let sim = Sim::new(graph_sim::Config {
            tenants: 2,
            users: 1,
            ..graph_sim::Config::default()
        });
        let [tenant, other] = sim.tenants() else {
            bail!("two tenants were wanted");
        };
        std::fs::write(home.path().join("app.pem"), tenant.certificate)?;
        std::fs::write(home.path().join("other.pem"), other.certificate)?;
        ensure!(tenant.certificate != other.certificate, "one certificate");
        let key = tenant.certificate.find("-----BEGIN PRIVATE KEY");
        let given = json!({
            "tls": {"certificate": args.certificate, "key": args.key},
            "tenant": tenant.id,
            "graph": GRAPH,
            "roles": ["User.Read.All", "Organization.Read.All"],
            "certificate": tenant.certificate[..key.context("no key in PEM")?],
        });
        let mut provider = Command::new(&args.node)
            .arg(&args.script)
            .env("PROVIDER", given.to_string())
            // It ends with this one, however that ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the provider")?;
        let out = provider.stdout.take().context("no output")?;
        let mut world = World {
            home,
            tenant: tenant.id.clone(),
            ready: Value::Null,
            lines: BufReader::new(out).lines(),
            sent: Arc::default(),
            provider,
        };
        world.ready = world.told("authority")?;
        Ok(world)
    }

    /// The provider's next line about something. Others are its library's.
    fn told(&mut self, what: &str) -> Result<Value> {
        for line in &mut self.lines {
            let told: Option<Value> = serde_json::from_str(&line?).ok();
            if let Some(told) = told.filter(|told| told.get(what).is_some()) {
                return Ok(told);
            }
        }
        bail!("the provider ended before it said `{what}`")
    }

    fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_default()
    }

    /// A broker that knows the tenant by one application with one credential.
    fn broker(&self, client_id: &str, credential: &str) -> Result<Broker> {
        let text = format!(
            "[[tenants]]\nid = '{}'\ncloud = 'custom'\nauthority = '{}'\ngraph = '{GRAPH}'\nclient_id = '{client_id}'\n\
             [[tenants.credentials]]\n{credential}",
            self.tenant,
            self.text("authority"),
        );
        let mut config: token_broker::Config =
            runtime::config::parse(&text, "provider", std::collections::HashMap::new())?;
        config.resolve(self.home.path());
        let clock = Clock::system();
        let notes = tempfile::tempdir_in(&self.home)?.keep();
        let deps = Deps {
            http: noting(
                Outbound::open(&runtime::http::Config::default())?.whole(),
                &self.sent,
            ),
            direct: runtime::http::direct()?,
            policy_file: None,
            store: None,
            events: token_broker::event::Events::logged(clock.clone()),
            audit: Audit::open(&audit::Config::at(notes), clock.clone())?,
            clock,
        };
        Ok(Broker::new(config, deps)?)
    }

    /// A token that the broker has just asked for, by its claims; or what it says.
    async fn ask(&self, broker: &Broker) -> Result<Value, String> {
        let mut client = TokenServiceClient::new(runtime::grpc::local(broker.tokens()));
        let request = GetTokenRequest {
            tenant_id: self.tenant.clone(),
            dataset: "users".to_owned(),
            // Not one from the cache.
            refused: true,
            ..Default::default()
        };
        let answer = client.get_token(request).await;
        let token = answer.map_err(|e| e.message().to_owned())?.into_inner();
        claims(&token.access_token).ok_or_else(|| "the token can't be read".to_owned())
    }

    /// That it gets a token of this application.
    async fn granted(&self, broker: &Broker, client_id: &str) -> Result<()> {
        let claims = self.ask(broker).await.map_err(anyhow::Error::msg)?;
        let is = [&claims["tid"], &claims["appid"], &claims["aud"]];
        ensure!(is == [&self.tenant, client_id, GRAPH], "{claims}");
        Ok(())
    }

    /// That it gets none, and for which reason.
    async fn refused(&mut self, broker: &Broker, reason: &str) -> Result<()> {
        let Err(message) = self.ask(broker).await else {
            bail!("a token was issued");
        };
        ensure!(message.starts_with("LW-2009"), "{message}");
        self.reason(reason)
    }

    fn reason(&mut self, reason: &str) -> Result<()> {
        let told = self.told("refused")?;
        ensure!(told["refused"] == reason, "{told}");
        Ok(())
    }

    async fn by_certificate(&mut self) -> Result<()> {
        let id = self.text("byCertificate").to_owned();
        let broker = self.broker(&id, "kind = 'certificate'\ncertificate_file = 'app.pem'")?;
        self.granted(&broker, &id).await?;
        self.granted(&broker, &id).await?;
        let last = {
            let sent = self.sent.lock().unwrap();
            ensure!(sent.len() == 2 && sent[0] != sent[1], "{}", sent.len());
            sent[1].clone()
        };
        let token = "oauth2/v2.0/token";
        let again = http::Request::post(format!(
            "{}/{}/{token}",
            self.text("authority"),
            self.tenant
        ));
        let again = again.header("content-type", "application/x-www-form-urlencoded");
        let answer = Outbound::open(&runtime::http::Config::default())?
            .whole()
            .oneshot(again.body(last)?)
            .await;
        let answer = answer.map_err(|e| anyhow::anyhow!(e))?;
        ensure!(answer.status() == 401, "{}", answer.status());
        self.reason(ONCE)
    }

    async fn by_another_algorithm(&mut self) -> Result<()> {
        let credential = "kind = 'certificate'\ncertificate_file = 'app.pem'\nalgorithm = 'RS256'";
        let broker = self.broker(self.text("byCertificate"), credential)?;
        self.refused(&broker, "alg mismatch").await
    }

    async fn by_another_certificate(&mut self) -> Result<()> {
        let credential = "kind = 'certificate'\ncertificate_file = 'other.pem'";
        let broker = self.broker(self.text("byCertificate"), credential)?;
        self.refused(&broker, "signature verification failed").await
    }

    async fn federated(&mut self) -> Result<()> {
        let id = self.text("federated").to_owned();
        let file = self.home.path().join("token");
        let broker = self.broker(&id, "kind = 'federated_token'\ntoken_file = 'token'")?;
        write(&file, &self.ready["tokens"][0])?;
        self.granted(&broker, &id).await?;
        self.refused(&broker, ONCE).await?;
        // Who writes a fresh one need not wait until the broker has rested.
        write(&file, &self.ready["tokens"][1])?;
        self.granted(&broker, &id).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Nothing is left to do if it has ended by itself.
        let _ = self.provider.kill();
        let _ = self.provider.wait();
    }
}

fn write(file: &Path, token: &Value) -> Result<()> {
    Ok(std::fs::write(file, token.as_str().context("no token")?)?)
}

/// The client, and a note of each body that it sends.
fn noting(client: Client, sent: &Arc<Mutex<Vec<Bytes>>>) -> Client {
    let sent = Arc::clone(sent);
    Client::new(tower::service_fn(move |request: http::Request<Bytes>| {
        sent.lock().unwrap().push(request.body().clone());
        client.clone().oneshot(request)
    }))
}

fn claims(token: &str) -> Option<Value> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let json = engine.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&json).ok()
}
