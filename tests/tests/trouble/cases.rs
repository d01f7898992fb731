//! The troubles, and what is expected of each dataset, written down before anything is read.
//!
//! Two of the simulator's list are not here: Graph challenges only tokens of clients that said `cp1`, which the token-broker
//! doesn't say, and what Entra ID refuses has tests of its own, code by code.

use catalog::{Bucket, Declaration, Reading};
use graph_sim::{Fault, RetryAfter, Throttling, Trouble, TroubleKind, Window};
use tests::compared::Depth;
use tests::world::Setup;

use super::table::{Arm, Case, End, Read};

/// No end.
const ALWAYS: u32 = u32::MAX;
/// Twice, then it is over.
const TWICE: u32 = 2;

type Expected = fn(&Declaration, Read) -> Option<End>;

fn trouble(name: &'static str, trouble: Trouble, times: u32, expected: Expected) -> Case {
    Case {
        name,
        arms: vec![Arm::Trouble(Trouble {
            times: (times != ALWAYS).then_some(times),
            ..trouble
        })],
        setup: |_| {},
        expected,
        patience: if times == ALWAYS { 1 } else { 2 },
        late: false,
        depth: Depth::Values,
    }
}

fn status(
    name: &'static str,
    status: u16,
    code: Option<&str>,
    times: u32,
    expected: Expected,
) -> Case {
    Case {
        name,
        arms: vec![Arm::Fault(Fault {
            status: Some(status),
            times: Some(times),
            code: code.map(str::to_owned),
            ..Fault::default()
        })],
        setup: |_| {},
        expected,
        patience: if times == ALWAYS { 1 } else { 2 },
        late: false,
        depth: Depth::Values,
    }
}

fn whole(_: &Declaration, _: Read) -> Option<End> {
    Some(End::Whole)
}

/// Whether the first request is for a number of objects, without which a collection is read all the same. Before a first
/// reading the delta link is taken, and what has changed is asked for by it.
fn counted_first(dataset: &Declaration, read: Read) -> bool {
    dataset.counted && (!dataset.by_id() || read == Read::Again)
}

/// One dataset of each way of reading, where the end is the same for all and takes hours of waiting.
fn one_of_each(dataset: &Declaration) -> bool {
    let names = [
        "users",
        "devices",
        "organization",
        "reportSettings",
        "activations",
        "groupMembers",
    ];
    names.contains(&dataset.name)
}

/// What is said where Graph throttles for long. Of a report it allows a handful of requests in ten minutes: a refusal
/// means that they are used up, and the next one is left to the schedule.
fn busy(dataset: &Declaration) -> &'static str {
    match dataset.bucket {
        Bucket::Reports => "LW-3012",
        _ => "LW-3002",
    }
}

/// A report makes one request in a pass that is refused, all others wait for a moment.
fn throttled_twice(dataset: &Declaration, _: Read) -> Option<End> {
    Some(match dataset.bucket {
        Bucket::Reports => End::Later("LW-3012"),
        _ => End::Whole,
    })
}

pub fn refusals() -> Vec<Case> {
    let throttled = |retry_after| Trouble {
        status: Some(429),
        retry_after,
        ..Trouble::new(TroubleKind::Status)
    };
    let storm = |seconds| Trouble {
        every: Some(60),
        seconds: Some(seconds),
        ..Trouble::new(TroubleKind::Storm)
    };
    let slow = Trouble {
        p50: Some(300.0),
        p99: Some(3_000.0),
        ..Trouble::new(TroubleKind::Latency)
    };
    let token = |name, code, times, expected| {
        let case = trouble(name, Trouble::new(TroubleKind::Aadsts), times, expected);
        let refused = Trouble {
            code: Some(code),
            times: (times != ALWAYS).then_some(times),
            ..Trouble::new(TroubleKind::Aadsts)
        };
        Case {
            arms: vec![Arm::Token(refused)],
            ..case
        }
    };
    vec![
        Case {
            patience: 3,
            ..trouble(
                "429 twice, with Retry-After",
                throttled(Some(20)),
                TWICE,
                throttled_twice,
            )
        },
        Case {
            patience: 3,
            ..trouble(
                "429 twice, without",
                throttled(None),
                TWICE,
                throttled_twice,
            )
        },
        trouble("429 always", throttled(None), ALWAYS, |d, _| {
            one_of_each(d).then_some(End::Never(busy(d)))
        }),
        status("500 twice", 500, None, TWICE, whole),
        status("500 always", 500, None, ALWAYS, |d, _| {
            one_of_each(d).then_some(End::Never("LW-3002"))
        }),
        status("503 twice", 503, None, TWICE, whole),
        status("401 once", 401, None, 1, whole),
        status("401 always", 401, None, ALWAYS, |_, _| {
            Some(End::Skipped("LW-3003"))
        }),
        status("403 always", 403, None, ALWAYS, |_, _| {
            Some(End::Skipped("LW-3003"))
        }),
        status(
            "404 that names no object, once",
            404,
            Some("UnknownError"),
            1,
            |d, r| match counted_first(d, r) {
                true => Some(End::Whole),
                false => Some(End::Later("LW-3004")),
            },
        ),
        status(
            "404 that names no object, always",
            404,
            Some("UnknownError"),
            ALWAYS,
            |_, _| Some(End::Never("LW-3004")),
        ),
        status("410 always", 410, None, ALWAYS, |_, _| {
            Some(End::Never("LW-3004"))
        }),
        trouble("a storm of 429, half of the time", storm(30), ALWAYS, whole),
        trouble("a storm of 429 without end", storm(60), ALWAYS, |d, _| {
            one_of_each(d).then_some(End::Never(busy(d)))
        }),
        trouble("slow answers", slow, ALWAYS, whole),
        token("Entra ID is busy, twice", 90033, TWICE, whole),
        token("Entra ID knows no such app", 700016, ALWAYS, |_, _| {
            Some(End::Never("LW-2003"))
        }),
        status(
            "the delta is reset, once",
            410,
            Some("resyncRequired"),
            1,
            |d, r| (d.by_id() && r == Read::Changes).then_some(End::Whole),
        ),
        status("400 always", 400, None, ALWAYS, |d, _| {
            Some(match d.licence {
                None => End::Never("LW-3005"),
                Some(_) => End::Skipped("LW-3016"),
            })
        }),
    ]
}

pub fn bodies() -> Vec<Case> {
    use TroubleKind::*;
    let kind = |kind, name, times, expected| trouble(name, Trouble::new(kind), times, expected);
    let twice: Expected = |_, _| Some(End::Whole);
    // What is short is not worth it.
    let packed = |case| Case {
        setup: |s| s.sim.gzip = true,
        ..case
    };
    vec![
        kind(Cut, "cut, twice", TWICE, twice),
        kind(Cut, "cut, always", ALWAYS, |_, _| {
            Some(End::Never("LW-3001"))
        }),
        packed(kind(GzipCut, "gzip cut, twice", TWICE, twice)),
        packed(kind(GzipCut, "gzip cut, always", ALWAYS, |d, r| {
            paged(d, r).then_some(End::Never("LW-3001"))
        })),
        kind(Html, "an HTML page, twice", TWICE, twice),
        kind(Html, "an HTML page, always", ALWAYS, |_, _| {
            Some(End::Never("LW-3006"))
        }),
        kind(Gateway, "a gateway's 404, twice", TWICE, twice),
        // What is behind the redirect of a report is asked for as a file.
        kind(Gateway, "a gateway's 404, always", ALWAYS, |d, _| {
            Some(End::Never(match d.path.starts_with("reports/") {
                true => "LW-3001",
                false => "LW-3006",
            }))
        }),
        // A file is asked for anew when it is no report, and a collection that isn't counted is read all the same.
        kind(Redirect, "a redirect elsewhere, once", 1, |d, r| {
            Some(match d.reading {
                Reading::Report { .. } => End::Whole,
                _ if counted_first(d, r) => End::Whole,
                _ => End::Later("LW-3006"),
            })
        }),
        kind(Redirect, "a redirect elsewhere, always", ALWAYS, |_, _| {
            Some(End::Never("LW-3006"))
        }),
    ]
}

/// Whether a reading is of pages that Graph links, and long enough here for several. What is read after a day or for
/// each parent is short.
fn paged(dataset: &Declaration, read: Read) -> bool {
    match dataset.reading {
        Reading::ByDelta { .. } => read != Read::Changes,
        Reading::Twice => !["deletedUsers"].contains(&dataset.name),
        _ => false,
    }
}

pub fn pages() -> Vec<Case> {
    use TroubleKind::*;
    let kind = |kind, name, times, expected| {
        let case = trouble(name, Trouble::new(kind), times, expected);
        let page = |arm| match arm {
            Arm::Trouble(trouble) => Arm::Page(trouble),
            arm => arm,
        };
        Case {
            arms: case.arms.into_iter().map(page).collect(),
            ..case
        }
    };
    let p: Expected = |d, r| paged(d, r).then_some(End::Whole);
    let mut cases = vec![
        kind(RepeatedPage, "repeated page, once", 1, p),
        kind(RepeatedPage, "repeated page, always", ALWAYS, |d, r| {
            paged(d, r).then_some(End::Never("LW-3015"))
        }),
        kind(EmptyPage, "empty page with a link, once", 1, p),
        kind(
            EmptyPage,
            "empty page with a link, always",
            ALWAYS,
            |d, r| paged(d, r).then_some(End::Never("LW-3015")),
        ),
        // Graph counts users, groups and devices, and signs of life by their users. Of Intune's nobody sees it; two readings
        // in a row must lack a record before it counts as gone.
        kind(
            MissingPage,
            "a page that a link leads past, once",
            1,
            |d, r| {
                let end = match d.counted {
                    true => End::Whole,
                    false => End::Unseen,
                };
                paged(d, r).then_some(end)
            },
        ),
        kind(Duplicate, "duplicate, always", ALWAYS, p),
        kind(ExpiredPage, "expired page, once", 1, p),
        kind(ExpiredPage, "expired page, always", ALWAYS, |d, r| {
            paged(d, r).then_some(End::Never("LW-3008"))
        }),
        kind(ForeignLink, "foreign link, once", 1, |d, r| {
            paged(d, r).then_some(End::Later("LW-3007"))
        }),
        kind(ForeignLink, "foreign link, always", ALWAYS, |d, r| {
            paged(d, r).then_some(End::Never("LW-3007"))
        }),
        kind(Circle, "circle, once", 1, p),
        kind(Circle, "circle, always", ALWAYS, |d, r| {
            paged(d, r).then_some(End::Never("LW-3015"))
        }),
    ];
    for (name, k) in [("unknown, always", Unknown), ("null, always", Null)] {
        cases.push(Case {
            depth: Depth::Keys,
            ..kind(k, name, ALWAYS, p)
        });
    }
    // As if there were seven more than there are. Where objects are asked for by id before they go, that holds nothing back.
    let seven = Trouble {
        size: Some(7),
        ..Trouble::new(WrongCount)
    };
    cases.push(Case {
        patience: 2,
        ..trouble("wrong count, always", seven, ALWAYS, |d, r| {
            let full = d.counted && !(d.by_id() && r == Read::Changes);
            full.then_some(match d.by_id() {
                true => End::Whole,
                false => End::Never("LW-3010"),
            })
        })
    });
    let large = Trouble {
        size: Some(65 << 20),
        times: Some(1),
        ..Trouble::new(Huge)
    };
    cases.push(Case {
        arms: vec![Arm::Page(large)],
        ..kind(Huge, "a larger answer than any, once", 1, |d, _| {
            (d.name == "users").then_some(End::Later("LW-3006"))
        })
    });
    cases.push(Case {
        depth: Depth::Keys,
        ..kind(Huge, "a string of a megabyte, once", 1, p)
    });
    cases
}

fn setting(name: &'static str, setup: fn(&mut Setup), expected: Expected) -> Case {
    Case {
        name,
        arms: Vec::new(),
        setup,
        expected,
        patience: 2,
        late: false,
        depth: Depth::Values,
    }
}

/// Small budgets, and Intune's hidden behind a 500.
fn throttled(setup: &mut Setup, window: Window, retry_after: RetryAfter) {
    setup.sim.throttling = Some(Throttling {
        divisor: 400.0,
        window,
        retry_after,
        intune_as_500: true,
        ..Throttling::default()
    });
}

pub fn tenants() -> Vec<Case> {
    // Rows that a report no longer has stay for a month, so it is not compared.
    let late = |case| Case {
        late: true,
        expected: |d, _| (!matches!(d.reading, Reading::Report { .. })).then_some(End::Whole),
        ..case
    };
    vec![
        setting(
            "delta that names objects again",
            |s| s.sim.delta_replays = true,
            whole,
        ),
        setting(
            "no Entra ID P1",
            |s| s.sim.without_premium = vec![0],
            |d, _| {
                Some(if d.name == "signInActivity" {
                    End::Skipped("LW-3003")
                } else {
                    End::Whole
                })
            },
        ),
        setting(
            "no Intune",
            |s| s.sim.without_intune = vec![0],
            |d, _| {
                Some(if d.path.starts_with("deviceManagement") {
                    End::Skipped("LW-3016")
                } else {
                    End::Whole
                })
            },
        ),
        setting(
            "budgets that come back evenly",
            |s| throttled(s, Window::Bucket, RetryAfter::Graph),
            whole,
        ),
        setting(
            "budgets of the last seconds, dates to wait for",
            |s| throttled(s, Window::Sliding, RetryAfter::Date),
            whole,
        ),
        setting(
            "budgets of fixed windows, and nothing said",
            |s| throttled(s, Window::Fixed, RetryAfter::Absent),
            whole,
        ),
        setting(
            "fractions of seconds to wait for",
            |s| throttled(s, Window::Bucket, RetryAfter::Decimal),
            whole,
        ),
        setting("a clock that is off", |s| s.sim.clock_off = 90, whole),
        late(setting(
            "replicas that are late",
            |s| {
                s.lateness = 600;
                s.sim.lag = Some(std::time::Duration::from_secs(600))
            },
            whole,
        )),
        late(setting(
            "an index that is late",
            |s| {
                s.lateness = 600;
                s.sim.filter_lag = Some(std::time::Duration::from_secs(600))
            },
            whole,
        )),
    ]
}
