//! `GET /reports/…` and `/copilot/reports/…`: where a report is fetched, or its rows as JSON.

use serde_json::{Value, json};

use crate::collection::{self, Item, Items, Set};
use crate::graph::Call;
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::report_cell::{self, Cell, Names};
use crate::report_counts;
use crate::report_kind::{Kind, REPORTS, Report, Time};
use crate::report_rows::{Window, subject};
use crate::shape::Object;
use crate::sim::Sim;
use crate::ticket::{Purpose, Ticket, bound};
use crate::world::World;

/// Seconds for which a report can be fetched.
pub(crate) const FETCHED_WITHIN: u64 = 300;
/// Users on a page of JSON.
const PAGE: u16 = 200;
/// Days back for which a report of one day can be had.
const DATES: i32 = 30;
/// The mark of a report of one day in a ticket; other numbers are periods.
const ONE_DAY: u32 = 1;

/// `GET /reports/{function}`, or of Copilot.
pub(crate) fn report(call: &Call, path: &[&str], query: &Query) -> Result<Reply, Failure> {
    let function = match path {
        ["reports", function] | ["copilot", "reports", function] => *function,
        [.., segment] => return Err(Failure::segment(segment)),
        [] => return Err(Failure::segment("")),
    };
    let (name, arguments) = function.split_once('(').unwrap_or((function, ""));
    let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
    let found = REPORTS.iter().zip(0..).find(|(r, _)| r.name == name);
    let (report, number) = found.ok_or_else(|| Failure::segment(name))?;
    if path[0] == "copilot" && !report.kind.copilot() {
        return Err(Failure::segment(name));
    }
    let refreshed = refreshed(call.sim, call.day);
    let window = window(report, arguments, refreshed)?;
    if query.format.is_some() && report.json {
        return as_json(call, query, &path.join("/"), report, window);
    }
    if report.kind.copilot() {
        // These come at once.
        let mut body = Vec::new();
        let mut start = Some(0);
        while let Some(from) = start {
            start = chunk(
                call.sim,
                call.tenant,
                call.world,
                call.day,
                number,
                window,
                from,
                &mut body,
            );
        }
        let mut reply = Reply::text(String::new());
        (reply.body, reply.content_type) = (body, "application/octet-stream");
        return Ok(reply);
    }
    let ticket = Ticket {
        purpose: Purpose::Download,
        tenant: call.who.number,
        bound: bound(&["download"]),
        place: number,
        inner: match window.on {
            Some(_) => ONE_DAY,
            None => window.period.unsigned_abs(),
        },
        top: 0,
        from: window.on.map_or(0, offset),
        to: call.day,
        at: call.sim.now().as_secs(),
        select: 0,
    };
    let mut reply = Reply::text(String::new());
    reply.status = 302;
    let location = format!(
        "{}/data/download/{}",
        call.base,
        ticket.seal(call.sim.key())
    );
    Ok(reply.header("location", location))
}

/// `GET /admin/reportSettings`
pub(crate) fn settings(call: &Call, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$select"])?;
    let body = json!({
        "@odata.context": format!("{}/v1.0/$metadata#admin/reportSettings/$entity", call.base),
        "displayConcealedNames": call.sim.conceals_names(),
    });
    Ok(Reply::json(body.to_string().into_bytes()))
}

/// The day of which reports tell, relative to day 0: they are days behind.
fn refreshed(sim: &Sim, day: u32) -> i32 {
    day as i32 - sim.report_lag().cast_signed()
}

fn offset(day: i32) -> u32 {
    (day + 10_000).unsigned_abs()
}

/// What a report's arguments ask for.
fn window(report: &Report, arguments: &str, refreshed: i32) -> Result<Window, Failure> {
    let plain = |text: &str| text.trim().trim_matches('\'').to_owned();
    let bad = |message: String| Failure::new(400, "BadRequest", message);
    let everything = Window {
        refreshed,
        period: 180,
        on: None,
    };
    match arguments.split_once('=') {
        None if report.time == Time::Now && arguments.is_empty() => Ok(everything),
        Some(("period", value)) if report.time != Time::Now => {
            let value = plain(value);
            let known = match value.as_str() {
                "D7" => Some(7),
                "D30" => Some(30),
                "D90" => Some(90),
                "D180" => Some(180),
                "ALL" if report.kind.copilot() => Some(180),
                _ => None,
            };
            let period = known.ok_or_else(|| {
                bad(format!(
                    "Invalid period value specified: {value}. Valid values for the period are: D7, D30, D90 and D180."
                ))
            })?;
            Ok(Window {
                period,
                ..everything
            })
        }
        Some(("date", value)) if report.time == Time::PeriodOrDate => {
            let value = plain(value);
            let day = (refreshed - DATES..=refreshed)
                .find(|day| report_cell::date(*day) == value)
                .ok_or_else(|| {
                    bad(format!(
                        "Invalid date value specified: {value}. Only dates of the last {DATES} days are available."
                    ))
                })?;
            Ok(Window {
                refreshed,
                period: 1,
                on: Some(day),
            })
        }
        _ => Err(Failure::segment(report.name)),
    }
}

/// Users whose rows are made at once.
const CHUNK: u32 = 500;

/// Appends some rows of a report as CSV, first its header, and says where to go on.
#[allow(clippy::too_many_arguments)]
fn chunk(
    sim: &Sim,
    tenant: usize,
    world: &World,
    day: u32,
    number: u32,
    window: Window,
    start: u32,
    out: &mut Vec<u8>,
) -> Option<u32> {
    let report = REPORTS.get(number as usize)?;
    let (who, names) = (sim.identity(tenant), names(sim, tenant));
    if start == 0 {
        out.extend_from_slice("\u{feff}".as_bytes());
        out.extend_from_slice(report.header.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if report.kind.counts() {
        for row in report_counts::rows(who, world, day, window, report.kind) {
            report_cell::csv(out, &row, names);
        }
        return None;
    }
    let end = world.limit(day).min(start.saturating_add(CHUNK));
    for subject in (start..end).filter_map(|i| subject(who, world, i, day, window)) {
        for row in subject.rows(report.kind) {
            report_cell::csv(out, &row, names);
        }
    }
    (end < world.limit(day)).then_some(end)
}

/// What a link to a report opens; none if it is wrong or too old.
pub(crate) fn open(sim: &Sim, token: &str) -> Option<Ticket> {
    let ticket = Ticket::open(sim.key(), Purpose::Download, token)?;
    let age = sim.now().as_secs().saturating_sub(ticket.at);
    (age <= FETCHED_WITHIN && usize::from(ticket.tenant) < sim.tenants().len()).then_some(ticket)
}

/// The path at which the report of a link was asked for, without its arguments.
pub(crate) fn path(ticket: &Ticket) -> String {
    let name = REPORTS.get(ticket.place as usize).map_or("", |r| r.name);
    format!("/reports/{name}")
}

/// Some of a report that is fetched, and where to go on.
pub(crate) fn fetched(sim: &Sim, ticket: &Ticket, start: u32) -> (Vec<u8>, Option<u32>) {
    let refreshed = refreshed(sim, ticket.to);
    let window = Window {
        refreshed,
        period: ticket.inner.cast_signed(),
        on: (ticket.inner == ONE_DAY).then(|| ticket.from.cast_signed() - 10_000),
    };
    let mut out = Vec::new();
    let (worlds, tenant) = (sim.worlds(), usize::from(ticket.tenant));
    let next = worlds.tenants.get(tenant).and_then(|world| {
        chunk(
            sim,
            tenant,
            world,
            ticket.to,
            ticket.place,
            window,
            start,
            &mut out,
        )
    });
    (out, next)
}

fn names(sim: &Sim, tenant: usize) -> Names {
    if sim.conceals_names() {
        Names::Concealed(sim.identity(tenant).key)
    } else {
        Names::Shown
    }
}

/// The rows as JSON, in pages of users.
fn as_json(
    call: &Call,
    query: &Query,
    path: &str,
    report: &Report,
    window: Window,
) -> Result<Reply, Failure> {
    let (who, names) = (call.who, names(call.sim, call.tenant));
    let kind = report.kind;
    let set = Set {
        path: path.to_owned(),
        context: format!("Collection(microsoft.graph.{})", entity(report.name)),
        page: PAGE,
        most: 999,
    };
    let query = Query {
        top: query.top.clone(),
        format: query.format.clone(),
        skip_token: query.skip_token.clone(),
        ..Query::default()
    };
    if kind.counts() {
        let rows = report_counts::rows(who, call.world, call.day, window, kind);
        let flat = rows
            .into_iter()
            .map(|r| report_cell::flat(report.header, &r, names))
            .collect::<Vec<_>>();
        let total = flat.len() as u32;
        return collection::page(
            call,
            &query,
            &set,
            || total,
            |start| -> Items<'_> {
                let flat = flat.into_iter().zip(0..).skip(start as usize);
                Box::new(flat.map(|(object, n)| (n, Item::Values(object))))
            },
        );
    }
    let items = |start: u32| -> Items<'_> {
        let all = start..call.world.limit(call.day);
        Box::new(all.filter_map(move |i| {
            let rows = subject(who, call.world, i, call.day, window)?.rows(kind);
            Some((i, Item::Values(object(report, &rows, names)?)))
        }))
    };
    collection::page(call, &query, &set, || 0, items)
}

/// The rows of one user as an object.
pub(crate) fn object(report: &Report, rows: &[Vec<Cell>], names: Names) -> Option<Object> {
    let first = rows.first()?;
    Some(match report.kind {
        Kind::Apps => nested(report.header, first, names, 4, "details", rows),
        Kind::Activations => nested(report.header, first, names, 3, "userActivationCounts", rows),
        _ => report_cell::flat(report.header, first, names),
    })
}

/// The first columns once, and the others of each row in a list.
fn nested(
    header: &str,
    first: &[Cell],
    names: Names,
    outer: usize,
    name: &str,
    rows: &[Vec<Cell>],
) -> Object {
    let mut object: Object = report_cell::flat(header, first.get(..outer).unwrap_or(first), names);
    let inner = |row: &Vec<Cell>| {
        let mut inner = report_cell::flat(header, row, names);
        inner.retain(|name, _| !object.contains_key(name));
        if let Some(Value::String(period)) = inner.get("reportPeriod") {
            let days: u64 = period.parse().unwrap_or(0);
            inner.insert("reportPeriod".to_owned(), days.into());
        }
        if let Some(ios) = inner.remove("iOS") {
            inner.insert("ios".to_owned(), ios);
        }
        Value::Object(inner)
    };
    let list: Vec<Value> = rows.iter().map(inner).collect();
    object.insert(name.to_owned(), list.into());
    object
}

/// `getM365AppUserDetail` gives `m365AppUserDetail`s.
fn entity(function: &str) -> String {
    report_cell::camel(function.strip_prefix("get").unwrap_or(function))
}
