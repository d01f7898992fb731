//! Pages of any collection whose objects are made while they are written.

use serde_json::Value;

use crate::filter::{Expr, Mode, Rules};
use crate::graph::Call;
use crate::json;
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::shape::Object;
use crate::ticket::{self, Purpose, Ticket};

/// One collection.
pub(crate) struct Set {
    /// Below the version root.
    pub(crate) path: String,
    /// What stands behind `$metadata#`.
    pub(crate) context: String,
    /// Objects of a page without `$top`, and the most that can be asked for.
    pub(crate) page: u16,
    pub(crate) most: u16,
}

/// An object of a collection.
pub(crate) enum Item {
    Values(Object),
    /// JSON of an object.
    Text(Vec<u8>),
}

/// Objects with the places at which they stand, ascending.
pub(crate) type Items<'a> = Box<dyn Iterator<Item = (u32, Item)> + 'a>;

/// Answers one page; `items` gives what stands at a place or after it, `total` their number.
pub(crate) fn page<'a>(
    call: &Call,
    query: &Query,
    set: &Set,
    total: impl FnOnce() -> u32,
    items: impl FnOnce(u32) -> Items<'a>,
) -> Result<Reply, Failure> {
    if query.delta_token.is_some() {
        let message = "The query parameter '$deltatoken' is not supported.";
        return Err(Failure::new(400, "BadRequest", message));
    }
    query.check_format()?;
    query.only(&["$select", "$top", "$filter", "$skiptoken"])?;
    let bound = bound(set, query);
    let (start, top) = match &query.skip_token {
        Some(token) => {
            let ticket = open(call, token, bound)?;
            (ticket.place, ticket.top)
        }
        None => (0, top(query, set)?.min(call.sim.config().page_limit())),
    };
    let counted = call.asked.eventual && query.count && query.skip_token.is_none();
    let mut body = Vec::with_capacity(4_096);
    body.extend_from_slice(b"{\"@odata.context\":");
    json::string(
        &mut body,
        &format!("{}/v1.0/$metadata#{}", call.base, set.context),
    );
    if counted {
        body.extend_from_slice(b",\"@odata.count\":");
        json::number(&mut body, u64::from(total()));
    }
    let gap = body.len();
    body.extend_from_slice(b",\"value\":[");
    let mut objects = 0;
    let mut next = None;
    for (place, item) in items(start) {
        if objects >= u32::from(top) {
            next = Some(place);
            break;
        }
        if objects > 0 {
            body.push(b',');
        }
        write(&mut body, item);
        objects += 1;
    }
    body.extend_from_slice(b"]}");
    if let Some(place) = next {
        let url = link(call, query, set, place, top, bound);
        let mut text = Vec::with_capacity(url.len() + 24);
        text.extend_from_slice(b",\"@odata.nextLink\":");
        json::string(&mut text, &url);
        body.splice(gap..gap, text);
    }
    let mut reply = Reply::json(body);
    reply.objects = objects;
    Ok(reply)
}

/// A `$filter` on objects that are made as values.
pub(crate) struct Filter(Option<Expr>);

impl Filter {
    /// Reads a filter and refuses what Graph refuses of it.
    pub(crate) fn read(query: &Query, rules: Rules, mode: Mode) -> Result<Self, Failure> {
        let expr = query.filter.as_deref().map(Expr::parse).transpose()?;
        if let Some(expr) = &expr {
            rules.check(expr, mode)?;
        }
        Ok(Self(expr))
    }

    /// The mode of a list.
    pub(crate) fn mode(call: &Call, query: &Query) -> Mode {
        if call.asked.eventual && query.count {
            Mode::Advanced
        } else {
            Mode::Plain
        }
    }

    /// The object, if it matches.
    pub(crate) fn pass(&self, object: Object) -> Option<Object> {
        let Some(expr) = &self.0 else {
            return Some(object);
        };
        match Value::Object(object) {
            value if !expr.matches(&value) => None,
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The ids, if nothing else is asked for.
    pub(crate) fn ids(&self) -> Option<Vec<&str>> {
        self.0.as_ref().and_then(Expr::ids)
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn asks(&self, property: &str) -> bool {
        let mut found = false;
        if let Some(expr) = &self.0 {
            expr.properties(&mut |name| found |= name.eq_ignore_ascii_case(property));
        }
        found
    }
}

/// Graph lost the place of a link, or never had it.
pub(crate) fn expired_page() -> Failure {
    let message =
        "The specified page token value has expired and can no longer be included in your request.";
    Failure::new(400, "Directory_ExpiredPageToken", message)
}

/// Answers a single object.
pub(crate) fn entity(call: &Call, context: &str, object: Object) -> Reply {
    let mut object = object;
    let context = format!("{}/v1.0/$metadata#{context}/$entity", call.base);
    object.insert("@odata.context".to_owned(), context.into());
    let mut reply = Reply::json(Value::Object(object).to_string().into_bytes());
    reply.objects = 1;
    reply
}

/// Answers the number of objects of a collection as text.
pub(crate) fn count(call: &Call, number: impl FnOnce() -> u32) -> Result<Reply, Failure> {
    if !call.asked.eventual {
        return Err(Failure::bad("$count is not currently supported."));
    }
    if call.asked.json {
        let message = "Requested content type is not supported.";
        return Err(Failure::new(415, "Request_BadRequest", message));
    }
    Ok(Reply::text(number().to_string()))
}

fn write(body: &mut Vec<u8>, item: Item) {
    match item {
        Item::Values(object) => {
            body.extend_from_slice(Value::Object(object).to_string().as_bytes())
        }
        Item::Text(text) => body.extend_from_slice(&text),
    }
}

fn top(query: &Query, set: &Set) -> Result<u16, Failure> {
    let Some(text) = &query.top else {
        return Ok(set.page);
    };
    match text.parse::<u32>() {
        Ok(top) if (1..=u32::from(set.most)).contains(&top) => Ok(top as u16),
        Ok(_) => Err(Failure::unsupported(format!(
            "Invalid page size specified: '{text}'. Must be between 1 and {} inclusive.",
            set.most
        ))),
        Err(_) => Err(Failure::bad(format!(
            "Invalid value '{text}' for $top query option found."
        ))),
    }
}

fn bound(set: &Set, query: &Query) -> u64 {
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    ticket::bound(&[&set.path, &text(&query.select), &text(&query.filter)])
}

fn open(call: &Call, token: &str, bound: u64) -> Result<Ticket, Failure> {
    let young = |ticket: &Ticket| {
        let age = call.sim.now().as_secs().saturating_sub(ticket.at);
        let life = call.sim.config().page_token_life;
        life.is_none_or(|life| age <= life.as_secs())
    };
    Ticket::open(call.sim.key(), Purpose::Page, token)
        .filter(|t| t.bound == bound && usize::from(t.tenant) == call.tenant && young(t))
        .ok_or_else(expired_page)
}

fn link(call: &Call, query: &Query, set: &Set, place: u32, top: u16, bound: u64) -> String {
    let ticket = Ticket {
        purpose: Purpose::Page,
        tenant: call.who.number,
        bound,
        place,
        inner: 0,
        top,
        from: call.day,
        to: call.day,
        at: call.sim.now().as_secs(),
        select: 0,
    };
    let mut url = format!("{}/v1.0/{}?", call.base, set.path);
    for (name, value) in [
        ("$select", query.select.as_deref()),
        ("$filter", query.filter.as_deref()),
        ("$format", query.format.as_deref()),
        ("$count", query.count.then_some("true")),
        ("$top", query.top.as_deref()),
    ] {
        if let Some(value) = value {
            url.push_str(&format!("{name}={}&", encode(value)));
        }
    }
    url.push_str("$skiptoken=");
    url.push_str(&ticket.seal(call.sim.key()));
    url
}

/// Percent encoding of a value; the characters that Graph leaves as they are stay.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b',' | b'(' | b')' | b'/' | b':' | b'$' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
