//! Trouble on demand: what goes wrong between a server and a client, in seeded shares of the requests.
//!
//! `docs/trouble.md` says of each kind what a right client ends with.

mod draw;
mod page;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub(crate) use page::{Page, Twist};

use crate::entra::errors;
use crate::rng::mix;

/// One kind of trouble, and which requests it meets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trouble {
    /// What goes wrong.
    pub kind: Kind,
    /// Requests whose path below the version root starts with this, or whose path ends with it; none: all.
    #[serde(default)]
    pub path: Option<String>,
    /// Share of the requests that could meet it, 0 to 1.
    #[serde(default = "always")]
    pub share: f64,
    /// So many are spared first.
    #[serde(default)]
    pub after: u32,
    /// So many meet it, then it is over; none: no end.
    #[serde(default)]
    pub times: Option<u32>,
    /// Latency: half of the answers take no longer than this, in milliseconds.
    #[serde(default)]
    pub p50: Option<f64>,
    /// Latency: 99 of 100 answers take no longer than this, in milliseconds.
    #[serde(default)]
    pub p99: Option<f64>,
    /// Status: 400 to 599.
    #[serde(default)]
    pub status: Option<u16>,
    /// Status and storm: seconds for `Retry-After`; none: no such header.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// Storm: it comes again after so many seconds of simulated time …
    #[serde(default)]
    pub every: Option<u32>,
    /// … and lasts the last so many of them.
    #[serde(default)]
    pub seconds: Option<u32>,
    /// Aadsts: the number of the error, one of `data/aadsts.tsv`.
    #[serde(default)]
    pub code: Option<u32>,
    /// Huge: bytes of the string (1 MiB). Wrong count: so many more than there are (up to ten more or fewer).
    #[serde(default)]
    pub size: Option<u32>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Kind {
    /// Answers take time: a log-normal distribution through `p50` and `p99`.
    Latency,
    /// An error status.
    Status,
    /// 429 to everybody for a while.
    Storm,
    /// The connection ends in the middle of the body.
    Cut,
    /// The gzip stream ends in the middle, though all bytes that were promised came.
    GzipCut,
    /// 200 with an HTML page.
    Html,
    /// 404 with an HTML page, of a gateway that found no server: it says nothing of the object.
    Gateway,
    /// A redirect to another host.
    Redirect,
    /// The link to the next page leads to another host.
    ForeignLink,
    /// The link to the next page leads back to the first one.
    Circle,
    /// The link leads to the same page once more.
    RepeatedPage,
    /// No objects, though there are some, and a link that leads to them.
    EmptyPage,
    /// The link leads past a page.
    MissingPage,
    /// A number of objects that is wrong.
    WrongCount,
    /// An object stands twice on the page.
    Duplicate,
    /// An enum value and a property that no documentation has.
    Unknown,
    /// A property that is never null is null.
    Null,
    /// A string of a megabyte.
    Huge,
    /// The link to the next page is no good any more.
    ExpiredPage,
    /// Graph challenges a token of a client that said `cp1`, and wants a new one.
    Challenge,
    /// Entra refuses with the AADSTS error `code`, instead of a token.
    Aadsts,
}

fn always() -> f64 {
    1.0
}

impl Trouble {
    /// Trouble of this kind at every request.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            path: None,
            share: 1.0,
            after: 0,
            times: None,
            p50: None,
            p99: None,
            status: None,
            retry_after: None,
            every: None,
            seconds: None,
            code: None,
            size: None,
        }
    }

    /// What is missing or makes no sense.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("trouble {:?}: {what}", self.kind));
        if !(0.0..=1.0).contains(&self.share) {
            return wrong("the share is from 0 to 1");
        }
        match self.kind {
            Kind::Latency => match (self.p50, self.p99) {
                (Some(p50), Some(p99)) if p50 > 0.0 && p99 >= p50 && p99.is_finite() => Ok(()),
                _ => wrong("give p50 and p99 in milliseconds, 0 < p50 <= p99"),
            },
            Kind::Status if !self.status.is_some_and(|s| (400..600).contains(&s)) => {
                wrong("give a status of 400 to 599")
            }
            Kind::Aadsts if self.code.is_none_or(|c| errors::refusal(c).is_none()) => {
                wrong("give a code that data/aadsts.tsv has")
            }
            Kind::Storm => match (self.every, self.seconds) {
                (Some(every), Some(seconds)) if 0 < seconds && seconds <= every => Ok(()),
                _ => wrong("give every and seconds, 0 < seconds <= every"),
            },
            _ => Ok(()),
        }
    }

    fn concerns(&self, path: &str) -> bool {
        crate::fault::concerns(self.path.as_deref(), path)
    }
}

/// Trouble that is armed, and how it went so far.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Armed {
    /// As it was asked for.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// Requests that could have met it.
    pub seen: u32,
    /// Requests that met it.
    pub hits: u32,
}

impl Armed {
    /// Whether the next request that could meet it does; the draw for it.
    fn meets(&mut self, seed: u64) -> Option<u64> {
        self.seen = self.seen.saturating_add(1);
        let spared = self.seen <= self.trouble.after;
        let over = self.trouble.times.is_some_and(|t| self.hits >= t);
        let number = mix(seed, u64::from(self.seen));
        if spared || over || draw::share(number) >= self.trouble.share {
            return None;
        }
        self.hits += 1;
        Some(mix(number, 0x7a15))
    }
}

/// All trouble of a simulation.
#[derive(Default)]
pub(crate) struct Troubles {
    seed: u64,
    armed: Vec<Armed>,
}

/// A refusal that trouble asks for.
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) code: Option<Cow<'static, str>>,
}

/// What trouble does to the bytes of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    #[default]
    Whole,
    Cut,
    GzipCut,
    Html,
    Gateway,
}

impl Troubles {
    pub(crate) fn new(seed: u64, troubles: Vec<Trouble>) -> Self {
        let mut all = Self {
            seed,
            armed: Vec::new(),
        };
        troubles.into_iter().for_each(|t| all.arm(t));
        all
    }

    pub(crate) fn arm(&mut self, trouble: Trouble) {
        self.armed.push(Armed {
            trouble,
            seen: 0,
            hits: 0,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn armed(&self) -> &[Armed] {
        &self.armed
    }

    /// The draw of each trouble of a kind in question that a request for `path` meets.
    fn met<'a>(
        &'a mut self,
        path: &'a str,
        could: impl Fn(&Trouble) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a Trouble, u64)> {
        let seed = self.seed;
        (0..).zip(&mut self.armed).filter_map(move |(n, armed)| {
            let concerned = could(&armed.trouble) && armed.trouble.concerns(path);
            let draw = concerned.then(|| armed.meets(mix(seed, n))).flatten()?;
            Some((&armed.trouble, draw))
        })
    }

    /// Milliseconds that the answer takes.
    pub(crate) fn latency(&mut self, path: &str) -> u64 {
        self.met(path, |t| t.kind == Kind::Latency)
            .map(|(t, number)| draw::latency(t.p50.unwrap_or(0.0), t.p99.unwrap_or(0.0), number))
            .sum()
    }

    /// Whether the request is refused instead of served; `now` in seconds.
    pub(crate) fn refusal(&mut self, path: &str, next_page: bool, now: u64) -> Option<Refused> {
        let could = move |t: &Trouble| match t.kind {
            Kind::Status => true,
            Kind::Storm => left_of_storm(t, now).is_some(),
            Kind::ExpiredPage => next_page,
            Kind::Redirect => true,
            _ => false,
        };
        let met = self.met(path, could).collect::<Vec<_>>();
        let (trouble, _) = met.first()?;
        Some(match trouble.kind {
            Kind::ExpiredPage => Refused {
                status: 400,
                retry_after: None,
                code: Some("Directory_ExpiredPageToken".into()),
            },
            Kind::Redirect => Refused {
                status: 302,
                retry_after: None,
                code: None,
            },
            _ => busy(trouble, now),
        })
    }

    /// Whether Entra refuses a token instead; `now` in seconds. Trouble with all paths is about Graph's.
    pub(crate) fn sign_in(&mut self, path: &str, now: u64) -> Option<Refused> {
        let token = path.ends_with("/token");
        let could = move |t: &Trouble| match t.kind {
            Kind::Aadsts => token,
            Kind::Status => t.path.is_some(),
            Kind::Storm => t.path.is_some() && left_of_storm(t, now).is_some(),
            _ => false,
        };
        let met = self.met(path, could).collect::<Vec<_>>();
        let (trouble, _) = met.first()?;
        Some(match trouble.kind {
            Kind::Aadsts => Refused {
                status: trouble
                    .status
                    .or(errors::refusal(trouble.code?).map(|r| r.status))?,
                retry_after: trouble.retry_after,
                code: trouble.code.map(|c| c.to_string().into()),
            },
            _ => busy(trouble, now),
        })
    }

    /// Whether Graph challenges a token that can be challenged.
    pub(crate) fn challenges(&mut self, path: &str) -> bool {
        self.met(path, |t| t.kind == Kind::Challenge).count() > 0
    }

    /// What happens to the content of a good answer.
    pub(crate) fn twists(&mut self, path: &str, page: &Page) -> Vec<Twist> {
        let could = |t: &Trouble| page.could_meet(t.kind);
        self.met(path, could)
            .map(|(t, draw)| Twist {
                kind: t.kind,
                size: t.size,
                draw,
            })
            .collect()
    }

    /// What happens to the bytes of a good answer; `gzip`: whether they will be compressed.
    pub(crate) fn delivery(&mut self, path: &str, gzip: bool) -> Delivery {
        let could = move |t: &Trouble| match t.kind {
            Kind::Cut | Kind::Html | Kind::Gateway => true,
            Kind::GzipCut => gzip,
            _ => false,
        };
        let met = self.met(path, could).collect::<Vec<_>>();
        match met.first().map(|(t, _)| t.kind) {
            Some(Kind::Gateway) => Delivery::Gateway,
            Some(Kind::Cut) => Delivery::Cut,
            Some(Kind::GzipCut) => Delivery::GzipCut,
            Some(Kind::Html) => Delivery::Html,
            _ => Delivery::Whole,
        }
    }
}

/// What a storm or a status answers, whoever is asked.
fn busy(trouble: &Trouble, now: u64) -> Refused {
    let (status, retry_after) = match trouble.kind {
        Kind::Storm => (429, trouble.retry_after.or(left_of_storm(trouble, now))),
        _ => (trouble.status.unwrap_or(503), trouble.retry_after),
    };
    Refused {
        status,
        retry_after,
        code: None,
    }
}

/// Seconds until the storm is over, if there is one now. It comes at the end of each period.
fn left_of_storm(trouble: &Trouble, now: u64) -> Option<u32> {
    let (every, seconds) = (trouble.every?.max(1), trouble.seconds?);
    let at = u32::try_from(now % u64::from(every)).ok()?;
    (at >= every.saturating_sub(seconds)).then(|| every - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_meet_equal_trouble() {
        let trouble = || {
            vec![Trouble {
                share: 0.3,
                after: 5,
                times: Some(20),
                status: Some(503),
                path: Some("/users".into()),
                ..Trouble::new(Kind::Status)
            }]
        };
        let hits = |seed| -> Vec<u32> {
            let mut troubles = Troubles::new(seed, trouble());
            (0..200)
                .filter(|n| {
                    let path = if n % 2 == 0 {
                        "/users"
                    } else {
                        "/organization"
                    };
                    troubles.refusal(path, false, 0).is_some()
                })
                .collect()
        };
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
        assert_eq!(hits(1).len(), 20);
        assert!(hits(1).iter().all(|n| n % 2 == 0 && *n >= 10));
    }

    #[test]
    fn a_storm_comes_and_goes() {
        let storm = Trouble {
            every: Some(60),
            seconds: Some(10),
            ..Trouble::new(Kind::Storm)
        };
        let mut troubles = Troubles::new(1, vec![storm]);
        let mut at = |now| {
            troubles
                .refusal("/users", false, now)
                .map(|r| r.retry_after)
        };
        assert_eq!((at(0), at(49)), (None, None));
        assert_eq!((at(50), at(59)), (Some(Some(10)), Some(Some(1))));
        assert_eq!((at(60), at(115)), (None, Some(Some(5))));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (kind, good) in [
            (Kind::Latency, false),
            (Kind::Status, false),
            (Kind::Storm, false),
            (Kind::Cut, true),
        ] {
            assert_eq!(Trouble::new(kind).check().is_ok(), good, "{kind:?}");
        }
        let trouble = Trouble {
            share: f64::NAN,
            ..Trouble::new(Kind::Cut)
        };
        assert!(trouble.check().is_err());
    }
}
