//! `GET /groups/delta`: which groups changed between two days, and who came into them and left.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::day::shuffle;
use crate::device;
use crate::graph::Call;
use crate::group::{self, GROWN, Sort, What};
use crate::group_json;
use crate::group_log::Life;
use crate::guid::{self, Kind};
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::rng::{Rng, mix};
use crate::roster::{self, Audience};
use crate::shape::{self, Object};
use crate::ticket::{Purpose, Ticket, bound};
use crate::{collection, expired};

/// Objects of a page, and entries of `members@delta` of a page: large groups go over several pages.
const PAGE: usize = 200;
const MEMBERS: usize = 500;
/// Marks a round that started without a token.
const FULL: u32 = u32::MAX;
/// The bit of a selection that means `members`.
const WITH_MEMBERS: u64 = 1 << 63;

/// One page of a round: the first without a token, or what a link asks for.
pub(crate) fn round(call: &Call, query: &Query) -> Result<Reply, Failure> {
    query.only(&["$select", "$skiptoken", "$deltatoken"])?;
    let ticket = match (&query.skip_token, &query.delta_token) {
        (Some(token), None) => open(call, Purpose::DeltaPage, token)?,
        (None, Some(token)) if token != "latest" && !token.is_empty() => {
            let known = open(call, Purpose::Delta, token)?;
            // A replica may know less than the one that made the token: then it names nothing.
            Ticket {
                from: known.to,
                to: call.day.max(known.to),
                place: 0,
                inner: 0,
                ..known
            }
        }
        (None, latest) => {
            let now = latest.as_deref() == Some("latest");
            Ticket {
                purpose: Purpose::DeltaPage,
                tenant: call.who.number,
                bound: bound(&["groups/delta"]),
                place: if now { 0 } else { 1 },
                inner: 0,
                top: 0,
                from: if now { call.day } else { FULL },
                to: call.day,
                at: call.sim.now().as_secs(),
                select: selection(query)?,
            }
        }
        (Some(_), Some(_)) => {
            return Err(Failure::bad(
                "Only one of $skiptoken and $deltatoken can be given.",
            ));
        }
    };
    let round = Round { call, ticket };
    let (values, next) = if ticket.from == FULL {
        round.everything()
    } else {
        round.changes()
    };
    Ok(round.page(values, next))
}

/// What is selected, as bits: positions among the names that can be told, and whether members are.
fn selection(query: &Query) -> Result<u64, Failure> {
    let Some(list) = &query.select else {
        return Ok(u64::MAX);
    };
    let mut bits = 0;
    let mut rest = Vec::new();
    for name in list.split(',').map(str::trim) {
        if name.eq_ignore_ascii_case("members") {
            bits |= WITH_MEMBERS;
        } else {
            rest.push(name);
        }
    }
    let rest = Query {
        select: (!rest.is_empty()).then(|| rest.join(",")),
        ..Query::default()
    };
    if rest.select.is_some() {
        bits |= shape::of("group").choose(&rest, false)?.bits();
    }
    Ok(bits)
}

fn open(call: &Call, purpose: Purpose, token: &str) -> Result<Ticket, Failure> {
    let ticket = Ticket::open(call.sim.key(), purpose, token)
        .filter(|t| usize::from(t.tenant) == call.tenant && t.bound == bound(&["groups/delta"]))
        .ok_or_else(|| Failure::bad("Badly formed token."))?;
    expired::check(call, "groups/delta", ticket.to, ticket.at)?;
    Ok(ticket)
}

/// Where the next page starts.
type Next = Option<(u32, u32)>;

struct Round<'a> {
    call: &'a Call<'a>,
    ticket: Ticket,
}

impl Round<'_> {
    /// Objects of a page.
    fn most(&self) -> usize {
        PAGE.min(usize::from(self.call.sim.config().page_limit()))
    }

    fn members_wanted(&self) -> bool {
        self.ticket.select & WITH_MEMBERS != 0
    }

    /// The initial round: all groups of the day on which it began, with all who are in them.
    fn everything(&self) -> (Vec<Value>, Next) {
        let (world, day) = (self.call.world, self.ticket.to);
        let mut values: Vec<Value> = Vec::new();
        let mut room = MEMBERS;
        let mut inner = self.ticket.inner;
        for number in self.ticket.place..world.groups.limit(day) {
            let Some(group) = world.groups.group(self.call.who.key, number, day) else {
                continue;
            };
            if values.len() >= self.most() || room == 0 {
                return (values, Some((number, inner)));
            }
            let mut object = self.told(number, &group_json::values(self.call.who, &group, day));
            if self.members_wanted() {
                let (members, next) = self.members(number, std::mem::take(&mut inner), room);
                room -= members.len().min(room);
                if !members.is_empty() {
                    object.insert("members@delta".to_owned(), members.into());
                }
                if let Some(next) = next {
                    values.push(object.into());
                    return (values, Some((number, next)));
                }
            }
            values.push(object.into());
        }
        (values, None)
    }

    /// Up to `room` members of a group from a place on: the groups inside come before the users.
    fn members(&self, number: u32, start: u32, room: usize) -> (Vec<Value>, Option<u32>) {
        let (world, day) = (self.call.world, self.ticket.to);
        let groups = roster::inside(world, number, day);
        let inner = groups.len() as u32;
        let audience = Audience::of(world, number, day, false);
        let mut members = Vec::new();
        let groups = groups
            .iter()
            .zip(0..)
            .map(|(g, place)| (place, Kind::Group, g.number));
        let first = start.saturating_sub(inner);
        let users = audience.candidates(world, day, first).filter_map(|index| {
            let user = world.known(index, day)?;
            audience
                .holds(&user)
                .then_some((inner + index, Kind::User, index))
        });
        let devices = roster::devices(world, number, day, start);
        let devices = devices.map(|d| (d.place, Kind::Device, d.place));
        let groups = groups.filter(|(p, ..)| *p >= start);
        for (place, kind, index) in groups.chain(users).chain(devices) {
            if members.len() >= room {
                return (members, Some(place));
            }
            members.push(self.member(kind, index, true));
        }
        (members, None)
    }

    /// A later round: each group that changed, and who came and went.
    fn changes(&self) -> (Vec<Value>, Next) {
        let (world, from, to) = (self.call.world, self.ticket.from, self.ticket.to);
        let mut changed: BTreeSet<u32> = (from + 1..=to)
            .flat_map(|day| world.groups.changed(day).iter().copied())
            .collect();
        let moves = if self.members_wanted() {
            moves(self.call, from, to)
        } else {
            BTreeMap::new()
        };
        changed.extend(moves.keys());
        let mut order: Vec<u32> = changed.into_iter().collect();
        // Nobody promises an order.
        shuffle(
            &mut order,
            &mut Rng::new(mix(self.ticket.at, u64::from(to))),
        );
        let mut values = Vec::new();
        let mut room = MEMBERS;
        let mut inner = self.ticket.inner as usize;
        for (place, number) in order.iter().enumerate().skip(self.ticket.place as usize) {
            if values.len() >= self.most() || room == 0 {
                return (values, Some((place as u32, inner as u32)));
            }
            let skipped = std::mem::take(&mut inner);
            let nobody = BTreeMap::new();
            let entries = moves.get(number).unwrap_or(&nobody);
            let Some(mut object) = self.changed(*number, entries.is_empty()) else {
                continue;
            };
            let gone = object.contains_key("@removed");
            // The same group again, before its members are told.
            if self.call.sim.replays_delta() && number.is_multiple_of(3) {
                values.push(object.clone().into());
            }
            let kind = match *number {
                group::DEVICES => Kind::Device,
                _ => Kind::User,
            };
            let some = entries.iter().skip(skipped).take(room);
            let taken = some.len();
            let mut members = self.inside_when_new(*number, skipped);
            members.extend(some.map(|(index, came)| self.member(kind, *index, *came)));
            if !members.is_empty() && !gone {
                room -= taken;
                let rest = skipped + taken;
                object.insert("members@delta".to_owned(), members.into());
                if rest < entries.len() {
                    values.push(object.into());
                    return (values, Some((place as u32, rest as u32)));
                }
            }
            values.push(object.into());
        }
        (values, None)
    }

    /// The groups inside a group that is new: they come with it.
    fn inside_when_new(&self, number: u32, skipped: usize) -> Vec<Value> {
        let (world, from) = (self.call.world, self.ticket.from);
        let new = world.groups.life(number, from) == Life::Unborn;
        if skipped > 0 || !new || !self.members_wanted() {
            return Vec::new();
        }
        let inside = roster::inside(world, number, self.ticket.to).into_iter();
        inside
            .map(|g| self.member(Kind::Group, g.number, true))
            .collect()
    }

    /// A group that changed, as the round names it; none if nothing that is selected differs.
    fn changed(&self, number: u32, nobody_moved: bool) -> Option<Object> {
        let (groups, who) = (&self.call.world.groups, self.call.who);
        let (from, to) = (self.ticket.from, self.ticket.to);
        let id = || guid::text(guid::of(who.key, Kind::Group, u64::from(number)));
        let removed = |reason: &str| {
            let mut object = Object::new();
            object.insert("id".to_owned(), id().into());
            object.insert("@removed".to_owned(), json!({ "reason": reason }));
            Some(object)
        };
        match (groups.life(number, from), groups.life(number, to)) {
            (_, Life::Unborn) | (Life::Purged, _) => return None,
            (Life::Deleted(_), Life::Deleted(_)) => return None,
            (_, Life::Deleted(_)) => return removed("changed"),
            (_, Life::Purged) => return removed("deleted"),
            (_, Life::Lives) => {}
        }
        let now = group_json::values(who, &groups.known(who.key, number, to)?, to);
        let was = groups
            .group(who.key, number, from)
            .map(|g| self.told(number, &group_json::values(who, &g, from)));
        let mut is = self.told(number, &now);
        if let Some(was) = was {
            if was == is && nobody_moved {
                return None;
            }
            if self.call.asked.minimal {
                is.retain(|name, value| name == "id" || was.get(name) != Some(value));
            }
        }
        Some(is)
    }

    /// The selected properties of a group that have a value; the id always.
    fn told(&self, number: u32, values: &Object) -> Object {
        let shape = shape::of("group");
        let mut object = shape.of_bits(self.ticket.select).pick(values.clone());
        object.retain(|_, value| !value.is_null());
        let id = guid::of(self.call.who.key, Kind::Group, u64::from(number));
        object.insert("id".to_owned(), guid::text(id).into());
        object
    }

    fn member(&self, kind: Kind, index: u32, came: bool) -> Value {
        let id = guid::text(guid::of(self.call.who.key, kind, u64::from(index)));
        let kind = match kind {
            Kind::Group => "#microsoft.graph.group",
            Kind::Device => "#microsoft.graph.device",
            _ => "#microsoft.graph.user",
        };
        if came {
            json!({"@odata.type": kind, "id": id})
        } else {
            json!({"@odata.type": kind, "id": id, "@removed": {"reason": "deleted"}})
        }
    }

    fn page(&self, values: Vec<Value>, next: Next) -> Reply {
        let link = |name: &str, ticket: Ticket| {
            format!(
                "{}/v1.0/groups/delta?{name}={}",
                self.call.base,
                collection::encode(&ticket.seal(self.call.sim.key()))
            )
        };
        let objects = values.len() as u32;
        let context = if self.ticket.select == u64::MAX {
            "groups".to_owned()
        } else {
            format!(
                "groups({})",
                shape::of("group").of_bits(self.ticket.select).names()
            )
        };
        let mut body = json!({
            "@odata.context": format!("{}/v1.0/$metadata#{context}", self.call.base),
            "value": values,
        });
        let (name, url) = match next {
            Some((place, inner)) => {
                let ticket = Ticket {
                    purpose: Purpose::DeltaPage,
                    place,
                    inner,
                    ..self.ticket
                };
                ("@odata.nextLink", link("$skiptoken", ticket))
            }
            None => {
                let ticket = Ticket {
                    purpose: Purpose::Delta,
                    at: self.call.sim.now().as_secs(),
                    ..self.ticket
                };
                ("@odata.deltaLink", link("$deltatoken", ticket))
            }
        };
        body[name] = url.into();
        let mut reply = Reply::json(body.to_string().into_bytes());
        reply.objects = objects;
        if self.call.asked.minimal {
            reply = reply.header("preference-applied", "return=minimal");
        }
        reply
    }
}

/// Who came into which group (true) and who left it between two days, by group and user; devices by place.
pub(crate) fn moves(call: &Call, from: u32, to: u32) -> BTreeMap<u32, BTreeMap<u32, bool>> {
    let world = call.world;
    let mut moves: BTreeMap<u32, BTreeMap<u32, bool>> = BTreeMap::new();
    // A new computer is there the day after its first user, and stays.
    for owner in (from..=to).flat_map(|day| world.changed(day).iter().copied()) {
        let devices = device::of_user(world, owner, to).filter(|d| d.shared && d.registered);
        let new = devices.filter(|d| d.since > from as i32 && d.since <= to as i32);
        for place in new.map(|d| d.place) {
            moves.entry(group::DEVICES).or_default().insert(place, true);
        }
    }
    let users: BTreeSet<u32> = (from + 1..=to)
        .flat_map(|day| world.changed(day).iter().copied())
        .collect();
    let mut purged = BTreeSet::new();
    for index in users {
        let groups = |day| {
            let user = world.known(index, day);
            user.map(|u| roster::derived(&u)).unwrap_or_default()
        };
        let (was, is) = (groups(from), groups(to));
        for number in was.iter().filter(|n| !is.contains(n)) {
            moves.entry(*number).or_default().insert(index, false);
        }
        for number in is.iter().filter(|n| !was.contains(n)) {
            moves.entry(*number).or_default().insert(index, true);
        }
        if world.known(index, to).is_none() && world.known(index, from).is_some() {
            purged.insert(index);
        }
    }
    let touched: BTreeSet<u32> = (from + 1..=to)
        .flat_map(|day| world.groups.changed(day).iter().copied())
        .collect();
    let numbers: Box<dyn Iterator<Item = u32>> = if purged.is_empty() {
        Box::new(touched.into_iter())
    } else {
        Box::new(GROWN..world.groups.limit(to))
    };
    for number in numbers.filter(|n| Sort::of(*n).is_some_and(|s| !s.derived())) {
        let new = world
            .groups
            .past(number, to)
            .any(|(day, what)| day > from && matches!(what, What::Created | What::Restored));
        let listed = |day: u32, none: bool| -> Vec<u32> {
            let members = if none {
                Vec::new()
            } else {
                roster::list(world, number, day)
            };
            members
                .into_iter()
                .filter(|m| world.known(*m, day).is_some())
                .collect()
        };
        let (was, is) = (listed(from, new), listed(to, false));
        for index in was.iter().filter(|i| is.binary_search(i).is_err()) {
            moves.entry(number).or_default().insert(*index, false);
        }
        for index in is.iter().filter(|i| was.binary_search(i).is_err()) {
            moves.entry(number).or_default().insert(*index, true);
        }
    }
    moves
}
