//! What the token-broker costs: requests to Entra ID from a cold cache, time over an empty call from a warm one, memory.

mod disk;
mod empty;
mod installation;
mod load;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use graph_sim::Sim;
use proto::token::v1::GetTokenRequest;

pub use empty::Empty;

use super::{median, share, usage};
use installation::{Installation, Server};
use load::Slice;

/// Callers that find nothing in the cache, all at once.
const COLD: usize = 200;
/// Calls in flight while the broker is compared with an empty one.
const MANY: usize = 256;
/// Callers while the cache is filled: more would only wait for the simulator, which signs one token after another.
const FILLING: usize = 32;
/// Before anything counts: connections, code and counters that are made when they are first used.
const WARM_UP: Duration = Duration::from_secs(1);

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Interleaved pairs behind the ratio, of which the median counts
    #[arg(long, default_value_t = 7)]
    pairs: u32,
    /// Seconds of each half of a pair
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Tenants with a cached token
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..))]
    tenants: u16,
    /// Directory for the audit log and all else that is written; refused where nothing reaches a disk [default: where
    /// this program is]
    #[arg(long)]
    dir: Option<PathBuf>,
}

type Figures = BTreeMap<&'static str, f64>;

/// Runs it and prints the figures as one line of JSON.
///
/// # Errors
/// When something can't be started or a call fails.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let figures = runtime.block_on(measure(args))?;
    println!("{}", serde_json::json!(figures));
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &Args) -> Result<Figures> {
    let mut figures = Figures::new();
    let home = disk::directory(args.dir.as_deref())?;
    figures.insert("disk_sync_ms", disk::sync_ms(home.path())?);
    let (sim, _serving) = share::simulator(1, args.tenants).await?;
    let installation = Installation::new(home.path())?;
    let broker = installation.start("token-broker", sim.tenants()).await?;
    let empty = installation.start("empty_unary", &[]).await?;

    let before = usage::resident_mib(broker.id());
    let requests: Arc<[GetTokenRequest]> = sim.tenants().iter().map(asked).collect();
    cold(&sim, &broker, &requests[0], &mut figures).await?;
    progress("every tenant's token is asked for");
    broker.each(&requests, FILLING).await?;
    let after = usage::resident_mib(broker.id());
    figures.insert("mib_10000_tenants", after - before);
    figures.insert("rss_mib", after);
    figures.insert("rss_mib_before", before);

    warm(args, &broker, &empty, &requests, &mut figures).await?;
    Ok(figures)
}

fn asked(tenant: &graph_sim::TenantInfo) -> GetTokenRequest {
    GetTokenRequest {
        tenant_id: tenant.id.clone(),
        dataset: "users".to_owned(),
        ..GetTokenRequest::default()
    }
}

/// The requests that reach the token endpoint when nobody has the token yet.
async fn cold(
    sim: &Sim,
    broker: &Server,
    request: &GetTokenRequest,
    figures: &mut Figures,
) -> Result<()> {
    let same: Arc<[GetTokenRequest]> = vec![request.clone(); COLD].into();
    broker.each(&same, COLD).await?;
    let log = sim.log();
    let at_entra = log
        .iter()
        .filter(|e| e.path.ends_with("/oauth2/v2.0/token"));
    #[expect(clippy::cast_precision_loss, reason = "a count of a bench")]
    figures.insert("cold_token_requests", at_entra.count() as f64);
    Ok(())
}

/// Both servers in turn, so that what else the machine does meets both.
async fn warm(
    args: &Args,
    broker: &Server,
    empty: &Server,
    requests: &Arc<[GetTokenRequest]>,
    figures: &mut Figures,
) -> Result<()> {
    let nothing: Arc<[GetTokenRequest]> = vec![GetTokenRequest::default()].into();
    let lasting = Duration::from_secs(args.seconds);
    broker.load(requests, MANY, WARM_UP).await?;
    empty.load(&nothing, MANY, WARM_UP).await?;
    let (mut issued, mut answered) = (Slice::default(), Slice::default());
    let (mut of_broker, mut of_empty, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 1..=args.pairs {
        // Each goes first as often as the other: what one leaves behind (a disk that still writes) meets both.
        let (token, call) = if pair % 2 == 1 {
            let token = broker.load(requests, MANY, lasting).await?;
            (token, empty.load(&nothing, MANY, lasting).await?)
        } else {
            let call = empty.load(&nothing, MANY, lasting).await?;
            (broker.load(requests, MANY, lasting).await?, call)
        };
        progress(&format!(
            "pair {pair} of {}: {:.0} tokens/s, {:.0} empty calls/s",
            args.pairs,
            token.per_second(),
            call.per_second()
        ));
        ratios.push(token.per_second() / call.per_second());
        of_broker.push(token.per_second());
        of_empty.push(call.per_second());
        issued.add(token);
        answered.add(call);
    }
    ensure!(!ratios.is_empty(), "no pairs, no figures");
    figures.insert("warm_ratio_to_empty_unary", median(ratios));
    figures.insert("warm_calls_per_second", median(of_broker));
    figures.insert("empty_calls_per_second", median(of_empty));
    figures.insert("warm_server_cpu_us", issued.cpu_micros());
    figures.insert("empty_server_cpu_us", answered.cpu_micros());
    figures.insert("p50_ms_256", issued.quantile_ms(0.5));
    figures.insert("p99_ms_256", issued.quantile_ms(0.99));
    figures.insert("empty_p99_ms_256", answered.quantile_ms(0.99));

    let alone = broker.load(requests, 1, lasting * 2).await?;
    figures.insert("p50_ms_1", alone.quantile_ms(0.5));
    figures.insert("p99_ms_1", alone.quantile_ms(0.99));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a bench of minutes says where it is")]
fn progress(what: &str) {
    eprintln!("{what}");
}
