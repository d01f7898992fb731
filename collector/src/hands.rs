//! Which tenants a collector has in hand, and which it takes next.

use std::collections::BTreeMap;

use proto::ids::{TenantId, Timestamp};
use tokio::task::Id;

use crate::lease::Ended;

/// The tenants in hand.
#[derive(Default)]
pub struct Hands {
    /// Those that are worked for, and by which task.
    pub busy: BTreeMap<TenantId, Id>,
    /// Those that another collector works for, and when to look again: asked at once, it would say the same.
    pub elsewhere: BTreeMap<TenantId, Timestamp>,
    /// Those whose work was interrupted because it is long, the first one first.
    long: Vec<TenantId>,
}

impl Hands {
    /// The work of a task has ended. A tenant of another collector's is looked at again at `again`.
    pub fn ended(&mut self, task: Id, ended: Ended, again: Timestamp) {
        let Some(tenant) = self.busy.iter().find(|(_, t)| **t == task).map(|(t, _)| *t) else {
            return;
        };
        self.busy.remove(&tenant);
        self.long.retain(|t| *t != tenant);
        match ended {
            Ended::Done => {}
            Ended::Elsewhere => _ = self.elsewhere.insert(tenant, again),
            Ended::Long => self.long.push(tenant),
        }
    }

    /// How many more may be taken, of `most`; as many again may work for long, of which so many places are `free`.
    pub fn room(&self, most: usize, free: usize) -> usize {
        (most + most.saturating_sub(free)).saturating_sub(self.busy.len())
    }
}

/// Tenants that are taken, of those that are offered.
pub struct Pick<'a> {
    hands: &'a Hands,
    most: usize,
    room: usize,
    short: Vec<TenantId>,
    long: Vec<TenantId>,
}

impl<'a> Pick<'a> {
    /// Numbers as in [`Hands::room`].
    pub fn new(hands: &'a Hands, most: usize, free: usize) -> Self {
        Pick {
            hands,
            most,
            room: hands.room(most, free),
            short: Vec::new(),
            long: Vec::new(),
        }
    }

    /// A tenant has something due; those that are due first come first.
    pub fn offer(&mut self, tenant: TenantId) {
        let Hands {
            busy,
            elsewhere,
            long,
        } = self.hands;
        if busy.contains_key(&tenant) || elsewhere.contains_key(&tenant) {
            return;
        }
        let list = match long.contains(&tenant) {
            true => &mut self.long,
            false => &mut self.short,
        };
        if !list.contains(&tenant) {
            list.push(tenant);
        }
    }

    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.short.len() >= self.room
    }

    /// The taken ones. Those whose work is long go on in turn, and get half of the places while others wait.
    pub fn taken(mut self) -> Vec<TenantId> {
        let Hands { busy, long, .. } = self.hands;
        let place = |tenant: &TenantId| long.iter().position(|t| t == tenant);
        self.long.sort_by_key(place);
        let at_work = long.iter().filter(|t| busy.contains_key(t)).count();
        let share = (self.most / 2).saturating_sub(at_work);
        let rest = self.long.split_off(share.min(self.long.len()));
        let mut all = self.long;
        all.append(&mut self.short);
        all.extend(rest);
        all.truncate(self.room);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::task::JoinSet;

    use super::*;

    fn tenant(n: u32) -> TenantId {
        format!("00000000-0000-0000-0000-{n:012}").parse().unwrap()
    }

    fn tenants(all: &[u32]) -> Vec<TenantId> {
        all.iter().map(|n| tenant(*n)).collect()
    }

    /// What is taken of these, with all long places taken by others.
    fn taken(hands: &Hands, most: usize, offered: &[u32]) -> Vec<TenantId> {
        let mut pick = Pick::new(hands, most, most);
        offered.iter().for_each(|n| pick.offer(tenant(*n)));
        pick.taken()
    }

    #[tokio::test]
    async fn long_work_never_takes_every_place_and_goes_on_in_turn() {
        let mut tasks = JoinSet::new();
        let mut hands = Hands::default();
        let mut work = |hands: &mut Hands, n: u32, ended: Ended| {
            let id = tasks.spawn(ready(())).id();
            hands.busy.insert(tenant(n), id);
            hands.ended(id, ended, Timestamp(9));
        };
        for n in [3, 1, 2] {
            work(&mut hands, n, Ended::Long);
        }
        // Due for longest are those that were interrupted.
        let offered = [1, 2, 3, 7, 8, 9, 7];
        assert_eq!(taken(&hands, 4, &offered), tenants(&[3, 1, 7, 8]));
        assert_eq!(taken(&hands, 1, &offered), tenants(&[7]));
        assert_eq!(
            taken(&hands, 4, &[1, 2, 3]),
            tenants(&[3, 1, 2]),
            "nobody else waits"
        );

        work(&mut hands, 3, Ended::Long);
        assert_eq!(taken(&hands, 4, &offered), tenants(&[1, 2, 7, 8]));
        work(&mut hands, 1, Ended::Done);
        work(&mut hands, 2, Ended::Elsewhere);
        assert_eq!(taken(&hands, 4, &offered), tenants(&[3, 1, 7, 8]));
        assert_eq!(hands.elsewhere[&tenant(2)], Timestamp(9));
    }

    #[tokio::test]
    async fn who_works_for_long_leaves_its_place() {
        let mut tasks = JoinSet::new();
        let mut hands = Hands::default();
        for n in 1..=3 {
            hands.busy.insert(tenant(n), tasks.spawn(ready(())).id());
        }
        assert_eq!(hands.room(2, 2), 0);
        assert_eq!(hands.room(4, 4), 1);
        assert_eq!(hands.room(4, 1), 4, "three places for long work are taken");
    }
}
