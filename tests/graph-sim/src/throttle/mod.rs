//! Throttling as it is documented: budgets by service, application and tenant, and what a refusal tells.
//!
//! Source: the Graph pages on throttling and on service-specific limits. Off unless asked for.

mod limits;
mod meter;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::calendar;
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::units::units;
pub(crate) use limits::Size;
use limits::{Limit, Scope, Service};
use meter::Meter;

/// How a simulation throttles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Throttling {
    /// All documented budgets are divided by this; more than 1 makes them bind in small tenants.
    pub divisor: f64,
    /// How a budget comes back.
    pub window: Window,
    /// What a refusal says about waiting.
    pub retry_after: RetryAfter,
    /// Whether answers tell `x-ms-resource-unit` and, when a budget is nearly used up, `x-ms-throttle-limit-percentage`.
    pub headers: bool,
    /// Intune hides its limit behind a 500.
    pub intune_as_500: bool,
    /// `signInActivity` counts against the limit of audit reports too; whether it really does is not known.
    pub sign_in_activity_as_report: bool,
    /// The share of a budget up to which requests with `x-ms-throttle-priority: low` are served; Graph names no figure.
    pub low_priority_share: f64,
}

impl Default for Throttling {
    fn default() -> Self {
        Self {
            divisor: 1.0,
            window: Window::Bucket,
            retry_after: RetryAfter::Graph,
            headers: true,
            intune_as_500: false,
            sign_in_activity_as_report: false,
            low_priority_share: 1.0,
        }
    }
}

/// How a budget comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Window {
    /// A bucket: evenly.
    Bucket,
    /// A sliding window: as much as was used that long ago.
    Sliding,
    /// Fixed windows: all at once at the end of each.
    Fixed,
}

/// What a refusal says about waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryAfter {
    /// As each service does: whole seconds from the directory, nothing from Intune and the reports.
    Graph,
    /// Whole seconds.
    Seconds,
    /// Seconds with a fraction, as an old page shows.
    Decimal,
    /// An HTTP date.
    Date,
    /// Nothing.
    Absent,
}

/// Who asks for what.
pub(crate) struct Asker<'a> {
    pub(crate) app: &'a str,
    pub(crate) tenant: usize,
    pub(crate) tenant_id: &'a str,
    pub(crate) size: Size,
    pub(crate) low_priority: bool,
    pub(crate) method: &'a str,
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a str,
}

/// When it is: simulated milliseconds, seconds since 1970, and how much faster than the wall simulated time runs.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) millis: u64,
    pub(crate) unix: u64,
    pub(crate) speed: f64,
}

/// The budgets of a simulation.
#[derive(Default)]
pub(crate) struct Throttle {
    settings: Option<Throttling>,
    meters: HashMap<(u64, &'static str), Meter>,
}

/// What an answer tells about its cost.
#[derive(Default, Debug)]
pub(crate) struct Told(Vec<(&'static str, String)>);

impl Told {
    pub(crate) fn add_to(self, mut reply: Reply) -> Reply {
        reply.headers.extend(self.0);
        reply
    }
}

impl Throttle {
    pub(crate) fn new(settings: Option<Throttling>) -> Self {
        Self {
            settings,
            meters: HashMap::new(),
        }
    }

    /// Charges a request, and refuses it where a budget is used up. Refused attempts count too.
    pub(crate) fn admit(&mut self, asker: &Asker, moment: Moment) -> Result<Told, Failure> {
        // A query that can't be read costs as one without options.
        let query = Query::parse(asker.query).unwrap_or_default();
        let cost = units(asker.path, &query);
        let service = Service::of(asker.path);
        let unit = ("x-ms-resource-unit", cost.to_string());
        let tells_units = service == Service::Identity && asker.path != ["$batch"];
        let Some(settings) = &self.settings else {
            return Ok(Told(if tells_units { vec![unit] } else { Vec::new() }));
        };
        if asker.path == ["$batch"] {
            // Only its parts count.
            return Ok(Told::default());
        }
        let mut most = 0.0_f64;
        let mut refused: Option<(u64, Limit)> = None;
        for limit in limits::of(asker, &query, service, settings) {
            let amount = (limit.amount / settings.divisor.max(f64::MIN_POSITIVE)).max(1.0);
            let cost = if limit.in_units { f64::from(cost) } else { 1.0 };
            let share = if asker.low_priority {
                settings.low_priority_share.clamp(0.01, 1.0)
            } else {
                1.0
            };
            let meter = self
                .meters
                .entry((limit.key, limit.name))
                .or_insert_with(|| Meter::new(settings.window));
            let charged = meter.charge(
                moment.millis,
                // What costs more than a whole budget would never be served.
                amount.max(cost),
                limit.millis,
                cost,
                share,
            );
            most = most.max(charged.used);
            if let Some(wait) = charged.wait
                && refused.as_ref().is_none_or(|(longest, _)| *longest < wait)
            {
                refused = Some((wait, limit));
            }
        }
        let mut told = Vec::new();
        if settings.headers {
            told.extend(tells_units.then_some(unit));
            let near = most > 0.8;
            told.extend(near.then(|| ("x-ms-throttle-limit-percentage", format!("{most:.2}"))));
        }
        match refused {
            None => Ok(Told(told)),
            Some((wait, limit)) => Err(refusal(
                settings, asker, service, &limit, wait, moment, told,
            )),
        }
    }
}

fn refusal(
    settings: &Throttling,
    asker: &Asker,
    service: Service,
    limit: &Limit,
    wait: u64,
    moment: Moment,
    told: Vec<(&'static str, String)>,
) -> Failure {
    if settings.intune_as_500 && service.is_intune() {
        let message =
            "Rate limit reached because of too many requests to query broker. Please retry later.";
        return Failure::new(500, "InternalServerError", message);
    }
    let code = if service == Service::Audit {
        "UnknownError"
    } else {
        "TooManyRequests"
    };
    let mut failure = Failure::new(429, code, "Too many requests. Please retry later.");
    failure.headers = told;
    let scope = match limit.scope {
        Scope::TenantApplication => "Tenant_Application",
        Scope::Tenant => "Tenant",
        Scope::Application => "Application",
    };
    let (app, tenant) = (asker.app, asker.tenant_id);
    let kind = limit.kind;
    failure = failure.header(
        "x-ms-throttle-scope",
        format!("{scope}/{kind}/{app}/{tenant}"),
    );
    if limit.in_units {
        failure = failure.header("x-ms-throttle-information", "ResourceUnitLimitExceeded");
    } else if kind == "Write" {
        failure = failure.header("x-ms-throttle-information", "WriteLimitExceeded");
    }
    // The client waits on the wall.
    let seconds = wait as f64 / 1_000.0 / moment.speed.max(f64::MIN_POSITIVE);
    let whole = seconds.ceil().max(1.0) as u64;
    let after = match settings.retry_after {
        RetryAfter::Graph if !service.says_when() => None,
        RetryAfter::Graph | RetryAfter::Seconds => Some(whole.to_string()),
        RetryAfter::Decimal => Some(format!("{seconds:.3}")),
        RetryAfter::Date => Some(calendar::http(moment.unix.saturating_add(whole))),
        RetryAfter::Absent => None,
    };
    match after {
        Some(after) => failure.header("retry-after", after),
        None => failure,
    }
}
