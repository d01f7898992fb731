//! Judges the cells, and prints the table.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cases;
use super::table::{self, Case, Cells, End, GROUPS, READS};

/// Worlds at the same time: each is busy with itself on one thread.
const AT_ONCE: usize = 2;

/// Judges some troubles, and prints the table.
fn judge(cases: Vec<Case>) {
    let work: Vec<_> = cases
        .iter()
        .flat_map(|case| GROUPS.map(|group| (case, group)))
        .filter(|(case, group)| {
            let mut some = catalog::ALL.into_iter().filter(|d| group(d));
            some.any(|d| case.concerns(d))
        })
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((case, group)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let cells = table::read(case, *group);
                    wrong.lock().unwrap().extend(judged(case, cells));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Prints the rows of the table, and returns what is not as expected.
fn judged(case: &Case, cells: Cells) -> Vec<String> {
    let Cells { ends, mut wrong } = cells;
    let mut rows = String::new();
    let mut datasets: Vec<_> = ends.keys().map(|(dataset, _)| *dataset).collect();
    datasets.dedup();
    for dataset in datasets.into_iter().filter_map(catalog::find) {
        let end = |read| ends.get(&(dataset.name, read)).copied();
        let expected = READS.map(|read| end(read).and_then(|_| (case.expected)(dataset, read)));
        if expected.iter().all(Option::is_none) {
            continue;
        }
        let shown = READS.map(|read| end(read).map_or("-".to_owned(), |e| e.to_string()));
        rows += &format!(
            "{:<36} {:<18} {:<22} {:<22} {}\n",
            case.name, dataset.name, shown[0], shown[1], shown[2]
        );
        for (read, expected) in READS.into_iter().zip(expected) {
            if expected.is_some() && end(read) != expected {
                let (end, expected) = (text(end(read)), text(expected));
                wrong.push(format!(
                    "{}, {}, {read:?}: {end}, expected was {expected}",
                    case.name, dataset.name,
                ));
            }
        }
    }
    print!("{rows}");
    wrong
}

fn text(end: Option<End>) -> String {
    end.map_or("nothing".to_owned(), |end| end.to_string())
}

#[test]
fn refusals_that_end() {
    let ends = |case: &Case| case.patience > 1;
    judge(cases::refusals().into_iter().filter(ends).collect());
}

#[test]
fn refusals_without_end() {
    let never_ends = |case: &Case| case.patience == 1;
    judge(cases::refusals().into_iter().filter(never_ends).collect());
}

#[test]
fn bodies_that_are_no_answer() {
    judge(cases::bodies());
}

#[test]
fn pages_that_mislead() {
    judge(cases::pages());
}

#[test]
fn tenants_that_are_late_or_lack_something() {
    judge(cases::tenants());
}
