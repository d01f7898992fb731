//! The pods of the manifests, run: two pools read their tenants into a sink.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use runtime::db::Roles;
use runtime::http::{self, Outbound};
use serde_json::{Value, json};
use servers::podman::Network;
use servers::{Pki, Podman, Postgres, Process, Python, RabbitMq, Tls, Validity};
use tests::cluster::program;
use tests::process::{Ended, built};
use tower::ServiceExt as _;

use super::install::Shell;
use super::manifests::{Manifests, list, name, root};
use super::pods::Kitchen;
use super::pools;

const LIMIT: Duration = Duration::from_secs(180);
/// What the installation's pieces are called.
pub const TRUST: &str = "spiffe://leastwise.internal";
const OVERLAY: &str = "dedicated-tenant";
/// The services' pods, with the last number of their addresses.
const PODS: [(&str, u8); 5] = [
    ("token-broker", 11),
    ("normalizer", 12),
    ("exporter", 13),
    ("collector", 14),
    ("collector-contoso", 15),
];

/// Everything that runs.
pub struct Stage<'a> {
    shell: Shell,
    pub kitchen: Kitchen<'a>,
    pub pki: Pki,
    _rabbit: RabbitMq,
    pub postgres: Postgres,
    pub graph: Graph,
    pub home: &'a Path,
}

/// The simulator.
pub struct Graph {
    _process: Process,
    pub tenants: Vec<Value>,
    control: String,
    ca: PathBuf,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_of_two_pools_read_their_tenants_into_a_sink() {
    let Some(python) = Python::for_manifests().unwrap() else {
        return;
    };
    let Some(podman) = Podman::start().unwrap() else {
        println!(
            "NOT SHOWN: that the images start, that their pods are confined and read a tenant, that pools can't reach each other"
        );
        return;
    };
    let home = tempfile::tempdir().unwrap();
    // All programs, if need be.
    built();
    images(&podman, home.path());
    let network = podman.network().unwrap();
    let stage = stage(&python, &podman, &network, home.path());
    for migration in
        ["token-broker", "collector", "normalizer", "exporter"].map(|s| format!("{s}-migrate"))
    {
        stage.kitchen.work(&migration);
    }
    stage.kitchen.work("collector-migrate-contoso");
    stage.kitchen.work("topology");
    // In no order: what isn't there yet is waited for.
    let addresses = PODS.map(|(pod, last)| (pod, stage.kitchen.serve(pod, last)));
    for (pod, address) in addresses {
        stage.until_ready(pod, address);
        stage.kitchen.confined(pod);
    }
    stage.add_tenants();
    stage.until_the_sink_is_true(&[0, 1]).await;
    pools::apart(&stage).await;
}

/// Builds the images from what the tests run: static programs where `cargo xtask images --run` names them, else those of this
/// build, with the libraries that they want.
fn images(podman: &Podman, home: &Path) {
    let given = std::env::var_os("LEASTWISE_STATIC_PROGRAMS").map(PathBuf::from);
    for program_name in [
        "token-broker",
        "collector",
        "normalizer",
        "exporter",
        "leastwise",
    ] {
        let context = home.join("contexts").join(program_name);
        servers::images::root(&context.join("root")).unwrap();
        fs::write(context.join(format!("{program_name}.cdx.json")), "{}").unwrap();
        let copy = context.join(program_name);
        match &given {
            Some(directory) => _ = fs::copy(directory.join(program_name), &copy).unwrap(),
            None => {
                let built = program(program_name);
                let built = Path::new(built.get_program());
                servers::images::libraries(&context.join("root"), built).unwrap();
                let stripped = Command::new("strip")
                    .arg("-o")
                    .arg(&copy)
                    .arg(built)
                    .status();
                assert!(stripped.unwrap().success());
            }
        }
        let file = root().join(format!("deploy/images/{program_name}.Containerfile"));
        let image = format!("localhost/leastwise/{program_name}:test");
        podman.build(&file, &context, &image, 0, &[]).unwrap();
        fs::remove_dir_all(&context).unwrap();
        // As root it works as well, and has no use for it.
        let said = podman
            .podman(&[
                "run",
                "--rm",
                "--pull",
                "never",
                "--network",
                "none",
                "--user",
                "0:0",
                "--cap-drop",
                "all",
                "--read-only",
                &image,
                "--version",
            ])
            .unwrap();
        assert!(said.starts_with(program_name), "{said}");
    }
    if given.is_none() {
        println!(
            "NOT SHOWN: that static programs resolve names in an empty root: `cargo xtask images --profile quick --run` does"
        );
    }
}

/// Starts what the pods use, and puts down what whoever installs puts down.
fn stage<'a>(
    python: &Python,
    podman: &'a Podman,
    network: &'a Network<'a>,
    home: &'a Path,
) -> Stage<'a> {
    let rendered = root().join("deploy/kubernetes/overlays").join(OVERLAY);
    let rendered = python
        .run("judge.py", &["", &rendered.display().to_string()])
        .unwrap();
    let rendered: Value = serde_json::from_str(&rendered).unwrap();
    let manifests = Manifests::of(&rendered["overlays"], OVERLAY);
    let secrets = home.join("secrets");
    let pki = Pki::new(home.join("pki")).unwrap();
    for certificate in manifests
        .all("Certificate")
        .filter(|c| c["spec"]["isCA"] != true)
    {
        certify(&pki, certificate, &secrets);
    }
    let gateway = network.gateway();
    let here = gateway.to_string();
    let postgres = Postgres::start(&servers::postgres::Options {
        tls: Some(
            pki.issue("postgres", None, &["postgres-rw", &here], Validity::Good)
                .unwrap(),
        ),
        address: Some(gateway),
        port: Some(5432),
        ..Default::default()
    })
    .unwrap();
    let rabbit = RabbitMq::start(&servers::rabbitmq::Options {
        definitions: Some(json!({
            "vhosts": [{ "name": "/" }],
            "users": [{ "name": "installer", "password": "installs", "tags": "administrator" }],
            "permissions": [{ "user": "installer", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*" }],
        })),
        tls: Some(pki.issue("rabbitmq", None, &["rabbitmq", &here], Validity::Good).unwrap()),
        address: Some(gateway),
        port: Some(5671),
        management: Some(15671),
        ..Default::default()
    })
    .unwrap();
    let put = |name: &str, key: &str, content: &[u8]| Kitchen::secret(&secrets, name, key, content);
    put("rabbitmq-default-user", "username", b"installer");
    put("rabbitmq-default-user", "password", b"installs");
    // Keys, passwords and databases, by the page's own commands.
    let shell = Shell::new(home, &postgres, &rabbit);
    shell.types(&["3. Secrets", "5. Databases"]);
    for secret in fs::read_dir(shell.secrets()).unwrap() {
        let secret = secret.unwrap();
        for key in fs::read_dir(secret.path()).unwrap() {
            let key = key.unwrap();
            let (name, file) = (secret.file_name(), key.file_name());
            put(
                name.to_str().unwrap(),
                file.to_str().unwrap(),
                &fs::read(key.path()).unwrap(),
            );
        }
    }
    let graph = graph(home, gateway);
    put("graph", "ca.crt", &fs::read(&graph.ca).unwrap());
    let ca = (
        "LEASTWISE__OUTBOUND__CA_FILE",
        "/var/run/leastwise/graph/ca.crt".to_owned(),
    );
    let fresh = |service: &str| match service {
        "collector" => ("LEASTWISE__COLLECTOR__LATENESS_SECONDS", "0".to_owned()),
        "normalizer" => ("LEASTWISE__NORMALIZER__LATENESS_SECONDS", "0".to_owned()),
        _ => ("LEASTWISE__POLL_SECONDS", "5".to_owned()),
    };
    let kitchen = Kitchen {
        podman,
        network,
        manifests,
        secrets,
        home: home.to_owned(),
        here: vec!["rabbitmq", "postgres-rw"],
        variables: [
            ("token-broker", vec![ca.clone()]),
            ("collector", vec![ca, fresh("collector")]),
            ("normalizer", vec![fresh("normalizer")]),
            ("exporter", vec![fresh("exporter")]),
        ]
        .into(),
    };
    Stage {
        shell,
        kitchen,
        pki,
        _rabbit: rabbit,
        postgres,
        graph,
        home,
    }
}

/// What cert-manager would do.
fn certify(pki: &Pki, certificate: &Value, secrets: &Path) {
    let spec = &certificate["spec"];
    let uri = list(&spec["uris"]).first().and_then(Value::as_str);
    let tls = pki
        .issue(
            spec["commonName"].as_str().unwrap(),
            uri,
            &[],
            Validity::Good,
        )
        .unwrap();
    let secret = spec["secretName"].as_str().unwrap();
    let Tls {
        ca,
        certificate,
        key,
    } = tls;
    for (name, file) in [("ca.crt", ca), ("tls.crt", certificate), ("tls.key", key)] {
        Kitchen::secret(secrets, secret, name, &fs::read(file).unwrap());
    }
}

/// Two tenants, over TLS, on an address that pods reach.
fn graph(home: &Path, gateway: Ipv4Addr) -> Graph {
    let ca = home.join("graph-ca.pem");
    let mut command = program("graph-sim");
    command
        .args([
            "--users",
            "80",
            "--tenants",
            "2",
            "--seed",
            "11",
            "--tls",
            "--ca-file",
        ])
        .arg(&ca);
    command.args(["--listen", &format!("{gateway}:8443")]);
    let process = Process::start(&home.join("graph"), &command).unwrap();
    let mut ready = Value::Null;
    servers::wait_until("the simulator says where it is", LIMIT, || {
        let log = fs::read_to_string(process.log())?;
        let line = log.split_inclusive('\n').find(|l| l.ends_with('\n'));
        ready = line.map_or(Ok(Value::Null), serde_json::from_str)?;
        Ok(!ready.is_null())
    })
    .unwrap();
    Graph {
        _process: process,
        tenants: ready["tenants"].as_array().unwrap().clone(),
        control: ready["control"].as_str().unwrap().to_owned(),
        ca,
    }
}

impl Stage<'_> {
    /// Where a pod is.
    pub fn address(&self, pod: &str) -> Ipv4Addr {
        let (_, last) = PODS.iter().find(|(name, _)| *name == pod).unwrap();
        self.kitchen.network.address(*last)
    }

    /// Asks a pod's page.
    pub fn page(&self, pod: &str, path: &str) -> std::io::Result<String> {
        // Nobody says that a pod is gone.
        let patience = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&(self.address(pod), 9464).into(), patience)?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {pod}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn until_ready(&self, pod: &str, address: Ipv4Addr) {
        let mut said = String::new();
        let ready = servers::wait_until("the pod is ready", LIMIT, || {
            said = self.page(pod, "/readyz").unwrap_or_default();
            Ok(said.contains(" 200 "))
        });
        if ready.is_err() {
            let object = self
                .kitchen
                .manifests
                .workloads()
                .find(|w| name(w) == pod)
                .unwrap();
            let log = self.kitchen.podman.podman(&[
                "logs",
                "--tail",
                "20",
                &self.kitchen.container(object),
            ]);
            panic!("{pod} at {address}: {said}\n{log:?}");
        }
    }

    /// What an operator types.
    pub fn leastwise(&self, pool: &str, arguments: &[&str]) -> Ended {
        // As the page has it, by addresses instead of names, and with who the operator is.
        let mut config = self.shell.block("6. The first tenant", "toml").to_owned();
        for (service, pod) in [
            ("token-broker", "token-broker"),
            ("collector", pool),
            ("normalizer", "normalizer"),
            ("exporter", "exporter"),
        ] {
            let name = format!("https://{service}:7443");
            assert!(config.contains(&name), "{config}");
            config = config.replace(&name, &format!("https://{}:7443", self.address(pod)));
        }
        if pool == "collector-contoso" {
            config = config.replace("/collector\"", "/collector/contoso\"");
        }
        for file in ["ca.crt", "tls.crt", "tls.key"] {
            let own = self.kitchen.secrets.join("operator-tls").join(file);
            config = config.replace(&format!("\"{file}\""), &format!("{own:?}"));
        }
        let file = self.home.join(format!("{pool}.toml"));
        fs::write(&file, config).unwrap();
        let done = program("leastwise")
            .arg("--config")
            .arg(file)
            .args(arguments)
            .output();
        done.unwrap().into()
    }

    /// The first for everybody's pool, the second for its own.
    fn add_tenants(&self) {
        for (tenant, pool) in self.graph.tenants.iter().zip(["default", "contoso"]) {
            let home = self.home.join(format!("tenant-{pool}"));
            fs::create_dir(&home).unwrap();
            fs::write(
                home.join("secret"),
                tenant["clientSecret"].as_str().unwrap(),
            )
            .unwrap();
            let section = format!(
                "id = {}\nclient_id = {}\npool = \"{pool}\"\ncloud = \"custom\"\nauthority = {}\ngraph = {}\n\
                 [[credentials]]\nkind = \"client_secret\"\nfile = \"secret\"\n",
                tenant["id"], tenant["clientId"], tenant["authority"], tenant["graph"]
            );
            let file = home.join("tenant.toml");
            fs::write(&file, section).unwrap();
            let file = file.display().to_string();
            let added = self.leastwise(
                "collector",
                &["tenants", "add", "--file", &file, "--reason", "a test"],
            );
            assert_eq!(added.code, Some(0), "{added:?}");
        }
    }

    /// Users of tenants and what they hold, as the sink shows them.
    fn shown(&self, tenants: &[usize]) -> BTreeSet<String> {
        let sql = "SELECT tenant_id || ' ' || key || ' ' || user_principal_name || ' ' || account_enabled FROM \"user\"
            UNION SELECT tenant_id || ' ' || user_id || ' holds ' || sku_id FROM license_assignment";
        let rows = self.postgres.sql(&Roles::of("inventory").database, sql);
        let rows = rows.unwrap_or_default();
        let of_them = |row: &&str| tenants.iter().any(|n| row.starts_with(self.tenant(*n)));
        rows.lines().filter(of_them).map(str::to_owned).collect()
    }

    /// The id of one of the tenants.
    pub fn tenant(&self, n: usize) -> &str {
        self.graph.tenants[n]["id"].as_str().unwrap()
    }

    /// The same, as it is.
    async fn truth(&self, tenants: &[usize]) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for n in tenants {
            let id = self.tenant(*n);
            for line in self
                .control("GET", &format!("truth/{n}/users"))
                .await
                .lines()
            {
                let user: Value = serde_json::from_str(line).unwrap();
                let text = |key: &str| user[key].as_str().unwrap().to_owned();
                let enabled = user["accountEnabled"].as_bool().unwrap();
                all.insert(format!(
                    "{id} {} {} {enabled}",
                    text("id"),
                    text("userPrincipalName")
                ));
                // An assignment that failed is one too.
                for held in list(&user["licenseAssignmentStates"]) {
                    all.insert(format!(
                        "{id} {} holds {}",
                        text("id"),
                        held["skuId"].as_str().unwrap()
                    ));
                }
            }
        }
        all
    }

    /// Tells the simulator something, or asks it.
    pub async fn control(&self, method: &str, what: &str) -> String {
        let way = http::Config {
            ca_file: Some(self.graph.ca.clone()),
            ..http::Config::default()
        };
        let client = Outbound::open(&way).unwrap().whole();
        let request = ::http::Request::builder()
            .method(method)
            .uri(format!("{}/{what}", self.graph.control));
        let answer = client
            .oneshot(request.body(Bytes::new()).unwrap())
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{what}: {answer:?}");
        String::from_utf8(answer.body().to_vec()).unwrap()
    }

    /// Waits until the sink shows what is so.
    pub async fn until_the_sink_is_true(&self, tenants: &[usize]) {
        let truth = self.truth(tenants).await;
        assert!(truth.len() > 100 * tenants.len(), "{}", truth.len());
        let same = tokio::task::block_in_place(|| {
            servers::wait_until("the sink shows what is so", LIMIT, || {
                Ok(self.shown(tenants) == truth)
            })
        });
        if same.is_err() {
            let shown = self.shown(tenants);
            let missing: Vec<_> = truth.difference(&shown).take(5).collect();
            let extra: Vec<_> = shown.difference(&truth).take(5).collect();
            let status = self.leastwise("collector", &["status"]);
            panic!(
                "{} of {}; missing {missing:?}, extra {extra:?}; {status:?}",
                shown.len(),
                truth.len()
            );
        }
    }
}
