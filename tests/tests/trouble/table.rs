//! One cell: a dataset is read under one trouble, and how that ends.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use catalog::{Declaration, Reading};
use graph_sim::{Fault, Sim, Trouble};
use tests::compared::{Depth, differs, reading};
use tests::world::{Setting, Setup, World};

/// How the reading of a dataset ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Complete in one pass, and as the tenant has it.
    Whole,
    /// Complete as far as anybody can see, for Graph counts nothing here; a later reading has what is missing.
    Unseen,
    /// A pass fails with this code, and a later one is complete and as the tenant has it.
    Later(&'static str),
    /// Not complete while the trouble lasts, and this code says why.
    Never(&'static str),
    /// Left out, and this code says why.
    Skipped(&'static str),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            End::Whole => "whole".to_owned(),
            End::Unseen => "not seen".to_owned(),
            End::Later(code) => format!("{code}, then whole"),
            End::Never(code) => (*code).to_owned(),
            End::Skipped(code) => format!("left out, {code}"),
        };
        f.pad(&text)
    }
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// Everything, for the first time.
    First,
    /// What has changed within a day; where there is no delta query, everything.
    Changes,
    /// Everything, after a week.
    Again,
}

pub const READS: [Read; 3] = [Read::First, Read::Changes, Read::Again];

/// What happens to the requests of a dataset.
#[derive(Clone)]
pub enum Arm {
    Trouble(Trouble),
    /// On the pages that are published: the first one of a full read gives names, of what Graph counts, to cut ranges by.
    Page(Trouble),
    /// At Entra ID.
    Token(Trouble),
    Fault(Fault),
}

impl Arm {
    fn arm(&self, sim: &Sim, dataset: &Declaration, read: Read) {
        let times = match self {
            Arm::Trouble(trouble) => trouble.times,
            Arm::Fault(fault) => fault.times,
            Arm::Page(_) | Arm::Token(_) => None,
        };
        // The delta link and the number of objects are asked for at the same time: what happens once happens to the link.
        let link = times == Some(1) && dataset.by_id() && read == Read::First;
        let path = Some(path(dataset) + if link { "/delta" } else { "" });
        match self {
            Arm::Page(trouble) => sim
                .trouble(Trouble {
                    path,
                    after: u32::from(dataset.ranges.is_some() && read != Read::Changes),
                    ..trouble.clone()
                })
                .unwrap(),
            Arm::Trouble(trouble) => sim
                .trouble(Trouble {
                    path,
                    ..trouble.clone()
                })
                .unwrap(),
            Arm::Token(_) => {}
            Arm::Fault(fault) => sim.fault(Fault {
                path,
                ..fault.clone()
            }),
        }
    }
}

/// One trouble, and what is expected of each dataset that can have it.
pub struct Case {
    pub name: &'static str,
    pub arms: Vec<Arm>,
    /// What is different about the simulated tenant from the beginning on.
    pub setup: fn(&mut Setup),
    /// None: this dataset can't have it.
    pub expected: fn(&Declaration, Read) -> Option<End>,
    /// Passes, two hours apart, within which a patient reader has what it can get.
    pub patience: u32,
    /// Replicas are late: what a pass reads is as of some moment, and at rest all is as in the tenant.
    pub late: bool,
    /// How much of each record is as in the tenant where it is complete.
    pub depth: Depth,
}

impl Case {
    /// Whether anything is expected of a dataset.
    pub fn concerns(&self, dataset: &Declaration) -> bool {
        READS
            .iter()
            .any(|read| (self.expected)(dataset, *read).is_some())
    }
}

/// Datasets whose requests can be told apart by their paths are read together.
pub const GROUPS: [fn(&Declaration) -> bool; 5] = [
    |d| d.by_id(),
    |d| d.reading == Reading::Twice && d.name != "signInActivity",
    |d| !d.by_id() && !matches!(d.reading, Reading::Twice | Reading::Each(_)),
    |d| ["signInActivity", "groupMembers"].contains(&d.name),
    |d| d.name == "userPurpose",
];

/// Whether a reading is one of its own for a dataset: where there is no delta query, every one is of everything.
pub fn concerns(read: Read, dataset: &Declaration) -> bool {
    dataset.by_id() || read != Read::Changes
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Passes, a day apart, within which everything is whole when the trouble is over.
const PATIENCE: u32 = 2;

/// Where the requests of a dataset go.
pub fn path(dataset: &Declaration) -> String {
    let path = match &dataset.reading {
        Reading::Each(parents) => parents.path,
        _ => dataset.path,
    };
    let path = path.split('(').next().unwrap();
    format!("/{path}")
}

/// The cells of one trouble: dataset, what was read, how it ended; and what was wrong.
pub struct Cells {
    pub ends: BTreeMap<(&'static str, Read), End>,
    pub wrong: Vec<String>,
}

/// Reads a group of datasets under one trouble, three times.
pub fn read(case: &Case, group: fn(&Declaration) -> bool) -> Cells {
    let all = catalog::ALL.into_iter().filter(|d| group(d));
    let datasets: Vec<&'static Declaration> = all.filter(|d| case.concerns(d)).collect();
    let mut setup = reading(50, &datasets);
    setup.paused = true;
    setup.sim.concealed_names = false;
    setup.sim.most_on_page = Some(20);
    (case.setup)(&mut setup);
    let mut world = World::still(Setting::Embedded, setup);
    world.sim().advance(3);
    let mut cells = Cells {
        ends: BTreeMap::new(),
        wrong: Vec::new(),
    };
    let reads = READS.into_iter();
    for read in reads.filter(|read| concerns(*read, datasets[0])) {
        match read {
            Read::First => {}
            Read::Changes => {
                world.sim().advance(1);
                world.away(DAY);
            }
            Read::Again => {
                // A row that a report no longer has stays for a month.
                if datasets[0].by_id() {
                    world.sim().advance(1);
                }
                world.away(7 * DAY);
            }
        }
        for arm in &case.arms {
            if let Arm::Token(trouble) = arm {
                world.sim().trouble(trouble.clone()).unwrap();
                // The next token is a new one.
                world.away(Duration::ZERO);
            }
        }
        for dataset in &datasets {
            for arm in &case.arms {
                arm.arm(&world.sim(), dataset, read);
            }
        }
        let ends = passes(&mut world, &datasets, case.patience);
        let unseen = |d: &Declaration| (case.expected)(d, read) == Some(End::Unseen);
        let whole = |d: &&Declaration| matches!(ends[d.name], End::Whole | End::Later(_));
        let whole = !case.late && datasets.iter().all(|d| !unseen(d) && whole(d));
        for dataset in &datasets {
            let end = match ends[dataset.name] {
                End::Whole if unseen(dataset) => End::Unseen,
                end => end,
            };
            cells.ends.insert((dataset.name, read), end);
            // Whatever is said to be complete is. The inventory waits until everything is.
            if whole {
                cells.same(&world, dataset, case, read, "under trouble");
            }
        }
        world.sim().clear_trouble();
        world.sim().clear_faults();
        if whole {
            continue;
        }
        // What was left out is looked at again once a day.
        for _ in 0..PATIENCE {
            world.away(DAY + Duration::from_secs(3600));
            if tests::world::exit(&world.sync()) == "0" && !case.late {
                break;
            }
        }
        for dataset in &datasets {
            if !matches!(ends[dataset.name], End::Skipped(_)) || !case.arms.is_empty() {
                cells.same(&world, dataset, case, read, "after trouble");
            }
        }
    }
    cells
}

impl Cells {
    fn same(&mut self, world: &World, dataset: &Declaration, case: &Case, read: Read, when: &str) {
        let depth = match read {
            Read::Changes if case.depth == Depth::Values => Depth::Tracked,
            _ => case.depth,
        };
        let found = differs(world, dataset.kind.name(), depth);
        let told = |what| format!("{}, {}, {read:?}, {when}: {what}", case.name, dataset.name);
        self.wrong.extend(found.map(told));
    }
}

/// Passes until everything is complete, or patience is at its end; how each dataset ended.
fn passes(
    world: &mut World,
    datasets: &[&'static Declaration],
    patience: u32,
) -> BTreeMap<&'static str, End> {
    let mut ends: BTreeMap<&'static str, End> = BTreeMap::new();
    for pass in 1..=patience {
        let outcome = world.sync();
        for dataset in datasets {
            let state = outcome.collector.datasets.iter();
            let state = state.clone().find(|d| d.dataset == dataset.name).unwrap();
            let code = code(&state.problem);
            let before = ends.get(dataset.name).copied();
            let end = match (state.phase.as_str(), before) {
                ("waiting", None) if state.complete => End::Whole,
                ("waiting", Some(End::Never(code))) if state.complete => End::Later(code),
                ("waiting", Some(end)) if state.complete => end,
                ("skipped", _) => End::Skipped(code),
                (_, Some(End::Never(first))) => End::Never(first),
                _ => End::Never(code),
            };
            ends.insert(dataset.name, end);
        }
        let done = |end: &End| !matches!(end, End::Never(_));
        if pass == patience || ends.values().all(done) {
            break;
        }
        world.away(Duration::from_secs(2 * 3600));
    }
    ends
}

/// The code that a problem begins with; empty where there is none.
fn code(problem: &str) -> &'static str {
    let code = problem.split(':').next().unwrap();
    Box::leak(code.to_owned().into_boxed_str())
}
