//! What a simulation is made of.

use std::collections::HashMap;
use std::time::Duration;

use crate::throttle::Throttling;
use crate::trouble::Trouble;
use crate::world::CHURN;

/// Settings of a simulation. Start from [`Config::default`] and change what matters.
#[derive(Clone, Debug)]
pub struct Config {
    /// Users of each tenant on day 0; at most 100 million.
    pub users: u32,
    /// Number of tenants.
    pub tenants: u16,
    /// Equal seeds give equal tenants, secrets, users and changes.
    pub seed: u64,
    /// Late replicas: a read may be answered from the state up to this long ago. None: always current.
    pub lag: Option<Duration>,
    /// Filters and searches are answered from an index that knows the state of so long ago. None: the current one.
    pub filter_lag: Option<Duration>,
    /// A day passes after so many requests, so that objects change while they are read. None: only on request.
    pub day_every_requests: Option<u32>,
    /// Of 100,000 users, those that change on a day; at most all.
    pub churn: u32,
    /// Application permissions that are stamped into the tokens.
    pub roles: Vec<String>,
    /// Other permissions for single tenants, by the tenant's position.
    pub roles_of: HashMap<usize, Vec<String>>,
    /// Base URL of the links in answers, such as `http://127.0.0.1:8080`.
    /// None: the address that a request was sent to.
    pub base: Option<String>,
    /// Whether simulated time runs with the wall clock besides [`crate::Sim::tick`].
    pub wall_clock: bool,
    /// How long the link to the next page works, in simulated time. None: as long as the simulation.
    pub page_token_life: Option<Duration>,
    /// Pages hold at most so many objects, whatever `$top` asks for. None: as many as asked for.
    pub most_on_page: Option<u16>,
    /// Tenants without Entra ID P1 or P2, by position: no sign-in data there.
    pub without_premium: Vec<usize>,
    /// Tenants without Intune, by position: its requests are refused there.
    pub without_intune: Vec<usize>,
    /// How much faster than the wall clock simulated time runs, where it runs with it.
    pub speed: f64,
    /// Budgets of requests. None: no throttling.
    pub throttling: Option<Throttling>,
    /// Whether a delta token that is too old is answered with 410 and the URL of a fresh round, as after a reset of
    /// the server; else with 400 `syncStateNotFound`. Which of them Graph sends is not certain.
    pub delta_gone: bool,
    /// Whether a delta round names objects several times, within a page and on the next one, as Graph may.
    pub delta_replays: bool,
    /// Whether usage reports conceal who is who, as they do unless an administrator changes it.
    pub concealed_names: bool,
    /// Days that usage reports are behind.
    pub report_lag: u32,
    /// What goes wrong.
    pub trouble: Vec<Trouble>,
    /// Equal seeds give equal trouble to equal requests.
    pub trouble_seed: u64,
    /// The date at which simulated time starts, in seconds since 1970: dates follow simulated time alone. None: it starts
    /// when the simulation does, and dates go on with the real clock, because clients compare them with theirs.
    pub start: Option<u64>,
    /// How long the access tokens of people live, as a token lifetime policy may say: ten minutes to a day. None: an hour.
    pub person_token_life: Option<Duration>,
    /// Seconds by which dates in answers and tokens are wrong.
    pub clock_off: i64,
    /// Whether client assertions must be as RFC 7523 and Microsoft's page want them: used once, good for ten minutes at
    /// most, with dates that are whole numbers. Entra itself is more lenient, and so are some of its clients.
    pub strict_assertions: bool,
    /// So many equal requests for a token within ten seconds are taken; more are refused for a minute, in plain text.
    /// None: any number. People who ran into Entra's limit, which is not published, speak of 15.
    pub token_requests: Option<u32>,
    /// Whether answers are compressed for clients that accept gzip.
    pub gzip: bool,
    /// How many requests the log keeps.
    pub log_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            users: 1_000,
            tenants: 1,
            seed: 1,
            lag: None,
            filter_lag: None,
            day_every_requests: None,
            churn: CHURN,
            roles: vec![
                "User.Read.All".to_owned(),
                "Organization.Read.All".to_owned(),
            ],
            roles_of: HashMap::new(),
            base: None,
            wall_clock: false,
            page_token_life: None,
            most_on_page: None,
            without_premium: Vec::new(),
            without_intune: Vec::new(),
            speed: 1.0,
            throttling: None,
            delta_gone: false,
            delta_replays: false,
            concealed_names: true,
            report_lag: 2,
            trouble: Vec::new(),
            trouble_seed: 1,
            start: None,
            person_token_life: None,
            clock_off: 0,
            strict_assertions: false,
            token_requests: None,
            gzip: false,
            log_capacity: 100_000,
        }
    }
}

impl Config {
    pub(crate) fn page_limit(&self) -> u16 {
        self.most_on_page.map_or(u16::MAX, |most| most.max(1))
    }
}

/// Indices are 32 bits, and joiners need some of them.
pub(crate) const MOST_USERS: u32 = 100_000_000;

/// The base that stands in links when a request says no host.
pub(crate) const DEFAULT_BASE: &str = "http://graph-sim.localhost";
