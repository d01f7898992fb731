//! Reports that count users instead of naming them: one pass over all of them.

use std::collections::BTreeMap;

use crate::report_cell::Cell;
use crate::report_kind::Kind;
use crate::report_rows::{Subject, Window, subject};
use crate::tenant::Identity;
use crate::usage::Service;
use crate::world::World;

const SERVICES: [Service; 6] = [
    Service::Exchange,
    Service::OneDrive,
    Service::SharePoint,
    Service::Skype,
    Service::Yammer,
    Service::Teams,
];
/// Copilot in its applications: how many of ten users use it there.
const COPILOT: [u64; 9] = [9, 5, 3, 7, 3, 1, 1, 10, 8];

/// The rows of a counting report.
pub(crate) fn rows(
    who: &Identity,
    world: &World,
    day: u32,
    window: Window,
    kind: Kind,
) -> Vec<Vec<Cell>> {
    let all = || (0..world.limit(day)).filter_map(|i| subject(who, world, i, day, window));
    let refreshed = Cell::Date(Some(window.refreshed));
    let period = Cell::Period(window.period);
    match kind {
        Kind::ActivationCounts | Kind::ActivationUserCounts => {
            let mut products: BTreeMap<&str, [u64; 6]> = BTreeMap::new();
            for (name, day, counts) in all().flat_map(|s| s.activated()) {
                let sums = products.entry(name).or_default();
                sums[0] += 1;
                sums[1] += u64::from(day.is_some());
                sums[2..].iter_mut().zip(counts).for_each(|(s, n)| *s += n);
            }
            let one = |(name, s): (&str, [u64; 6])| {
                let mut row = vec![refreshed.clone(), Cell::Text(name.to_owned())];
                let numbers = if kind == Kind::ActivationCounts {
                    vec![s[2], s[3], s[5], s[4], 0]
                } else {
                    vec![s[0], s[1], 0]
                };
                row.extend(numbers.into_iter().map(Cell::Number));
                row
            };
            products.into_iter().map(one).collect()
        }
        Kind::CopilotSummary | Kind::CopilotTrend => {
            let counted = counted(all(), &[Service::Copilot]);
            let (enabled, active) = counted[0];
            let numbers = COPILOT.map(|share| [enabled, active * share / 10]);
            let numbers = numbers.into_iter().flatten().map(Cell::Number);
            let mut row = vec![refreshed.clone()];
            if kind == Kind::CopilotSummary {
                row.push(period);
                row.extend(numbers);
            } else {
                row.push(refreshed);
                row.extend(numbers);
                row.push(period);
            }
            vec![row]
        }
        Kind::AppCounts => {
            let (_, active) = counted(all(), &[Service::Apps])[0];
            let mut row = vec![refreshed.clone(), period, refreshed];
            row.extend([9, 7, 7, 4, 3, 8].map(|share| Cell::Number(active * share / 10)));
            vec![row]
        }
        Kind::ServicesCounts => {
            let counted = counted(all(), &SERVICES);
            let mut row = vec![refreshed];
            let total = counted[0];
            for (enabled, active) in counted.into_iter().chain([total]) {
                row.extend([active, enabled - active].map(Cell::Number));
            }
            row.push(period);
            vec![row]
        }
        _ => {
            let counted = counted(all(), &SERVICES);
            let mut row = vec![refreshed.clone(), Cell::Number(counted[0].1)];
            row.extend(counted.into_iter().map(|(_, active)| Cell::Number(active)));
            row.extend([refreshed, period]);
            vec![row]
        }
    }
}

/// Licensed and active users by service.
fn counted<'a>(all: impl Iterator<Item = Subject<'a>>, services: &[Service]) -> Vec<(u64, u64)> {
    let mut sums = vec![(0, 0); services.len()];
    for subject in all {
        for (sum, service) in sums.iter_mut().zip(services) {
            if subject.licensed(*service) {
                sum.0 += 1;
                sum.1 += u64::from(subject.active_in(*service));
            }
        }
    }
    sums
}
