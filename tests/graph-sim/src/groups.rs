//! Reading groups: lists, one by id, and who is in them.

use std::collections::BTreeSet;

use crate::collection::{self, Filter, Item, Items, Set};
use crate::device::Device;
use crate::device_json;
use crate::filter::{Mode, Rules};
use crate::graph::Call;
use crate::group::Group;
use crate::group_json;
use crate::guid;
use crate::person::User;
use crate::property::Select;
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::roster::{self, Audience};
use crate::shape::{self, Chosen, Object};
use crate::user_json;

const RULES: Rules = Rules {
    kind: "group",
    has: |name| shape::of("group").has(name),
};
/// A filter knows it, no answer shows it.
const FAILING: &str = "hasMembersWithLicenseErrors";

/// `GET /groups`
pub(crate) fn list(call: &Call, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("group").choose(query, false)?;
    let mode = Filter::mode(call, query);
    let filter = Filter::read(query, RULES, mode)?;
    // A plain query with this filter loses its place after the first page.
    if query.skip_token.is_some() && mode == Mode::Plain && filter.asks("assignedLicenses") {
        return Err(collection::expired_page());
    }
    let reading = Filtered::new(call, filter)?;
    let set = Set {
        path: "groups".to_owned(),
        context: context(&chosen),
        page: 100,
        most: 999,
    };
    let items = |start: u32| -> Items<'_> {
        let shown = |(number, values)| (number, Item::Values(chosen.pick(values)));
        Box::new(reading.from(start).map(shown))
    };
    collection::page(call, query, &set, || reading.count(), items)
}

/// `GET /groups/$count`
pub(crate) fn count(call: &Call, query: &Query) -> Result<Reply, Failure> {
    let filter = Filter::read(query, RULES, Mode::Advanced)?;
    let reading = Filtered::new(call, filter)?;
    collection::count(call, || reading.count())
}

/// Groups while they are read through a filter.
struct Filtered<'a> {
    call: &'a Call<'a>,
    filter: Filter,
    /// The numbers that are asked for, ascending; none: all.
    wanted: Option<Vec<u32>>,
    failing: BTreeSet<u32>,
}

impl<'a> Filtered<'a> {
    fn new(call: &'a Call<'a>, filter: Filter) -> Result<Self, Failure> {
        let wanted = match filter.ids() {
            Some(ids) => Some(named(call, &ids)?),
            None => None,
        };
        let failing = if filter.asks(FAILING) {
            failing(call)
        } else {
            BTreeSet::new()
        };
        Ok(Self {
            call,
            filter,
            wanted,
            failing,
        })
    }

    fn from(&self, start: u32) -> Box<dyn Iterator<Item = (u32, Object)> + '_> {
        let one = |number: u32| {
            let group = find(self.call, number)?;
            let mut values = group_json::values(self.call.who, &group, self.call.day);
            let fails = self.failing.contains(&number);
            values.insert(FAILING.to_owned(), fails.into());
            Some((number, self.filter.pass(values)?))
        };
        match &self.wanted {
            Some(wanted) => {
                let from = wanted.partition_point(|n| *n < start);
                Box::new(wanted[from..].iter().copied().filter_map(one))
            }
            None => Box::new((start..self.call.world.groups.limit(self.call.day)).filter_map(one)),
        }
    }

    fn count(&self) -> u32 {
        if self.filter.is_any() {
            self.from(0).count() as u32
        } else {
            roster::living(self.call.world, self.call.day)
        }
    }
}

/// `GET /groups/{id}`
pub(crate) fn single(call: &Call, id: &str, query: &Query) -> Result<Reply, Failure> {
    let chosen = shape::of("group").choose(query, true)?;
    let group = by_id(call, id)?;
    let values = group_json::values(call.who, &group, call.day);
    Ok(collection::entity(
        call,
        &context(&chosen),
        chosen.pick(values),
    ))
}

/// What is below `GET /groups/{id}`: members of several kinds.
pub(crate) fn related(
    call: &Call,
    id: &str,
    rest: &[&str],
    query: &Query,
) -> Result<Reply, Failure> {
    let (name, rest) = match rest {
        [name, rest @ ..] => (*name, rest),
        [] => return Err(Failure::segment("")),
    };
    let (transitive, failing) = match name {
        "members" => (false, false),
        "transitiveMembers" => (true, false),
        "membersWithLicenseErrors" => (false, true),
        "owners" => (false, false),
        other => return Err(Failure::segment(other)),
    };
    let group = by_id(call, id)?;
    let (cast, counting) = match rest {
        [] => (None, false),
        ["$count"] => (None, true),
        [cast] => (Some(*cast), false),
        [cast, "$count"] => (Some(*cast), true),
        [_, other, ..] => return Err(Failure::segment(other)),
    };
    let kinds = match cast {
        None => (true, !failing),
        Some("microsoft.graph.user") => (true, false),
        Some("microsoft.graph.group") => (false, true),
        Some("microsoft.graph.device") => (false, false),
        Some(other) => return Err(Failure::segment(other)),
    };
    query.only(&["$select", "$top", "$skiptoken"])?;
    let reading = Reading {
        call,
        group: group.number,
        audience: match name {
            "owners" => Audience::owners(call.world, group.number, call.day),
            _ => Audience::of(call.world, group.number, call.day, transitive),
        },
        failing,
        users: kinds.0,
        groups: if kinds.1 && name != "owners" {
            roster::inside(call.world, group.number, call.day)
        } else {
            Vec::new()
        },
        devices: !failing && name != "owners" && cast.is_none_or(|c| c == "microsoft.graph.device"),
        shown: Shown::new(query, cast.is_none())?,
    };
    let total = || reading.items(0).count() as u32;
    if counting {
        return collection::count(call, total);
    }
    let names = query.select.as_deref().map(|s| format!("({s})"));
    let set = Set {
        path: format!(
            "groups/{id}/{}",
            [name].into_iter().chain(cast).collect::<Vec<_>>().join("/")
        ),
        context: match cast {
            Some("microsoft.graph.user") => format!("users{}", names.unwrap_or_default()),
            Some("microsoft.graph.group") => format!("groups{}", names.unwrap_or_default()),
            _ => format!("directoryObjects{}", names.unwrap_or_default()),
        },
        page: 100,
        most: 999,
    };
    collection::page(call, query, &set, total, |start| reading.items(start))
}

/// Members while they are read: the groups inside first, then the users, then devices.
struct Reading<'a> {
    call: &'a Call<'a>,
    group: u32,
    audience: Audience,
    failing: bool,
    users: bool,
    groups: Vec<Group>,
    devices: bool,
    shown: Shown,
}

impl Reading<'_> {
    fn items(&self, start: u32) -> Items<'_> {
        let inner = self.groups.len() as u32;
        let groups = (start..inner).filter_map(move |place| {
            let group = self.groups.get(place as usize)?;
            Some((place, self.shown.group(self.call, group)))
        });
        let first = start.saturating_sub(inner);
        let users = self.users.then(|| {
            self.audience
                .candidates(self.call.world, self.call.day, first)
        });
        let users = users.into_iter().flatten().filter_map(move |index| {
            let user = self.call.world.user(index, self.call.day)?;
            let is_in =
                self.audience.holds(&user) && (!self.failing || roster::fails(self.group, &user));
            is_in.then(|| (inner + index, self.shown.user(self.call, &user)))
        });
        // The group of devices has neither groups nor users, so the places don't meet.
        let (world, day) = (self.call.world, self.call.day);
        let devices = self
            .devices
            .then(|| roster::devices(world, self.group, day, start));
        let devices = devices.into_iter().flatten();
        let devices = devices.map(move |d| (d.place, self.shown.device(self.call, &d)));
        Box::new(groups.chain(users).chain(devices))
    }
}

/// What is shown of members, whose types differ.
struct Shown {
    user: Select,
    group: Chosen,
    device: Chosen,
    /// Whether each object says its type.
    typed: bool,
}

impl Shown {
    fn new(query: &Query, typed: bool) -> Result<Self, Failure> {
        let (group, device) = (shape::of("group"), shape::of("device"));
        let Some(list) = &query.select else {
            return Ok(Self {
                user: Select::DEFAULT,
                group: group.default(),
                device: device.default(),
                typed,
            });
        };
        let mut user = Select::EMPTY;
        for name in list.split(',').map(str::trim) {
            match Select::parse(name) {
                Ok(one) => user.0 |= one.0,
                Err(_) if group.has(name) || device.has(name) => {}
                Err(_) => return Err(query::unknown_property(name, "directoryObject")),
            }
        }
        Ok(Self {
            user,
            group: group.some(list.split(',').map(str::trim)),
            device: device.some(list.split(',').map(str::trim)),
            typed,
        })
    }

    fn user(&self, call: &Call, user: &User) -> Item {
        let mut text = Vec::with_capacity(400);
        if self.typed {
            user_json::typed(&mut text, call.who, user, self.user);
        } else {
            user_json::write(&mut text, call.who, user, self.user, false);
        }
        Item::Text(text)
    }

    fn device(&self, call: &Call, device: &Device) -> Item {
        let mut object = self.device.pick(device_json::entra(call.who, device));
        if self.typed {
            object.insert("@odata.type".to_owned(), "#microsoft.graph.device".into());
        }
        Item::Values(object)
    }

    fn group(&self, call: &Call, group: &Group) -> Item {
        let mut object = self
            .group
            .pick(group_json::values(call.who, group, call.day));
        if self.typed {
            object.insert("@odata.type".to_owned(), "#microsoft.graph.group".into());
        }
        Item::Values(object)
    }
}

fn context(chosen: &Chosen) -> String {
    if chosen.named {
        format!("groups({})", chosen.names())
    } else {
        "groups".to_owned()
    }
}

fn find(call: &Call, number: u32) -> Option<Group> {
    call.world.groups.group(call.who.key, number, call.day)
}

fn by_id(call: &Call, id: &str) -> Result<Group, Failure> {
    guid::parse(id)
        .and_then(|guid| roster::number(call.who.key, guid))
        .and_then(|number| find(call, number))
        .ok_or_else(|| Failure::missing(id))
}

/// The groups that are named and live.
fn named(call: &Call, ids: &[&str]) -> Result<Vec<u32>, Failure> {
    let mut numbers = Vec::with_capacity(ids.len());
    for id in ids {
        let guid = guid::parse(id).ok_or_else(|| {
            Failure::bad(format!(
                "Invalid filter clause: '{id}' is not a valid GUID."
            ))
        })?;
        numbers.extend(roster::number(call.who.key, guid));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// The groups that can't license each of their members.
fn failing(call: &Call) -> BTreeSet<u32> {
    let mut failing = BTreeSet::new();
    for index in 0..call.world.limit(call.day) {
        let Some(user) = call.world.user(index, call.day) else {
            continue;
        };
        let broken = user.paths.iter().map(|p| u32::from(p.group));
        failing.extend(broken.filter(|g| *g > 0 && roster::fails(*g, &user)));
    }
    failing
}
