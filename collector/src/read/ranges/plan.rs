//! Where a collection is cut into ranges. Pure.
//!
//! Whatever order Graph sorts by, ranges that share their ends leave nothing out: what is not above an end is below it.
//! So a bad cut costs time and never an object.

use crate::run::Piece;

/// More pieces than this only make the list of them long.
pub const MOST: usize = 256;
/// An end is no longer than this: it only has to fall between names.
const LONGEST: usize = 24;
/// Names of a page that are kept.
const SAMPLE: usize = 64;
/// So many names in ascending order are no accident.
const ENOUGH: usize = 50;
/// Letters that an end is made of where no names tell better: every order agrees on these.
const LETTERS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// Cuts a range into about `parts`, by names that lie in it; `in_order` says that Graph sends them sorted, so that they
/// tell nothing of what is still to come: then by letters. Fewer, down to one, where the names don't tell.
pub fn cut(whole: &Piece, names: &[String], in_order: bool, parts: usize) -> Vec<Piece> {
    let ends = match in_order {
        true => letters(whole),
        false => quantiles(names, parts),
    };
    let inside = |end: &String| {
        whole.from.as_ref().is_none_or(|from| end > from)
            && whole.to.as_ref().is_none_or(|to| end < to)
    };
    let mut pieces = Vec::new();
    let mut from = whole.from.clone();
    for end in ends.into_iter().filter(inside).take(MOST) {
        pieces.push(Piece {
            from: from.replace(end.clone()),
            to: Some(end),
            ..Piece::default()
        });
    }
    pieces.push(Piece {
        from,
        to: whole.to.clone(),
        ..Piece::default()
    });
    pieces
}

/// Names of a page that tell where to cut as well as all of them do: there may be pages of a million. The last one, up to
/// which a page was read, is among them.
pub fn sample(names: Vec<String>) -> impl Iterator<Item = String> {
    let (last, step) = (names.len().saturating_sub(1), names.len().div_ceil(SAMPLE));
    let kept = names.into_iter().enumerate();
    kept.filter(move |(n, _)| n % step == 0 || *n == last)
        .map(|(_, name)| name)
}

/// Whether names come sorted.
pub fn in_order(names: &[String]) -> bool {
    names.len() >= ENOUGH && names.is_sorted_by_key(|n| fold(n))
}

/// Ends that cut the names into parts of equal number.
fn quantiles(names: &[String], parts: usize) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|n| fold(n)).collect();
    names.sort_unstable();
    names.dedup();
    let parts = parts.clamp(1, MOST);
    let places = (1..parts).map(|n| n * names.len() / parts);
    let mut ends: Vec<String> = places
        .filter(|place| *place > 0)
        .filter_map(|place| Some(between(names.get(place - 1)?, names.get(place)?)))
        .collect();
    ends.dedup();
    ends
}

/// The shortest beginning of `above` that `below` is not above of.
fn between(below: &str, above: &str) -> String {
    let same = below
        .chars()
        .zip(above.chars())
        .take_while(|(a, b)| a == b)
        .count();
    above.chars().take((same + 1).min(LONGEST)).collect()
}

/// Ends above the lower one: at its last letters first, where names are dense, then at earlier ones.
fn letters(whole: &Piece) -> Vec<String> {
    let from: Vec<char> = whole.from.as_deref().unwrap_or("").chars().collect();
    let depth = from.len().min(3);
    let mut ends = Vec::new();
    for place in (0..=depth).rev() {
        let head: String = from.iter().take(place).collect();
        let above = |c: &char| from.get(place).is_none_or(|f| c > f);
        ends.extend(LETTERS.chars().filter(above).map(|c| format!("{head}{c}")));
    }
    ends.sort_unstable();
    ends.dedup();
    ends
}

fn fold(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    fn ends(pieces: &[Piece]) -> Vec<&str> {
        pieces.iter().filter_map(|p| p.to.as_deref()).collect()
    }

    #[test]
    fn names_are_cut_at_their_shortest_beginnings() {
        let some = names(&["anna.b", "anna.c", "Bert", "carl", "carla", "dora"]);
        let pieces = cut(&Piece::default(), &some, false, 3);
        assert_eq!(ends(&pieces), ["b", "carla"]);
        assert_eq!(pieces.len(), 3);
        let one = cut(&Piece::default(), &[], false, 7);
        assert_eq!(one, [Piece::default()]);
    }

    #[test]
    fn a_page_leaves_some_of_its_names_and_the_last_one() {
        let all = |n: usize| -> Vec<String> { (0..n).map(|n| n.to_string()).collect() };
        for n in [0, 1, 20, SAMPLE] {
            assert_eq!(sample(all(n)).collect::<Vec<_>>(), all(n));
        }
        let some: Vec<String> = sample(all(999)).collect();
        assert!(some.len() <= SAMPLE + 1 && some.len() > SAMPLE / 2);
        assert_eq!(some.first().unwrap(), "0");
        assert_eq!(some.last().unwrap(), "998");
    }

    #[test]
    fn where_names_come_sorted_letters_cut_what_is_left() {
        let sorted: Vec<String> = (0..100).map(|n| format!("anna{n:03}")).collect();
        assert!(in_order(&sorted) && !in_order(&sorted[..20]));
        let rest = Piece {
            from: Some("anna099".to_owned()),
            to: Some("b".to_owned()),
            ..Piece::default()
        };
        let pieces = cut(&rest, &sorted, true, 9);
        assert_eq!(pieces.first().unwrap().from, rest.from);
        assert_eq!(pieces.last().unwrap().to, rest.to);
        assert_eq!(ends(&pieces)[..3], ["annb", "annc", "annd"]);
        assert!(ends(&pieces).contains(&"ao"));
    }

    proptest! {
        /// For any order that a server may have, here one that shuffles the letters, each name is in a piece.
        #[test]
        fn nothing_is_left_out(
            all in prop::collection::vec("[a-z.0-9_-]{0,6}", 0..200), parts in 1..300_usize, in_order: bool, key: u8
        ) {
            let odd = |name: &str| name.bytes().map(|b| b.wrapping_mul(key | 1)).collect::<Vec<u8>>();
            let pieces = cut(&Piece::default(), &all, in_order, parts);
            prop_assert!(pieces.len() <= MOST + 1);
            for name in &all {
                let holds = |p: &Piece| {
                    p.from.as_deref().is_none_or(|from| odd(name) >= odd(from))
                        && p.to.as_deref().is_none_or(|to| odd(name) <= odd(to))
                };
                prop_assert!(pieces.iter().any(holds), "{}", name);
            }
        }
    }
}
