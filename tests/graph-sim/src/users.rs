//! Reading users: lists in pages, by ids, one by id, and their number.

use crate::access;
use crate::filter::Mode;
use crate::graph::Call;
use crate::guid::{self, Kind};
use crate::json;
use crate::manager;
use crate::property::{Prop, Select};
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::sealed::{Link, Purpose};
use crate::user_json;
use crate::user_query::{self, Ask, Hits};
use crate::world::Life;

/// Bytes that a user takes in an answer with all of an inventory's properties, for the first allocation.
const ABOUT: usize = 1_900;

/// `GET /users`
pub(crate) fn list(call: &Call, query: &Query) -> Result<Reply, Failure> {
    if query.delta_token.is_some() {
        return Err(Failure::new(
            400,
            "BadRequest",
            "The query parameter '$deltatoken' is not supported.",
        ));
    }
    let mut ask = Ask::read(call, query)?;
    let start = match &query.skip_token {
        Some(token) => open(call, token, &ask)?.position,
        None => 0,
    };
    ask.select = visible(call, query, ask.select)?;
    let first_page = query.skip_token.is_none();
    let hits = ask.hits(call)?;
    let total = (ask.mode == Mode::Advanced && first_page).then(|| hits.count(call));
    let mut page = Page::open(call, ask.select, usize::from(ask.top), total);
    page.manager = match &query.expand {
        Some(expand) => Some(manager::shown(call, expand)?),
        None => None,
    };
    let listed = |list: &[u32]| -> Vec<(u32, u32)> {
        let rest = (0..).zip(list.iter().copied()).skip(start as usize);
        rest.take(usize::from(ask.top) + 1).collect()
    };
    let everybody = start..call.world.limit(call.day);
    let next = match &hits {
        Hits::All => page.fill(call, ask.top, everybody.map(|i| (i, i))),
        Hits::Matching(matcher) => {
            let matching = everybody.filter(|i| matcher.matches(call, *i));
            page.fill(call, ask.top, matching.map(|i| (i, i)))
        }
        Hits::Range(found) => {
            // The place is a user, so that who comes and goes meanwhile moves nobody.
            let rest = &found[found.partition_point(|i| *i < start)..];
            page.fill(call, ask.top, rest.iter().map(|i| (*i, *i)))
        }
        Hits::Ids(ids) => page.fill(call, ask.top, listed(ids).into_iter()),
        Hits::Sorted(sorted) => page.fill(call, ask.top, listed(sorted).into_iter()),
    };
    let next = next.map(|position| next_link(call, query, &ask, position));
    Ok(page.close(next.map(|url| ("@odata.nextLink", url))))
}

/// The query as it was, with the place where it goes on.
fn next_link(call: &Call, query: &Query, ask: &Ask, position: u32) -> String {
    let link = Link {
        bind: ask.bind,
        ..link(call, Purpose::Page, position, ask.top, ask.select)
    };
    let mut url = format!("{}/v1.0/users?", call.base);
    if query.select.is_some() || query.skip_token.is_some() {
        url.push_str(&format!("$select={}&", ask.select.names()));
    }
    for (name, value) in [
        ("$filter", &query.filter),
        ("$search", &query.search),
        ("$orderby", &query.order),
        ("$expand", &query.expand),
    ] {
        if let Some(value) = value {
            url.push_str(&format!("{name}={}&", query::encode(value)));
        }
    }
    if query.count {
        url.push_str("$count=true&");
    }
    let (top, token) = (ask.top, link.seal(call.sim.key()));
    url.push_str(&format!("$top={top}&$skiptoken={token}"));
    url
}

/// `GET /users/{id}`; the id may be a `userPrincipalName`, but not for what is read from the reporting store.
pub(crate) fn single(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$select", "$expand"])?;
    let select = visible(call, query, query.user_select()?)?;
    let above = match &query.expand {
        Some(expand) => {
            user_query::check_expand(expand)?;
            Some(manager::shown(call, expand)?)
        }
        None => None,
    };
    let guid = guid::parse(id);
    if select.has("signInActivity") {
        query::check_guarded(select, call.roles)?;
        user_query::premium(call)?;
        if guid.is_none() {
            let message = "Get By Key only supports UserId and the key has to be a valid Guid";
            return Err(Failure::new(400, "BadRequest", message));
        }
    }
    let user = match guid {
        Some(guid) => user_query::find(call, guid),
        None => user_query::by_name(call, id),
    };
    let user = user.ok_or_else(|| Failure::missing(id))?;
    let mut body = Vec::with_capacity(ABOUT + 400);
    body.extend_from_slice(b"{\"@odata.context\":");
    json::string(
        &mut body,
        &context(call, query.select.as_ref().map(|_| select), "/$entity"),
    );
    // The object's own brace becomes the comma after the context.
    let at = body.len();
    user_json::write(&mut body, call.who, &user, select, false);
    if let Some(shown) = above {
        manager::expand(call, &user, shown, &mut body);
    }
    if let Some(brace) = body.get_mut(at) {
        *brace = b',';
    }
    let mut reply = Reply::json(body);
    (reply.objects, reply.first) = (1, Some(user.index));
    Ok(reply)
}

/// `GET /users/$count`
pub(crate) fn count(call: &Call, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$filter", "$search"])?;
    if !call.asked.eventual {
        return Err(Failure::bad("$count is not currently supported."));
    }
    if call.asked.json {
        return Err(Failure::new(
            415,
            "Request_BadRequest",
            "Requested content type is not supported.",
        ));
    }
    let ask = Ask::read_count(call, query)?;
    Ok(Reply::text(ask.hits(call)?.count(call).to_string()))
}

/// With `User.ReadBasic.All` alone only the basic profile is shown: asking for more is refused.
fn visible(call: &Call, query: &Query, select: Select) -> Result<Select, Failure> {
    if !access::only_basic(call.roles) {
        return Ok(select);
    }
    let basic = Select(select.0 & user_query::BASIC.0);
    if query.select.is_some() && basic != select {
        return Err(access::denied());
    }
    Ok(basic)
}

/// The place that a token names; it belongs to one query, one tenant, and some minutes.
fn open(call: &Call, token: &str, ask: &Ask) -> Result<Link, Failure> {
    let young = |link: &Link| {
        let age = call.sim.now().as_secs().saturating_sub(link.at);
        call.sim
            .config()
            .page_token_life
            .is_none_or(|life| age <= life.as_secs())
    };
    let fits = |link: &Link| {
        link.purpose == Purpose::Page
            && usize::from(link.tenant) == call.tenant
            && (link.top, link.bind) == (ask.top, ask.bind)
            && (link.select == ask.select || access::only_basic(call.roles))
            && !ask.forgets
    };
    let link = Link::open(call.sim.key(), token);
    link.filter(|l| fits(l) && young(l)).ok_or_else(|| {
        let message = "The specified page token value has expired and can no longer be included in your request.";
        Failure::new(400, "Directory_ExpiredPageToken", message)
    })
}

/// A link that starts at `position`, with the rest of it as of now.
pub(crate) fn link(call: &Call, purpose: Purpose, position: u32, top: u16, select: Select) -> Link {
    Link {
        purpose,
        tenant: call.who.number,
        position,
        top,
        from: call.day,
        to: call.day,
        day: call.day,
        full: false,
        at: call.sim.now().as_secs(),
        select,
        bind: 0,
    }
}

/// The `@odata.context` of users.
pub(crate) fn context(call: &Call, select: Option<Select>, suffix: &str) -> String {
    let names = select
        .map(|s| format!("({})", s.names()))
        .unwrap_or_default();
    format!("{}/v1.0/$metadata#users{names}{suffix}", call.base)
}

/// A page of users while it is written.
pub(crate) struct Page {
    body: Vec<u8>,
    /// Where the link goes once it is known.
    gap: usize,
    select: Select,
    /// What is shown of the users' managers, if they are expanded.
    manager: Option<Select>,
    objects: u32,
    first: Option<u32>,
}

impl Page {
    pub(crate) fn open(call: &Call, select: Select, objects: usize, count: Option<u32>) -> Self {
        let room = objects.min(call.world.live(call.day) as usize)
            * ABOUT
            * (select.0.count_ones() as usize).min(21)
            / 21;
        let mut body = Vec::with_capacity(room + 2_048);
        body.extend_from_slice(b"{\"@odata.context\":");
        let selected = (select != Select::DEFAULT).then_some(select);
        json::string(&mut body, &context(call, selected, ""));
        if let Some(count) = count {
            body.extend_from_slice(b",\"@odata.count\":");
            json::number(&mut body, u64::from(count));
        }
        let gap = body.len();
        body.extend_from_slice(b",\"value\":[");
        Self {
            body,
            gap,
            select,
            manager: None,
            objects: 0,
            first: None,
        }
    }

    /// Writes up to `top` of the users at (place, index) and returns the place of the next one that lives.
    fn fill(
        &mut self,
        call: &Call,
        top: u16,
        users: impl Iterator<Item = (u32, u32)>,
    ) -> Option<u32> {
        for (place, index) in users {
            if self.objects >= u32::from(top) {
                if call.world.lives(index, call.day) {
                    return Some(place);
                }
            } else if let Some(user) = call.world.user(index, call.day) {
                let (select, above) = (self.select, self.manager);
                self.object(index, |body| {
                    user_json::write(body, call.who, &user, select, false);
                    if let Some(shown) = above {
                        manager::expand(call, &user, shown, body);
                    }
                });
            }
        }
        None
    }

    pub(crate) fn objects(&self) -> u32 {
        self.objects
    }

    /// Appends one object.
    pub(crate) fn object(&mut self, index: u32, write: impl FnOnce(&mut Vec<u8>)) {
        if self.objects > 0 {
            self.body.push(b',');
        }
        write(&mut self.body);
        self.objects += 1;
        self.first.get_or_insert(index);
    }

    /// Ends the page with its link, which stands before the values.
    pub(crate) fn close(mut self, link: Option<(&str, String)>) -> Reply {
        self.body.extend_from_slice(b"]}");
        if let Some((name, url)) = link {
            let mut text = Vec::with_capacity(url.len() + 30);
            text.push(b',');
            json::string(&mut text, name);
            text.push(b':');
            json::string(&mut text, &url);
            self.body.splice(self.gap..self.gap, text);
        }
        let mut reply = Reply::json(self.body);
        (reply.objects, reply.first) = (self.objects, self.first);
        reply
    }
}

/// The inventory's properties, which truth is told in.
pub(crate) const TRUTH: Select = Select::INVENTORY;

/// A removed user as delta names it.
pub(crate) fn removed(out: &mut Vec<u8>, call: &Call, index: u32, day: u32) {
    out.extend_from_slice(b"{\"id\":\"");
    guid::write(out, guid::of(call.who.key, Kind::User, u64::from(index)));
    out.extend_from_slice(match call.world.life(index, day) {
        Life::Purged => b"\",\"@removed\":{\"reason\":\"deleted\"}}",
        _ => b"\",\"@removed\":{\"reason\":\"changed\"}}",
    });
}

/// What delta can track of a selection: never the paths of licences, always the id.
pub(crate) fn trackable(select: Select) -> Select {
    select.without(Prop::LicenseAssignmentStates).with(Prop::Id)
}
