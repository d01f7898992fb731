//! The processes that are measured, set up as an operator would, and who calls them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use graph_sim::TenantInfo;
use proto::token::v1::ListTenantsRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::grpc::{Channel, Remote, connect};
use runtime::tls;
use servers::{Pki, Validity};

use crate::cluster::{private, program};

/// Connections of the callers: about as many as there are collectors in a large installation.
const CONNECTIONS: usize = 8;
/// The first answer of a process, which reads its configuration before.
const START: Duration = Duration::from_secs(60);

const TRUST: &str = "spiffe://leastwise.bench";

/// Certificates, and the directory that everything is in.
pub(super) struct Installation {
    home: PathBuf,
    pki: Pki,
    caller: tls::Config,
}

/// A server that answers, until it is dropped.
pub(super) struct Server {
    child: Child,
    pub(super) clients: Vec<TokenServiceClient<Channel>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Installation {
    pub(super) fn new(home: &Path) -> Result<Self> {
        let pki = Pki::new(home.join("pki"))?;
        let caller = issue(&pki, "collector")?;
        Ok(Installation {
            home: home.to_owned(),
            pki,
            caller,
        })
    }

    /// Starts a program with the token-broker's configuration, and connects everybody who will call it.
    pub(super) async fn start(&self, name: &str, tenants: &[TenantInfo]) -> Result<Server> {
        let own = issue(&self.pki, name)?;
        let grpc = servers::free_port()?;
        let text = self.config(name, &own, grpc, tenants)?;
        let config = self.home.join(format!("{name}.toml"));
        fs::write(&config, text)?;
        let log = self.home.join(format!("{name}.log"));
        let child = program(name)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let remote = Remote {
            endpoint: vec![format!("https://127.0.0.1:{grpc}")],
            identity: Some(format!("{TRUST}/{name}").parse()?),
        };
        let client = || {
            let channel = connect(name, &remote, Some(&self.caller))?;
            anyhow::Ok(TokenServiceClient::new(channel))
        };
        let mut server = Server {
            clients: (0..CONNECTIONS).map(|_| client()).collect::<Result<_>>()?,
            child,
        };
        let answered = tokio::time::timeout(START, server.answers()).await;
        match answered.unwrap_or_else(|_| bail!("it doesn't answer")) {
            Ok(()) => Ok(server),
            Err(e) => {
                let log = fs::read_to_string(&log).unwrap_or_default();
                Err(e.context(format!("{name}: {log}")))
            }
        }
    }

    fn config(
        &self,
        name: &str,
        own: &tls::Config,
        grpc: u16,
        tenants: &[TenantInfo],
    ) -> Result<String> {
        let mut text = format!(
            "callers = [\"{TRUST}/collector\"]\n[grpc]\nlisten = \"127.0.0.1:{grpc}\"\n\
             [http]\nlisten = \"127.0.0.1:{}\"\n[audit]\ndirectory = \"audit-{name}\"\n\
             [tls]\nca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
            servers::free_port()?,
            own.ca_file.display(),
            own.cert_file.display(),
            own.key_file.display(),
        );
        let secrets = self.home.join("secrets");
        fs::create_dir_all(&secrets)?;
        for (n, tenant) in tenants.iter().enumerate() {
            let secret = secrets.join(n.to_string());
            fs::write(&secret, &tenant.client_secret)?;
            private(&secret)?;
            writeln!(
                text,
                "[[tenants]]\nid = \"{}\"\nclient_id = \"{}\"\nclient_secret_file = \"secrets/{n}\"\n\
                 authority = \"{}\"\ngraph = \"{}\"",
                tenant.id, tenant.client_id, tenant.authority, tenant.graph,
            )?;
        }
        Ok(text)
    }
}

fn issue(pki: &Pki, name: &str) -> Result<tls::Config> {
    let uri = format!("{TRUST}/{name}");
    let files = pki.issue(name, Some(&uri), &["localhost"], Validity::Good)?;
    Ok(tls::Config {
        ca_file: files.ca,
        cert_file: files.certificate,
        key_file: files.key,
    })
}

impl Server {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until each connection is there.
    async fn answers(&mut self) -> Result<()> {
        for client in &mut self.clients {
            let one = ListTenantsRequest {
                page_size: 1,
                ..ListTenantsRequest::default()
            };
            while let Err(e) = client.list_tenants(one.clone()).await {
                if e.code() != tonic::Code::Unavailable {
                    return Err(e.into());
                }
                if let Some(status) = self.child.try_wait()? {
                    bail!("it ended: {status}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}
