//! Measures the simulator as a process of its own, over loopback: `measure PATH/graph-sim`.
//!
//! Prints one line of JSON for `cargo xtask bench sim`. CPU time and memory are what Linux counts for that process,
//! so that the reading here costs nothing there.
#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the collector selects of users.
const SELECT: &str = "id,userPrincipalName,displayName,givenName,surname,mail,accountEnabled,userType,employeeId,employeeType,department,companyName,jobTitle,officeLocation,city,country,usageLocation,createdDateTime,onPremisesSyncEnabled,onPremisesSamAccountName,onPremisesDomainName,assignedLicenses,licenseAssignmentStates";
const USERS: usize = 1_000_000;
const TENANTS: usize = 200;
/// Tenants read at the same time.
const AT_ONCE: usize = 8;
/// USER_HZ: what the kernel shows to programs is the same on every architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main]
async fn main() -> Outcome<()> {
    let program = std::env::args().nth(1).ok_or("say where graph-sim is")?;
    let (rate, one) = read_one_tenant(&program).await?;
    let many = use_many_tenants(&program).await?;
    let figures = json!({
        "users_per_second_per_core": rate,
        "rss_mb_1m_users": many,
        "rss_mb_one_tenant": one,
    });
    println!("{figures}");
    Ok(())
}

/// Users for each second of the simulator's CPU time, and its memory.
async fn read_one_tenant(program: &str) -> Outcome<(f64, f64)> {
    let sim = Process::start(program, USERS, 1)?;
    let reader = sim.reader(0).await?;
    let before = sim.cpu_seconds()?;
    let path = format!("/v1.0/users?$select={SELECT}&$top=999");
    reader.pages(&path).await?;
    let took = sim.cpu_seconds()? - before;
    let users = sim.control("GET", "stats").await?["objects"]
        .as_f64()
        .unwrap_or_default();
    // New users join only when a day passes, and none did.
    if users < 0.9 * USERS as f64 {
        return Err(format!("only {users} users arrived").into());
    }
    let bytes = reader.bytes.load(Ordering::Relaxed);
    eprintln!("one tenant: {users} users, {bytes} bytes for {took:.2} s of CPU");
    Ok((users / took, sim.peak_mb()?))
}

/// The memory after everything has been used that could take some.
async fn use_many_tenants(program: &str) -> Outcome<f64> {
    let sim = Arc::new(Process::start(program, USERS / TENANTS, TENANTS)?);
    let mut readers = Vec::new();
    for tenant in 0..TENANTS {
        readers.push(Arc::new(sim.reader(tenant).await?));
    }
    // A first round of delta reads all users.
    let delta = format!("/v1.0/users/delta?$select={SELECT}");
    let mut links = each(&readers, |reader, _| {
        let delta = delta.clone();
        async move { reader.pages(&delta).await }
    })
    .await?;
    for round in 0..4 {
        sim.control("POST", "advance?days=7").await?;
        links = each(&readers, |reader, at| {
            let link = links[at].clone();
            async move { reader.pages(&link).await }
        })
        .await?;
        eprintln!("{TENANTS} tenants: day {}", (round + 1) * 7);
    }
    let ranges = [
        "$filter=createdDateTime ge 2015-01-01T00:00:00Z and createdDateTime lt 2020-01-01T00:00:00Z",
        "$filter=createdDateTime ge 2020-01-01T00:00:00Z",
        "$filter=startsWith(userPrincipalName,'a')",
        "$orderby=displayName",
    ];
    each(&readers, |reader, _| async move {
        for range in ranges {
            let range = range.replace(' ', "%20");
            let path = format!("/v1.0/users?{range}&$select={SELECT}&$top=999&$count=true");
            reader.pages(&path).await?;
        }
        for path in ["/v1.0/subscribedSkus", "/v1.0/organization"] {
            reader.pages(path).await?;
        }
        reader.truth().await
    })
    .await?;
    let seen = sim.control("GET", "stats").await?;
    eprintln!("{TENANTS} tenants: {seen}");
    sim.peak_mb()
}

/// Does the same for each tenant, some at a time, and keeps the order.
async fn each<T, F>(
    readers: &[Arc<Reader>],
    work: impl Fn(Arc<Reader>, usize) -> F,
) -> Outcome<Vec<T>>
where
    F: Future<Output = Outcome<T>>,
{
    let all = readers
        .iter()
        .enumerate()
        .map(|(at, reader)| work(Arc::clone(reader), at));
    let done: Vec<Outcome<T>> = futures::stream::iter(all).buffered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

/// A simulator, stopped when it is dropped.
struct Process {
    child: Child,
    ready: Value,
    http: reqwest::Client,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(program: &str, users: usize, tenants: usize) -> Outcome<Self> {
        let mut child = Command::new(program)
            .args(["--users", &users.to_string()])
            .args(["--tenants", &tenants.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("the simulator has no output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line)?;
        Ok(Self {
            ready: serde_json::from_str(&line)?,
            child,
            http: reqwest::Client::builder().no_proxy().no_gzip().build()?,
        })
    }

    fn text(&self, pointer: &str) -> Outcome<String> {
        let value = self.ready.pointer(pointer).and_then(Value::as_str);
        Ok(value
            .ok_or_else(|| format!("the ready line lacks {pointer}"))?
            .to_owned())
    }

    async fn control(&self, method: &str, path: &str) -> Outcome<Value> {
        let url = format!("{}/{path}", self.text("/control")?);
        let answer = self.http.request(method.parse()?, url).send().await?;
        Ok(serde_json::from_slice(
            &answer.error_for_status()?.bytes().await?,
        )?)
    }

    /// A client of one tenant, with its token.
    async fn reader(&self, tenant: usize) -> Outcome<Reader> {
        let of = |name: &str| self.text(&format!("/tenants/{tenant}/{name}"));
        let (id, graph) = (of("id")?, of("graph")?);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &of("clientId")?),
            ("client_secret", &of("clientSecret")?),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let url = format!("{}/{id}/oauth2/v2.0/token", of("authority")?);
        let request = self
            .http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
        let token = answer["access_token"].as_str().ok_or("no token")?;
        Ok(Reader {
            http: self.http.clone(),
            token: token.to_owned(),
            truth: format!(
                "{}/truth?tenant={tenant}&kind=users",
                self.text("/control")?
            ),
            graph,
            bytes: AtomicUsize::new(0),
        })
    }

    /// User and system time of all threads.
    fn cpu_seconds(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').ok_or("no stat")?.1;
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
    }

    /// The largest resident set so far.
    fn peak_mb(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.split_whitespace().next());
        Ok(kib.ok_or("no VmHWM")?.parse::<f64>()? / 1024.0)
    }
}

struct Reader {
    http: reqwest::Client,
    token: String,
    graph: String,
    truth: String,
    bytes: AtomicUsize,
}

impl Reader {
    /// Follows a chain of pages and returns the delta link at its end. It looks only at what is not an object.
    async fn pages(&self, path: &str) -> Outcome<String> {
        let mut next = match path.starts_with('/') {
            true => format!("{}{path}", self.graph),
            false => path.to_owned(),
        };
        loop {
            let request = self.http.get(&next).bearer_auth(&self.token);
            let request = request.header("consistencylevel", "eventual");
            let answer = request.send().await?;
            let status = answer.status();
            let body = answer.bytes().await?;
            self.bytes.fetch_add(body.len(), Ordering::Relaxed);
            if !status.is_success() {
                let body = String::from_utf8_lossy(&body);
                return Err(format!("{next}: {status}: {body}").into());
            }
            let ends = [
                &body[..body.len().min(3_000)],
                &body[body.len().saturating_sub(3_000)..],
            ];
            let link = |name: &str| {
                ends.iter().find_map(|end| {
                    let end = String::from_utf8_lossy(end);
                    let after = end.split_once(&format!("\"{name}\":\""))?.1;
                    Some(after.split_once('"')?.0.to_owned())
                })
            };
            match link("@odata.nextLink") {
                Some(link) => next = link,
                None => return Ok(link("@odata.deltaLink").unwrap_or_default()),
            }
        }
    }

    async fn truth(&self) -> Outcome<()> {
        let answer = self.http.get(&self.truth).send().await?;
        let mut body = answer.error_for_status()?;
        while body.chunk().await?.is_some() {}
        Ok(())
    }
}
