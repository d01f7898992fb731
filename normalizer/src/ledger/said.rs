//! What the pages of a run say, beside their objects. Pure.

use super::absence::Keys;
use super::gaps::Gaps;
use super::suspects::Suspects;
use crate::inbox;
use crate::map::Sums;

/// What the pages said, beside their objects.
#[derive(Default)]
pub(super) struct Said {
    pub gone: Keys,
    pub missing: Keys,
    /// Suspects that were answered with their object.
    pub answered: Keys,
    pub pages: u64,
    pub objects: u64,
    pub set_aside: u64,
    /// Ids that are gone or missing.
    pub named: u64,
    pub discarded: u64,
    pub gaps: Gaps,
    pub unfamiliar: Sums,
}

impl Said {
    /// The last word on a key counts; on one page, its object.
    pub fn listen(&mut self, suspects: &Suspects, page: inbox::Content) {
        for u in &page.unfamiliar {
            self.unfamiliar.add(&u.what, &u.name, u.count);
        }
        for key in page.gone {
            self.missing.remove(&key);
            self.answered.remove(&key);
            self.gone.insert(key);
        }
        for key in page.missing {
            self.gone.remove(&key);
            self.answered.remove(&key);
            self.missing.insert(key);
        }
        if suspects.is_empty() && self.gone.is_empty() && self.missing.is_empty() {
            return;
        }
        for key in page
            .records
            .into_iter()
            .map(|r| r.key)
            .chain(page.set_aside.into_iter().filter_map(|s| s.key))
        {
            self.gone.remove(&key);
            self.missing.remove(&key);
            if suspects.contains_key(&key) {
                self.answered.insert(key);
            }
        }
    }
}
