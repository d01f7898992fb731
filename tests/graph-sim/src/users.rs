//! Reading users: lists in pages, by ids, one by id, and their number.

use crate::graph::Call;
use crate::guid::{self, Kind};
use crate::json;
use crate::property::{Prop, Select};
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::sealed::{Link, Purpose};
use crate::user_json;

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
    let (select, top, start) = match &query.skip_token {
        Some(token) => {
            let link = open(call, token)?;
            (link.select, link.top, link.position)
        }
        None => (query.user_select()?, query.user_top()?, 0),
    };
    query::check_collection(select, call.roles)?;
    let counted = call.asked.eventual && query.count;
    let first_page = query.skip_token.is_none();
    let wanted = match &query.filter {
        Some(filter) => Some(by_ids(call, filter, counted)?),
        None => None,
    };
    let total = wanted
        .as_ref()
        .map_or(call.world.live(call.day), |w| w.len() as u32);
    let mut page = Page::open(
        call,
        select,
        usize::from(top),
        (counted && first_page).then_some(total),
    );
    let next = match &wanted {
        Some(ids) => page.fill(
            call,
            top,
            ids.iter()
                .copied()
                .enumerate()
                .skip(start as usize)
                .map(|(n, i)| (n as u32, i)),
        ),
        None => page.fill(
            call,
            top,
            (start..call.world.limit(call.day)).map(|i| (i, i)),
        ),
    };
    let next = next.map(|position| {
        let link = link(call, Purpose::Page, position, top, select);
        let mut url = format!("{}/v1.0/users?", call.base);
        if query.select.is_some() || !first_page {
            url.push_str(&format!("$select={}&", select.names()));
        }
        if let Some(filter) = &query.filter {
            url.push_str(&format!(
                "$filter={}&",
                filter.replace(' ', "%20").replace('\'', "%27")
            ));
        }
        if query.count {
            url.push_str("$count=true&");
        }
        url.push_str(&format!(
            "$top={top}&$skiptoken={}",
            link.seal(call.sim.key())
        ));
        url
    });
    Ok(page.close(next.map(|url| ("@odata.nextLink", url))))
}

/// `GET /users/{id}`
pub(crate) fn single(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    let select = query.user_select()?;
    let guid = guid::parse(id).ok_or_else(|| Failure::missing(id))?;
    let user = find(call, guid).ok_or_else(|| Failure::missing(id))?;
    let mut body = Vec::with_capacity(ABOUT + 400);
    body.extend_from_slice(b"{\"@odata.context\":");
    json::string(
        &mut body,
        &context(call, query.select.as_ref().map(|_| select), "/$entity"),
    );
    // The object's own brace becomes the comma after the context.
    let at = body.len();
    user_json::write(&mut body, call.who, &user, select, false);
    if let Some(brace) = body.get_mut(at) {
        *brace = b',';
    }
    let mut reply = Reply::json(body);
    (reply.objects, reply.first) = (1, Some(user.index));
    Ok(reply)
}

/// `GET /users/$count`
pub(crate) fn count(call: &Call, query: &Query) -> Result<Reply, Failure> {
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
    let number = match &query.filter {
        Some(filter) => by_ids(call, filter, true)?.len() as u32,
        None => call.world.live(call.day),
    };
    Ok(Reply::text(number.to_string()))
}

fn find(call: &Call, guid: u128) -> Option<crate::person::User> {
    let index = guid::index(call.who.key, Kind::User, guid)?;
    call.world.user(u32::try_from(index).ok()?, call.day)
}

/// The indices of the users that a filter names and that live; the others are silently left out.
fn by_ids(call: &Call, filter: &str, advanced: bool) -> Result<Vec<u32>, Failure> {
    let guids = query::ids(filter, advanced)?;
    let mut found: Vec<u32> = guids
        .into_iter()
        .filter_map(|g| find(call, g))
        .map(|u| u.index)
        .collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn open(call: &Call, token: &str) -> Result<Link, Failure> {
    let link = Link::open(call.sim.key(), token);
    link.filter(|l| l.purpose == Purpose::Page && usize::from(l.tenant) == call.tenant).ok_or_else(|| {
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
                let select = self.select;
                self.object(index, |body| {
                    user_json::write(body, call.who, &user, select, false)
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
pub(crate) fn removed(out: &mut Vec<u8>, call: &Call, index: u32) {
    out.extend_from_slice(b"{\"id\":\"");
    guid::write(out, guid::of(call.who.key, Kind::User, u64::from(index)));
    out.extend_from_slice(b"\",\"@removed\":{\"reason\":\"changed\"}}");
}

/// What delta can track of a selection: never the paths of licences, always the id.
pub(crate) fn trackable(select: Select) -> Select {
    select.without(Prop::LicenseAssignmentStates).with(Prop::Id)
}
