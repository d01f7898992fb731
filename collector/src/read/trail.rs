//! Where a chain of pages has been: one that comes back to a place, or that goes on without bringing anything, never ends.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::graph_error::GraphError;
use crate::page::{self, Page};
use crate::run::Link;

/// Pages without anything new, one after the other, after which it is enough. Graph may send some that are empty.
const IDLE: u32 = 100;

/// The links and the beginnings of the pages of one chain, eight bytes each: some thousands in the largest tenant.
#[derive(Default)]
pub struct Trail {
    seen: HashSet<u64>,
    idle: u32,
}

impl Trail {
    /// Notes a page and the link behind it.
    ///
    /// # Errors
    /// When the link was followed before, or when the last hundred pages brought nothing new.
    pub fn follow(
        &mut self,
        page: &Page<'_>,
        link: &Link,
        next: Option<&Link>,
    ) -> Result<(), GraphError> {
        // The first link is known to nobody but us: Graph may lead back to it in other words.
        self.seen.insert(hash(&link.0));
        let first = page.value.first().map(|object| object.get());
        let new = first.is_some_and(|object| self.seen.insert(hash(object)));
        self.idle = if new { 0 } else { self.idle + 1 };
        let back = next.is_some_and(|next| self.seen.contains(&hash(&next.0)));
        match next.is_some() && (back || self.idle >= IDLE) {
            true => Err(GraphError::Circle {
                path: page::path(&link.0),
            }),
            false => Ok(()),
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows(trail: &mut Trail, object: Option<&str>, link: &str, next: Option<&str>) -> bool {
        let body = format!("{{\"value\":[{}]}}", object.unwrap_or_default());
        let page = crate::page::parse("users", body.as_bytes()).unwrap();
        let next = next.map(|l| Link(l.to_owned()));
        trail
            .follow(&page, &Link(link.to_owned()), next.as_ref())
            .is_ok()
    }

    #[test]
    fn a_link_that_was_followed_before_is_no_way_on() {
        let mut trail = Trail::default();
        assert!(follows(&mut trail, Some("1"), "a", Some("b")));
        assert!(follows(&mut trail, Some("2"), "b", Some("c")));
        assert!(!follows(&mut trail, Some("3"), "c", Some("b")));
    }

    #[test]
    fn pages_without_news_are_borne_for_a_while() {
        for object in [None, Some("1")] {
            let mut trail = Trail::default();
            let page = |n: u32| format!("page {n}");
            assert!(follows(&mut trail, Some("1"), "start", Some(&page(0))));
            let ways =
                (0..500).take_while(|n| follows(&mut trail, object, &page(*n), Some(&page(n + 1))));
            assert_eq!(ways.count(), IDLE as usize - 1);
        }
    }

    #[test]
    fn the_last_page_may_be_empty_or_known() {
        let mut trail = Trail::default();
        assert!(follows(&mut trail, Some("1"), "a", Some("b")));
        assert!(follows(&mut trail, Some("1"), "b", None));
    }
}
