//! What a page has that this release doesn't know: counted, never in the way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proto::pages::v1::Unfamiliar;

/// Names of one page, and of a run, that are told apart; all others are `other`.
pub const MOST: usize = 100;
/// Stands for names that may hold something else than a name, and for those beyond [`MOST`].
const OTHER: &str = "other";
/// No property, value or header is longer.
const LONGEST: usize = 80;

/// Sums by what and name.
#[derive(Default)]
pub(crate) struct Sums(BTreeMap<(String, String), u64>);

impl Sums {
    /// Counts; a name beyond the most is one of the others.
    pub fn add(&mut self, what: &str, name: &str, n: u64) {
        let mut key = (what.to_owned(), name.to_owned());
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            OTHER.clone_into(&mut key.1);
        }
        *self.0.entry(key).or_default() += n;
    }

    /// Sorted.
    pub fn into_list(self) -> Vec<Unfamiliar> {
        let each = self.0.into_iter();
        each.map(|((what, name), count)| Unfamiliar { what, name, count })
            .collect()
    }
}

/// Notes about the objects of a page, borrowed from its text.
#[derive(Default)]
pub(super) struct Notes<'de> {
    properties: RefCell<BTreeMap<(&'de str, &'de str), u64>>,
    values: RefCell<BTreeMap<(&'static str, String), u64>>,
    removed: Cell<bool>,
}

impl<'de> Notes<'de> {
    /// An object has a property that its type doesn't know. Annotations are none, whatever they are.
    pub fn property(&self, around: &'de str, name: &'de str) {
        if name == "@removed" {
            self.removed.set(true);
        }
        if !name.contains('@') {
            *self
                .properties
                .borrow_mut()
                .entry((around, name))
                .or_default() += 1;
        }
    }

    /// A property has a value; these are documented.
    pub fn value(&self, property: &'static str, value: Option<&str>, documented: &[&str]) {
        if let Some(value) = value
            && !documented.contains(&value)
        {
            let key = (property, value.to_owned());
            *self.values.borrow_mut().entry(key).or_default() += 1;
        }
    }

    /// Whether an object since the last time is only named as removed.
    pub fn was_removed(&self) -> bool {
        self.removed.take()
    }

    /// What was noted, but these properties: documented ones that no record shows.
    pub fn take(&self, unused: &[&str]) -> Vec<Unfamiliar> {
        let mut sums = Sums::default();
        for ((around, name), n) in self.properties.take() {
            let path = match around {
                // Of a page's objects, and of what the collector wraps.
                "" | "value" => name.to_owned(),
                around => format!("{around}.{name}"),
            };
            if !unused.contains(&path.as_str()) {
                sums.add("property", tellable(&path, is_of_property), n);
            }
        }
        for ((property, value), n) in self.values.take() {
            let value = tellable(&value, is_of_property);
            sums.add("value", &format!("{property}={value}"), n);
        }
        sums.into_list()
    }
}

/// The columns of a report that are not documented, and the documented ones that it lacks.
pub(super) fn columns(there: &[String], always: &[&str], sometimes: &[&str]) -> Vec<Unfamiliar> {
    let mut sums = Sums::default();
    for name in there {
        let name = name.as_str();
        if !always.contains(&name) && !sometimes.contains(&name) {
            sums.add("column", tellable(name, is_of_header), 1);
        }
    }
    for name in always {
        if !there.iter().any(|t| t == name) {
            sums.add("missing", name, 1);
        }
    }
    sums.into_list()
}

/// The text where it looks like a name: what doesn't may be anything, also a person's data.
fn tellable(text: &str, fits: fn(u8) -> bool) -> &str {
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    match begins && text.len() <= LONGEST && text.bytes().all(fits) {
        true => text,
        false => OTHER,
    }
}

fn is_of_property(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_')
}

fn is_of_header(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b" ()/-_".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_never_anything_else() {
        let notes = Notes::default();
        let names: Vec<String> = (0..200).map(|n| format!("p{n:03}")).collect();
        names.iter().for_each(|name| notes.property("", name));
        notes.property("", "ada@contoso.com");
        notes.property("", "Ada Lovelace");
        notes.value("userType", Some("Ada Lovelace"), &["Member"]);
        notes.value("userType", Some("Alien"), &["Member"]);
        notes.value("userType", Some("Member"), &["Member"]);
        notes.value("userType", None, &["Member"]);
        let found = notes.take(&["p000"]);
        let all: u64 = found.iter().map(|u| u.count).sum();
        assert_eq!((found.len(), all), (MOST + 1, 202));
        assert!(found.iter().all(|u| !u.name.contains("Ada")), "{found:?}");
        assert_eq!(notes.take(&[]), []);
    }

    #[test]
    fn columns_are_compared_whatever_their_order() {
        let there = ["B", "A", "New", "<b>"].map(str::to_owned);
        let found = columns(&there, &["A", "B", "C"], &["D"]);
        let found: Vec<_> = found
            .iter()
            .map(|u| (u.what.as_str(), u.name.as_str()))
            .collect();
        assert_eq!(
            found,
            [("column", "New"), ("column", "other"), ("missing", "C")]
        );
    }
}
