use proptest::prelude::*;

use super::*;

/// What a run says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Answered,
    Gone,
    Missing,
    Absent,
}

#[derive(Clone, Debug)]
struct Case {
    keys: Vec<(String, Word, Option<Suspicion>)>,
    mode: Mode,
    complete: bool,
    removed: bool,
    absence: Absence,
    started_at: u64,
    others: u64,
}

const LATENESS: Duration = Duration::from_micros(10);
const KEEP: Duration = Duration::from_micros(25);
const ABSENCES: [Absence; 4] = [
    Absence::ById,
    Absence::OneAnswer,
    Absence::TwoReads,
    Absence::After(KEEP),
];
const LAST_READ_END: Timestamp = Timestamp(50);
const RUN: RunId = RunId(9);

fn suspicion() -> impl Strategy<Value = Suspicion> {
    let state = prop_oneof![Just(State::Open), Just(State::Held), Just(State::Approved)];
    (0..60_u64, state).prop_map(|(since, state)| Suspicion {
        since: Timestamp(since),
        state,
        run: RunId(3),
    })
}

fn case() -> impl Strategy<Value = Case> {
    let word = prop_oneof![
        2 => Just(Word::Nothing), 2 => Just(Word::Answered), 2 => Just(Word::Gone), 1 => Just(Word::Missing), 2 => Just(Word::Absent)
    ];
    let keys =
        proptest::collection::vec((word, proptest::option::weighted(0.4, suspicion())), 0..30);
    (
        keys,
        any::<bool>(),
        any::<bool>(),
        proptest::bool::weighted(0.1),
        proptest::sample::select(ABSENCES.to_vec()),
        40..80_u64,
        0..100_u64,
    )
        .prop_map(
            |(keys, full, complete, removed, absence, started_at, others)| Case {
                keys: keys
                    .into_iter()
                    .enumerate()
                    .map(|(i, (w, s))| (format!("k{i:02}"), w, s))
                    .collect(),
                mode: if full { Mode::Full } else { Mode::Some },
                complete,
                removed,
                absence,
                started_at,
                others,
            },
        )
}

impl Case {
    fn said(&self, word: Word) -> Keys {
        self.keys
            .iter()
            .filter(|k| k.1 == word)
            .map(|k| k.0.clone())
            .collect()
    }

    fn judge(&self) -> Outcome {
        judge(Judgement {
            run: RUN,
            mode: self.mode,
            complete: self.complete,
            tenant_removed: self.removed,
            absence: self.absence,
            started_at: Timestamp(self.started_at),
            last_read_end: LAST_READ_END,
            now: Timestamp(90),
            lateness: LATENESS,
            guard: Guard::default(),
            live: self.keys.len() as u64 + self.others,
            answered: &self.said(Word::Answered),
            gone: &self.said(Word::Gone),
            missing: &self.said(Word::Missing),
            absent: &self.said(Word::Absent),
            suspects: self
                .keys
                .iter()
                .filter_map(|(k, _, s)| Some((k.clone(), (*s)?)))
                .collect(),
        })
    }

    fn looks_at_absence(&self) -> bool {
        self.complete && (self.mode == Mode::Full || self.removed)
    }
}

proptest! {
    #[test]
    fn nothing_goes_that_was_not_proven_gone(case in case()) {
        let out = case.judge();
        for (key, word, before) in &case.keys {
            let removed = out.remove.contains(key);
            prop_assert!(!(removed && out.suspects.contains_key(key)));
            if !removed || case.removed && case.complete {
                continue;
            }
            prop_assert!(before.is_none_or(|s| s.state != State::Held), "held ones stay");
            match word {
                Word::Gone => {}
                Word::Absent => {
                    prop_assert!(case.looks_at_absence());
                    let last_seen = before.map_or(LAST_READ_END, |s| s.since);
                    let wait = match case.absence {
                        Absence::ById => return Err(TestCaseError::fail("never by absence")),
                        Absence::OneAnswer => 10,
                        Absence::TwoReads => {
                            prop_assert!(before.is_some(), "one read proves nothing");
                            10
                        }
                        Absence::After(_) => 25,
                    };
                    prop_assert!(case.started_at >= last_seen.0 + wait);
                }
                _ => prop_assert!(false, "{key} was removed, {word:?}"),
            }
        }
    }

    #[test]
    fn no_suspicion_is_forgotten_or_renewed(case in case()) {
        let out = case.judge();
        if case.removed && case.complete {
            prop_assert!(out.suspects.is_empty());
            return Ok(());
        }
        for (key, word, before) in &case.keys {
            let after = out.suspects.get(key);
            match (word, before) {
                (Word::Answered, _) => prop_assert!(after.is_none()),
                (Word::Nothing, _) => prop_assert_eq!(after, before.as_ref()),
                (Word::Absent, None) if !case.looks_at_absence() => prop_assert!(after.is_none()),
                (_, Some(before)) => {
                    prop_assert!(after.is_some() || out.remove.contains(key));
                    prop_assert!(after.is_none_or(|s| s.since == before.since));
                }
                (_, None) => prop_assert!(after.is_some() || out.remove.contains(key)),
            }
        }
    }

    #[test]
    fn a_mass_of_removals_is_held_except_what_was_approved(case in case()) {
        if case.removed && case.complete {
            return Ok(());
        }
        let out = case.judge();
        let may_go = |w: Word| w == Word::Gone || w == Word::Absent && case.looks_at_absence();
        let of = |state: fn(Option<State>) -> bool| {
            case.keys.iter().filter(move |(_, w, s)| may_go(*w) && state(s.map(|s| s.state)))
        };
        let loose = || of(|s| !matches!(s, Some(State::Held | State::Approved)));
        let held = || of(|s| s == Some(State::Held));
        let live = case.keys.len() as u64 + case.others;
        let is_held = |(_, w, s): &&(String, Word, Option<Suspicion>)| {
            *w != Word::Answered && s.is_some_and(|s| s.state == State::Held)
        };
        let undecided = case.keys.iter().filter(is_held).count() as u64;
        let mass = guard::hold(&Guard::default(), live - undecided, loose().count() as u64);
        for (key, ..) in loose() {
            let after = out.suspects.get(key);
            prop_assert_eq!(after.is_some_and(|s| s.state == State::Held && s.run == RUN), mass);
        }
        let still = guard::hold(&Guard::default(), live, (loose().count() + held().count()) as u64);
        for (key, _, before) in held() {
            let after = out.suspects[key];
            match (case.looks_at_absence(), still) {
                (false, _) => prop_assert_eq!(Some(after), *before),
                (true, true) => prop_assert_eq!((after.state, after.run), (State::Held, RUN)),
                (true, false) => prop_assert_eq!((after.state, after.run), (State::Open, RUN)),
            }
        }
        for (key, word, _) in of(|s| s == Some(State::Approved)) {
            let stays = out.suspects.get(key).is_some_and(|s| s.state == State::Approved);
            prop_assert!(stays && *word == Word::Absent || out.remove.contains(key));
        }
    }

    #[test]
    fn one_run_lets_no_mass_go(case in case()) {
        if case.removed && case.complete {
            return Ok(());
        }
        let out = case.judge();
        let approved = |s: &Option<Suspicion>| s.is_some_and(|s| s.state == State::Approved);
        // All that nobody approved and that is removed, or may be as soon as Graph is asked.
        let goes = case.keys.iter().filter(|(key, word, before)| {
            let open = out.suspects.get(key).is_some_and(|s| s.state == State::Open);
            !approved(before) && (out.remove.contains(key) || open && matches!(word, Word::Gone | Word::Absent) && case.looks_at_absence())
        });
        let live = case.keys.len() as u64 + case.others;
        prop_assert!(!guard::hold(&Guard::default(), live, goes.count() as u64));
    }

    #[test]
    fn a_removed_tenant_keeps_nothing(case in case()) {
        let case = Case { removed: true, complete: true, ..case };
        let gone: Keys = case.said(Word::Absent).union(&case.said(Word::Gone)).cloned().collect();
        prop_assert_eq!(case.judge().remove, gone);
    }
}

/// Keys from `from` up to and without `to`.
fn keys(from: u32, to: u32) -> Keys {
    (from..to).map(|n| format!("k{n:03}")).collect()
}

/// A complete full run over 100 live records that lacks these, while these are held.
fn lacks(absent: Keys, held: Keys, live: u64) -> Outcome {
    let none = Keys::new();
    let suspicion = Suspicion {
        since: Timestamp(1),
        state: State::Held,
        run: RunId(3),
    };
    judge(Judgement {
        run: RUN,
        mode: Mode::Full,
        complete: true,
        tenant_removed: false,
        absence: Absence::ById,
        started_at: Timestamp(60),
        last_read_end: LAST_READ_END,
        now: Timestamp(90),
        lateness: LATENESS,
        guard: Guard::default(),
        live,
        answered: &held.difference(&absent).cloned().collect(),
        gone: &none,
        missing: &none,
        absent: &absent,
        suspects: held.into_iter().map(|k| (k, suspicion)).collect(),
    })
}

fn in_state(out: &Outcome, state: State) -> Keys {
    let of = out.suspects.iter().filter(|(_, s)| s.state == state);
    of.map(|(k, _)| k.clone()).collect()
}

#[test]
fn a_leaver_is_not_held_because_others_are() {
    let out = lacks(keys(0, 31), keys(0, 30), 100);
    assert_eq!(in_state(&out, State::Held), keys(0, 30));
    assert_eq!(in_state(&out, State::Open), keys(30, 31));
    assert!(out.suspects.values().all(|s| s.run == RUN));
}

#[test]
fn what_is_left_of_a_mass_is_asked_for_when_it_is_none_any_more() {
    let out = lacks(keys(0, 5), keys(0, 30), 100);
    assert_eq!(in_state(&out, State::Open), keys(0, 5));
    // Together with new ones it would be a mass: what is held stays so.
    let out = lacks(
        keys(0, 5).union(&keys(50, 68)).cloned().collect(),
        keys(0, 30),
        100,
    );
    assert_eq!(in_state(&out, State::Held), keys(0, 5));
    assert_eq!(in_state(&out, State::Open), keys(50, 68));
}

#[test]
fn the_rest_does_not_slip_away_behind_what_is_held() {
    // 280 of 300 are held; that the other 20 go is a mass, though it is 7 % of all.
    let out = lacks(keys(0, 300), keys(0, 280), 300);
    assert_eq!(in_state(&out, State::Held), keys(0, 300));
}
