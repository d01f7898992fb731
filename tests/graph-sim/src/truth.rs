//! What is really so, whatever late replicas answer.

use serde_json::Value;

use crate::sim::Sim;
use crate::user_json;
use crate::users::TRUTH;

impl Sim {
    /// Calls `each` with every living user of a tenant as one Graph object with an inventory's properties.
    pub fn truth_users(&self, tenant: usize, mut each: impl FnMut(&[u8])) {
        let mut from = Some(0);
        while let Some(start) = from {
            let (lines, next) = self.truth_chunk(tenant, start);
            lines
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .for_each(&mut each);
            from = next;
        }
    }

    /// Everything of a kind as Graph's objects, as the control endpoint `truth` names kinds and usage reports; none for
    /// another name.
    pub fn truth(&self, tenant: usize, kind: &str) -> Option<Vec<Value>> {
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(start) = from {
            let (lines, next) = self.truth_lines(tenant, kind, None, start)?;
            let lines = lines.split(|b| *b == b'\n').filter(|l| !l.is_empty());
            all.extend(lines.filter_map(|l| serde_json::from_slice::<Value>(l).ok()));
            from = next;
        }
        Some(all)
    }

    /// Some users, one a line, and where to go on.
    pub(crate) fn truth_chunk(&self, tenant: usize, start: u32) -> (Vec<u8>, Option<u32>) {
        const CHUNK: u32 = 500;
        let worlds = self.worlds();
        let mut lines = Vec::new();
        let Some(world) = worlds.tenants.get(tenant) else {
            return (lines, None);
        };
        let (day, limit) = (worlds.today(), world.limit(worlds.today()));
        let end = limit.min(start.saturating_add(CHUNK));
        for user in (start..end).filter_map(|i| world.user(i, day)) {
            user_json::write(&mut lines, self.identity(tenant), &user, TRUTH, false);
            lines.push(b'\n');
        }
        (lines, (end < limit).then_some(end))
    }
}
