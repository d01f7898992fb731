//! A token-broker as a process of its own, over mutual TLS, before a simulated tenant.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::grpc::{Channel, Remote, connect, with_reason};
use runtime::tls;
use servers::{Pki, Validity};

use crate::process::{Running, Simulator, plain, program};

/// The trust domain of every identity.
pub const TRUST: &str = "spiffe://test";
/// The store's key, until somebody writes another one: 32 bytes in base64.
pub const KEK: &str = "YSBrZXkgb2YgdGhlIHN0b3JlJ3M6IDMyIGxldHRlcnM=";
const LIMIT: Duration = Duration::from_secs(60);

/// See the [module](self). What an operator writes is in `operator`, what the process writes in `written`.
pub struct TokenBroker {
    home: tempfile::TempDir,
    pki: Pki,
    grpc: u16,
    http: u16,
    running: Option<Running>,
}

impl TokenBroker {
    /// Its configuration, with sections that `rest` adds. It is not started yet.
    pub fn new(rest: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let [operator, written] = ["operator", "written"].map(|name| home.path().join(name));
        std::fs::create_dir(&operator).unwrap();
        std::fs::create_dir(written).unwrap();
        let pki = Pki::new(operator.join("pki")).unwrap();
        let it = TokenBroker {
            pki,
            grpc: servers::free_port().unwrap(),
            http: servers::free_port().unwrap(),
            running: None,
            home,
        };
        let own = it.identity("token-broker");
        let text = format!(
            "callers = ['{TRUST}/collector', '{TRUST}/other']\nadmin.'{TRUST}/operator' = ['operator', 'security']\n\
             grpc.listen = '127.0.0.1:{}'\nhttp.listen = '127.0.0.1:{}'\n\
             tls = {{ ca_file = '{}', cert_file = '{}', key_file = '{}' }}\n\
             audit = {{ directory = '../written/audit', checkpoint_file = '../written/checkpoints' }}\n\
             store = {{ key_file = 'kek', file = '../written/store.db' }}\n{rest}",
            it.grpc,
            it.http,
            own.ca_file.display(),
            own.cert_file.display(),
            own.key_file.display(),
        );
        it.write("broker.toml", &text);
        it.write("kek", KEK);
        it
    }

    /// A tenant's section of the configuration, with no credential yet.
    pub fn section(sim: &Simulator) -> String {
        let text = |name| sim.text(name);
        format!(
            "id = '{}'\nclient_id = '{}'\nauthority = '{}'\ngraph = '{}'\n",
            text("id"),
            text("clientId"),
            text("authority"),
            text("graph")
        )
    }

    /// A file below its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file of the operator's.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path("operator").join(name), text).unwrap();
    }

    /// The program, with its configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program("token-broker");
        let config = self.path("operator/broker.toml");
        command.args(arguments).arg("--config").arg(config);
        command
    }

    /// Starts it and waits until it serves. What it prints goes to the end of `written/log`.
    pub fn start(&mut self, environment: &[(&str, &Path)]) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("written/log"))
            .unwrap();
        let program = self.command(&[]);
        // A file that may not grow is an error to it then, and not its end.
        let mut command = plain("sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(program.get_program())
            .args(program.get_args())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.running = Some(Running(command.spawn().unwrap()));
        let ready = servers::wait_until("the token-broker serves", LIMIT, || {
            let ready = self
                .page("/readyz")
                .is_some_and(|page| page.contains(" 200 "));
            Ok(ready && TcpStream::connect(("127.0.0.1", self.grpc)).is_ok())
        });
        assert!(ready.is_ok(), "{}", self.log());
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.as_ref().unwrap().0.id()
    }

    /// Ends it as SIGKILL does.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Asks it to end; its exit code.
    pub fn end(&mut self) -> Option<i32> {
        let running = self.running.take().unwrap();
        running.signal("TERM");
        running.end().code
    }

    /// Everything it has printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("written/log")).unwrap_or_default()
    }

    /// The answer of its page, if it answers.
    pub fn page(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Where it serves gRPC.
    pub fn grpc(&self) -> u16 {
        self.grpc
    }

    /// The certificate of somebody whom it knows by this name.
    pub fn identity(&self, name: &str) -> tls::Config {
        let uri = format!("{TRUST}/{name}");
        let issued = self
            .pki
            .issue(name, Some(&uri), &["localhost"], Validity::Good);
        let files = issued.unwrap();
        tls::Config {
            ca_file: files.ca,
            cert_file: files.certificate,
            key_file: files.key,
        }
    }

    /// A connection of somebody by this name, for any call.
    pub fn channel(&self, name: &str) -> Channel {
        let remote = Remote {
            endpoint: vec![format!("https://localhost:{}", self.grpc)],
            identity: Some(format!("{TRUST}/token-broker").parse().unwrap()),
        };
        connect("token-broker", &remote, Some(&self.identity(name))).unwrap()
    }

    /// A caller by this name.
    pub fn tokens(&self, name: &str) -> TokenServiceClient<Channel> {
        TokenServiceClient::new(self.channel(name))
    }

    /// An operator who may everything, and says why.
    pub fn admin(&self, reason: &str) -> TokenBrokerAdminClient<Channel> {
        TokenBrokerAdminClient::new(with_reason(self.channel("operator"), reason))
    }
}
