//! `GET /users/delta`: what changed between two days, read from the log of changes.

use crate::access;
use crate::expired;
use crate::graph::Call;
use crate::property::{Prop, Select};
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::sealed::{Link, Purpose};
use crate::user_json;
use crate::users::{self, Page};

/// Graph decides how many objects a page of delta holds.
const PAGE: u16 = 200;

/// One page of a round: the first without a token, or what a link asks for.
pub(crate) fn round(call: &Call, query: &Query) -> Result<Reply, Failure> {
    if access::only_basic(call.roles) {
        return Err(access::denied());
    }
    query.only(&["$select", "$skiptoken", "$deltatoken"])?;
    if query.count {
        return Err(Failure::unsupported(
            "The query option '$count' is not supported for delta queries.",
        ));
    }
    let link = match (&query.skip_token, &query.delta_token) {
        (Some(token), None) => open(call, token, Purpose::DeltaPage)?,
        (None, Some(token)) if token != "latest" && !token.is_empty() => {
            let known = open(call, token, Purpose::Delta)?;
            // A replica may know less than the one that made the token: then it names nothing.
            let to = call.day.max(known.to);
            Link {
                purpose: Purpose::DeltaPage,
                from: known.to,
                to,
                day: known.to + 1,
                position: 0,
                ..known
            }
        }
        (None, latest) => {
            let select = users::trackable(query.user_select()?);
            query::check_collection(select, call.roles)?;
            let top = call.asked.page.map_or(PAGE, |n| n.min(999));
            let top = top.min(call.sim.config().page_limit());
            let mut link = users::link(call, Purpose::DeltaPage, 0, top, select);
            link.full = latest.as_deref() != Some("latest");
            link.day += 1;
            link
        }
        (Some(_), Some(_)) => {
            return Err(Failure::bad(
                "Only one of $skiptoken and $deltatoken can be given.",
            ));
        }
    };
    let mut page = Page::open(call, link.select, usize::from(link.top).min(64), None);
    let next = if link.full {
        everything(call, &link, &mut page)
    } else {
        changes(call, &link, &mut page)
    };
    let url = |name: &str, link: Link| {
        format!(
            "{}/v1.0/users/delta?{name}={}",
            call.base,
            link.seal(call.sim.key())
        )
    };
    let reply = match next {
        Some(next) => page.close(Some(("@odata.nextLink", url("$skiptoken", next)))),
        None => {
            let end = Link {
                purpose: Purpose::Delta,
                from: link.to,
                full: false,
                position: 0,
                ..link
            };
            let end = Link {
                at: call.sim.now().as_secs(),
                ..end
            };
            page.close(Some(("@odata.deltaLink", url("$deltatoken", end))))
        }
    };
    Ok(if call.asked.minimal {
        reply.header("preference-applied", "return=minimal")
    } else {
        reply
    })
}

/// The initial round: all users of the day on which it began.
fn everything(call: &Call, link: &Link, page: &mut Page) -> Option<Link> {
    for index in link.position..call.world.limit(link.to) {
        let Some(user) = call.world.user(index, link.to) else {
            continue;
        };
        if page.objects() >= u32::from(link.top) {
            return Some(Link {
                position: index,
                ..*link
            });
        }
        page.object(index, |body| {
            user_json::write(body, call.who, &user, link.select, true)
        });
    }
    None
}

/// A later round: each user that changed, once, at its last change.
fn changes(call: &Call, link: &Link, page: &mut Page) -> Option<Link> {
    // The id counts too: no change touches it but coming and going.
    let relevant = link.select;
    let replays = call.sim.replays_delta();
    // What was named last on this page, and how many there were.
    let (mut last, mut named) = (None, 0);
    for day in link.day..=link.to {
        let skipped = if day == link.day { link.position } else { 0 };
        for (position, index) in call
            .world
            .changed(day)
            .iter()
            .enumerate()
            .skip(skipped as usize)
        {
            let matching = |from, to| {
                call.world
                    .changes(*index, from, to)
                    .any(|c| c.touched.meets(relevant))
            };
            if !matching(day - 1, day) || matching(day, link.to) {
                continue;
            }
            let here = Link {
                day,
                position: position as u32,
                ..*link
            };
            if page.objects() >= u32::from(link.top) {
                // Some pages begin with what the one before ended with.
                let again = replays && named > 1 && index.is_multiple_of(2);
                return last.filter(|_| again).or(Some(here));
            }
            (last, named) = (Some(here), named + 1);
            let twice = replays && index.is_multiple_of(5);
            for _ in 0..=u32::from(twice) {
                page.object(*index, |body| match call.world.user(*index, link.to) {
                    Some(user) => {
                        let select = if call.asked.minimal {
                            touched(call, link, *index)
                        } else {
                            link.select
                        };
                        user_json::write(body, call.who, &user, select, true);
                    }
                    None => users::removed(body, call, *index, link.to),
                });
            }
        }
    }
    None
}

/// The selected properties that changed since the last round.
fn touched(call: &Call, link: &Link, index: u32) -> Select {
    let all = call
        .world
        .changes(index, link.from, link.to)
        .fold(0, |sum, c| sum | c.touched.0);
    Select(all & link.select.0).with(Prop::Id)
}

fn open(call: &Call, token: &str, purpose: Purpose) -> Result<Link, Failure> {
    let link = Link::open(call.sim.key(), token);
    let link = link.filter(|l| l.purpose == purpose && usize::from(l.tenant) == call.tenant);
    let link = link.ok_or_else(|| Failure::bad("Badly formed token."))?;
    expired::check(call, "users/delta", link.to, link.at)?;
    Ok(link)
}
