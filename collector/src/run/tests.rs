//! Tests of the state machine; the whole protocol in random histories is tested in the crate `tests`.

use proptest::prelude::*;

use super::*;

const LATE: Duration = Duration::from_secs(600);

fn rules() -> Rules {
    Rules {
        by_delta: true,
        declaration: 1,
        lateness: LATE,
        full_every: Duration::from_secs(7 * 24 * 3600),
        verdict_within: Duration::from_secs(1800),
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000_000 + seconds * 1_000_000)
}

fn link(text: &str) -> Link {
    Link(text.to_owned())
}

fn verdict(state: &State, complete: bool) -> Verdict {
    let sealed = state.sealed.as_ref().unwrap();
    Verdict {
        run: sealed.read.run,
        by: sealed.by,
        complete,
        needs_full: false,
        suspects: BTreeMap::new(),
        applied: RunId(0),
    }
}

/// Reads the open run to its end and closes it.
fn close(state: &mut State, now: Timestamp) {
    let open = state.open.as_mut().unwrap();
    open.todo = Todo::Nothing;
    state.seal(Attempt(1), now).unwrap();
    assert!(state.verdict(verdict(state, true)));
}

/// After a first full read and its repetition.
fn settled() -> State {
    let mut state = State::default();
    state.begin(&rules(), at(0));
    let open = state.open.as_mut().unwrap();
    assert_eq!(open.todo, Todo::TakeLink);
    open.link_taken(link("first"));
    close(&mut state, at(5));
    assert!(!state.askable(&rules(), at(599)));
    assert!(state.askable(&rules(), at(600)));
    state.begin(&rules(), at(600));
    assert_eq!(state.open.as_ref().unwrap().todo, Todo::Chain(None));
    assert_eq!(
        state.open.as_ref().unwrap().link,
        Some(link("first")),
        "the repetition keeps the older link"
    );
    close(&mut state, at(605));
    assert_eq!(state.cursor.twice, None);
    assert!(!state.askable(&rules(), at(100_000)));
    state
}

fn delta(state: &mut State, now: Timestamp, named: &[(&str, bool)]) {
    state.begin(&rules(), now);
    let asked_before = state.cursor.again.clone();
    let open = state.open.as_mut().unwrap();
    assert!(matches!(open.todo, Todo::Delta(_)));
    let named = named
        .iter()
        .map(|(id, gone)| ((*id).to_owned(), *gone))
        .collect();
    open.delta_read(named, link("next"), &asked_before, 1_000_000, &rules(), now);
}

#[test]
fn a_named_id_is_asked_again_ten_minutes_later_and_then_no_more() {
    let mut state = settled();
    delta(&mut state, at(1_000), &[("a", false), ("b", true)]);
    let open = state.open.as_ref().unwrap();
    assert_eq!(
        open.todo,
        Todo::Ids(["a".to_owned(), "b".to_owned()].into())
    );
    assert_eq!(
        (open.not_found("a"), open.not_found("b")),
        (Answer::Missing, Answer::Gone)
    );
    close(&mut state, at(1_001));
    assert_eq!(state.next_age(&rules()), Some(at(1_600)));
    delta(&mut state, at(1_600), &[]);
    let open = state.open.as_ref().unwrap();
    assert_eq!(
        open.todo,
        Todo::Ids(["a".to_owned(), "b".to_owned()].into())
    );
    assert_eq!(
        open.not_found("b"),
        Answer::Gone,
        "what the delta removed stays removed when it is asked again"
    );
    close(&mut state, at(1_601));
    assert_eq!(state.waiting_ids(), 0);
}

#[test]
fn a_suspect_is_asked_for_once_it_is_old_enough() {
    let mut state = settled();
    state.check(BTreeMap::from([("s".to_owned(), at(1_000))]));
    delta(&mut state, at(1_500), &[]);
    assert_eq!(
        state.open.as_ref().unwrap().todo,
        Todo::Nothing,
        "too young"
    );
    assert_eq!(state.open.as_ref().unwrap().not_found("s"), Answer::Missing);
    state.seal(Attempt(1), at(1_501)).unwrap();
    let mut v = verdict(&state, true);
    v.suspects = state.cursor.check.clone();
    assert!(state.verdict(v));
    delta(&mut state, at(1_600), &[]);
    assert_eq!(state.open.as_ref().unwrap().not_found("s"), Answer::Gone);
}

#[test]
fn the_cursor_moves_only_by_the_verdict_on_this_seal() {
    let mut state = settled();
    let before = state.cursor.clone();
    delta(&mut state, at(2_000), &[("a", false)]);
    state.open.as_mut().unwrap().todo = Todo::Nothing;
    state.seal(Attempt(7), at(2_001)).unwrap();
    let mut other = verdict(&state, true);
    other.by = Attempt(6);
    assert!(!state.verdict(other));
    assert!(state.sealed.is_some());
    assert!(state.verdict(verdict(&state, false)));
    assert_eq!(
        (state.cursor.link.clone(), state.cursor.base),
        (before.link, before.base),
        "a gap moves nothing"
    );
}

#[test]
fn a_seal_without_a_verdict_is_given_up_ever_later() {
    let mut state = settled();
    let mut now = 10_000;
    for expected in [1800, 3600, 7200] {
        delta(&mut state, at(now), &[("a", false)]);
        state.open.as_mut().unwrap().todo = Todo::Nothing;
        state.seal(Attempt(1), at(now)).unwrap();
        assert!(!state.give_up(&rules(), at(now + expected - 1)));
        assert!(state.give_up(&rules(), at(now + expected)));
        now += expected;
    }
}

#[test]
fn many_named_ids_become_a_full_read_that_is_repeated() {
    let mut state = settled();
    state.cursor.known_objects = 5_000;
    state.begin(&rules(), at(3_000));
    let named = (0..4_000).map(|n| (n.to_string(), false)).collect();
    let open = state.open.as_mut().unwrap();
    open.delta_read(
        named,
        link("next"),
        &BTreeMap::new(),
        5_000,
        &rules(),
        at(3_000),
    );
    assert!(open.is_full());
    assert_eq!(
        (open.todo.clone(), open.link.clone(), open.twice),
        (Todo::Chain(None), Some(link("next")), Some(at(3_000)))
    );
}

#[test]
fn needs_full_and_a_new_declaration_read_everything() {
    let mut state = settled();
    delta(&mut state, at(2_000), &[]);
    state.seal(Attempt(1), at(2_001)).unwrap();
    let mut v = verdict(&state, false);
    v.needs_full = true;
    state.verdict(v);
    state.begin(&rules(), at(2_002));
    assert!(state.open.as_ref().unwrap().is_full());

    let mut state = settled();
    let newer = Rules {
        declaration: 2,
        ..rules()
    };
    state.begin(&newer, at(2_000));
    assert_eq!(
        state.open.as_ref().unwrap().todo,
        Todo::TakeLink,
        "a link of another declaration counts as none"
    );
}

#[test]
fn the_delta_is_newer_word_than_a_suspicion() {
    let mut state = settled();
    state.check(BTreeMap::from([("s".to_owned(), at(0))]));
    delta(&mut state, at(2_000), &[("s", false)]);
    assert_eq!(state.open.as_ref().unwrap().not_found("s"), Answer::Missing);
}

#[test]
fn a_tenant_that_was_taken_out_is_sealed_empty_and_back_again_is_read() {
    let mut state = settled();
    state.begin_as(true, &rules(), at(2_000));
    let open = state.open.as_ref().unwrap();
    assert!(
        open.tenant_removed
            && open.is_full()
            && open.todo == Todo::Nothing
            && open.pages.is_empty()
    );
    state.begin_as(false, &rules(), at(2_001));
    assert!(!state.open.as_ref().unwrap().tenant_removed);
}

#[test]
fn a_collector_that_lost_its_numbers_continues_above_the_ledgers() {
    let mut state = State::default();
    state.begin(&rules(), at(0));
    let open = state.open.as_mut().unwrap();
    open.todo = Todo::Nothing;
    state.seal(Attempt(1), at(1)).unwrap();
    let mut v = verdict(&state, false);
    v.applied = RunId(u64::from(u32::MAX) << 20);
    assert!(state.verdict(v.clone()));
    state.begin(&rules(), at(2));
    assert!(state.open.as_ref().unwrap().run > v.applied);
}

#[test]
fn links_are_never_printed() {
    let state = settled();
    assert!(!format!("{state:?}").contains("first"));
}

#[test]
fn states_survive_storage() {
    let mut state = settled();
    delta(&mut state, at(1_000), &[("a", false)]);
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
}

proptest! {
    /// Confirmed pages are exactly the ranges that the seal names, whatever attempts read them.
    #[test]
    fn pages_are_named_by_ranges(turns in prop::collection::vec((0u32..5, prop::bool::ANY), 1..8)) {
        let mut state = settled();
        state.cursor.full = true;
        state.begin(&rules(), at(1_000));
        let open = state.open.as_mut().unwrap();
        let mut want = Vec::new();
        for (n, (pages, restart)) in turns.into_iter().enumerate() {
            let attempt = Attempt(n as u64 + 10);
            let mut sequence = 0;
            for _ in 0..pages {
                open.confirmed(attempt, sequence, 1, Todo::Chain(None).into());
                want.push((attempt, sequence));
                sequence += 1;
            }
            if restart {
                open.restart_chain();
                want.clear();
                open.confirmed(attempt, sequence, 1, Todo::Chain(None).into());
                want.push((attempt, sequence));
            }
        }
        let named: Vec<_> = open.pages.iter().flat_map(|(a, f, l)| (*f..=*l).map(|s| (*a, s))).collect();
        prop_assert_eq!(&named, &want);
        prop_assert_eq!(open.page_count() as usize, want.len());
    }

    /// Run numbers ascend, whatever the clock does.
    #[test]
    fn runs_ascend(times in prop::collection::vec(0u64..1_000_000, 2..20)) {
        let mut state = settled();
        let mut last = state.cursor.run;
        for t in times {
            state.cursor.full = true;
            state.begin(&rules(), Timestamp(t));
            prop_assert!(state.cursor.run > last);
            last = state.cursor.run;
            close(&mut state, Timestamp(t));
        }
    }
}

#[test]
fn another_part_of_the_people_drops_what_is_open_and_reads_everything() {
    let mut state = settled();
    delta(&mut state, at(1_000), &[("a", false)]);
    let open = state.open.clone().unwrap();
    state.narrow_to(0);
    assert_eq!(state.open, Some(open.clone()), "everybody, as before");

    state.narrow_to(7);
    state.begin(&rules(), at(1_001));
    let full = state.open.clone().unwrap();
    assert!(full.is_full() && full.run > open.run && full.pages.is_empty());
    assert_eq!(full.link, Some(link("first")), "the older link is kept");
    state.narrow_to(7);
    assert_eq!(state.open.as_ref(), Some(&full), "it goes on");

    // What is sealed can't be taken back: the part changes behind its verdict.
    state.open.as_mut().unwrap().todo = Todo::Nothing;
    state.seal(Attempt(1), at(1_002)).unwrap();
    state.narrow_to(8);
    assert_eq!(state.cursor.population, 7);
    assert!(state.verdict(verdict(&state, true)));
    assert!(!state.cursor.full);
    state.narrow_to(8);
    state.begin(&rules(), at(1_003));
    assert!(state.open.as_ref().unwrap().is_full());
}
