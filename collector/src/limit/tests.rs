//! Budgets against fake servers that count in each kind of window, in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::budget::{Answer, Budget, Limits, Micros};
use super::told::Told;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fixed,
    Sliding,
    Bucket,
}

/// A server that allows an amount in a window. What it refuses counts too, up to a point.
struct Server {
    kind: Kind,
    window: f64,
    amount: f64,
    counted: VecDeque<(f64, f64)>,
    level: f64,
    at: f64,
}

impl Server {
    /// The share that is used with this request, and whether it is served.
    fn ask(&mut self, now: f64, cost: f64) -> (f64, bool) {
        match self.kind {
            Kind::Fixed if (now / self.window).floor() > (self.at / self.window).floor() => {
                self.level = 0.0;
            }
            Kind::Fixed => {}
            Kind::Sliding => {
                while self
                    .counted
                    .front()
                    .is_some_and(|(at, _)| at + self.window <= now)
                {
                    self.level -= self.counted.pop_front().map_or(0.0, |(_, cost)| cost);
                }
            }
            Kind::Bucket => {
                let drained = (now - self.at) * self.amount / self.window;
                self.level = (self.level - drained).max(0.0);
            }
        }
        self.at = self.at.max(now);
        let served = self.level + cost <= self.amount + 1e-6;
        if self.level < 1.8 * self.amount {
            self.level += cost;
            self.counted.push_back((now, cost));
        }
        (self.level / self.amount, served)
    }

    fn reset(&mut self, amount: f64) {
        (self.amount, self.level) = (amount, 0.0);
        self.counted.clear();
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    told: bool,
    window: u64,
    amount: f64,
    first: f64,
    most: f64,
    cost: f64,
    /// Each so-manieth request costs one: a list of what the others are for.
    lists: u32,
    /// The share that is ours.
    share: f64,
    /// Milliseconds of an answer, more or less.
    latency: u64,
}

/// Windows of a run; in its middle third half of the amount is allowed.
const WINDOWS: u64 = 200;

/// The used share of what was allowed, and the refused share of what was asked.
fn spend(case: Case, seed: u64) -> (f64, f64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let window = case.window * 1_000_000;
    let limits = Limits {
        window: Duration::from_secs(case.window),
        first: case.first * case.share,
        most: case.most * case.share,
        share: case.share,
    };
    let start: Micros = 1_800_000_000_000_000;
    let mut budget = Budget::new(limits);
    let mut server = Server {
        kind: case.kind,
        window: case.window as f64,
        amount: case.amount,
        counted: VecDeque::new(),
        level: 0.0,
        at: 0.0,
    };
    let offset = random.f64() * case.window as f64;
    let third = WINDOWS * window / 3;
    let (mut now, mut part) = (start, 0);
    let mut flying = BinaryHeap::new();
    let mut flights = Vec::new();
    let (mut served, mut refused, mut asked) = (0.0, 0.0, 0.0);
    while now < start + 3 * third {
        if (now - start) / third > part {
            part += 1;
            server.reset(if part == 1 {
                case.amount / 2.0
            } else {
                case.amount
            });
        }
        let cost = match case.lists {
            lists if lists > 0 && (asked as u32).is_multiple_of(lists) => 1.0,
            _ => ((budget.portion() / 2.0).floor() * 2.0).clamp(2.0_f64.min(case.cost), case.cost),
        };
        let ready = match budget.has_room() {
            true => budget.ready(now, cost).max(now),
            false => Micros::MAX,
        };
        match flying.peek() {
            Some(Reverse((at, _))) if *at <= ready => {
                let Some(Reverse((at, flight))) = flying.pop() else {
                    break;
                };
                now = at;
                let (ticket, answer, told): &(_, _, Told) = &flights[flight];
                budget.answered(now, *ticket, *answer, told, random.f64());
            }
            _ if ready > now => now = ready,
            _ => {
                let ticket = budget.send(now, cost);
                let way = (case.latency as f64 * 500.0 * (0.5 + random.f64())) as Micros;
                let there = (now + way - start) as f64 / 1e6 + offset;
                let (share, good) = server.ask(there, cost);
                asked += 1.0;
                match good {
                    true => served += cost,
                    false => refused += 1.0,
                }
                let answer = if good {
                    Answer::Served
                } else {
                    Answer::Refused(cost)
                };
                let told = Told {
                    share: (case.told && share > 0.8).then(|| (share * 100.0).round() / 100.0),
                    ..Told::default()
                };
                flying.push(Reverse((now + 2 * way, flights.len())));
                flights.push((ticket, answer, told));
            }
        }
    }
    (
        served / (case.share * case.amount * WINDOWS as f64 * 5.0 / 6.0),
        refused / asked,
    )
}

const KINDS: [Kind; 3] = [Kind::Fixed, Kind::Sliding, Kind::Bucket];

fn cases(told: bool) -> impl Iterator<Item = Case> {
    // A report; Intune; users, and members by the batch, of tenants of unknown size.
    let shapes = [
        (600, 14.0, 14.0, 14.0, 1.0, 0, 0.8, 300),
        (20, 40.0, 2_000.0, 2_000.0, 1.0, 0, 0.8, 0),
        (20, 200.0, 2_000.0, 2_000.0, 1.0, 0, 0.8, 300),
        (10, 36.0, 3_500.0, 8_000.0, 1.0, 0, 1.0, 0),
        (10, 80.0, 3_500.0, 8_000.0, 40.0, 7, 1.0, 0),
        (10, 800.0, 3_500.0, 8_000.0, 40.0, 0, 1.0, 300),
    ];
    KINDS.into_iter().flat_map(move |kind| {
        shapes.map(
            |(window, amount, first, most, cost, lists, share, latency)| Case {
                kind,
                told,
                window,
                amount,
                first,
                most,
                cost,
                lists,
                share,
                latency,
            },
        )
    })
}

#[track_caller]
fn hold(told: bool, used: f64, refused: f64) {
    let mut worst = Vec::new();
    for case in cases(told) {
        let figures = (1..=8).map(|seed| spend(case, seed));
        let (least, most) = figures.fold((f64::MAX, 0.0_f64), |(a, b), (used, refused)| {
            (a.min(used), b.max(refused))
        });
        if least < used || most > refused {
            worst.push(format!("{case:?}: used {least:.3}, refused {most:.4}"));
        }
    }
    assert!(worst.is_empty(), "{}", worst.join("\n"));
}

#[test]
fn a_told_budget_is_spent_with_hardly_a_refusal() {
    hold(true, 0.85, 0.006);
}

#[test]
fn a_budget_that_nothing_is_told_of_is_found() {
    hold(false, 0.80, 0.03);
}
