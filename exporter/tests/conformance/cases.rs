//! What is tried with every sink.

use super::subject::{Subject, Trouble};
use super::support::{A, B, Rig};

/// A case.
pub struct Case {
    pub name: &'static str,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Crash(Trouble),
    Repeated,
    Older,
    PartialRejection,
    Passing(Trouble),
    Altered,
    RestoredSink,
    RestoredLedger,
}

/// What came of a case.
pub enum Verdict {
    Holds,
    /// It can't happen to this sink.
    Meaningless(&'static str),
    Broken(String),
}

impl Verdict {
    /// In words.
    pub fn told(&self) -> &str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Meaningless(why) => why,
            Verdict::Broken(why) => why,
        }
    }
}

const fn case(name: &'static str, what: What) -> Case {
    Case { name, what }
}

pub const CASES: [Case; 12] = [
    case("crash before", What::Crash(Trouble::HangsBefore)),
    case("crash after", What::Crash(Trouble::HangsAfter)),
    case("duplicate batch", What::Repeated),
    case("older batch", What::Older),
    case("partial rejection", What::PartialRejection),
    case("slow", What::Passing(Trouble::Slow)),
    case("down", What::Passing(Trouble::Down)),
    case("full", What::Passing(Trouble::Full)),
    case("credentials expired", What::Passing(Trouble::Expired)),
    case("altered", What::Altered),
    case("restored sink", What::RestoredSink),
    case("restored ledger", What::RestoredLedger),
];

const TRUTH: [&str; 3] = ["a/u1=Anna", "a/u3=Cid", "b/u1=Bea"];

pub async fn run(case: &Case, subject: &dyn Subject) -> Verdict {
    let config = subject.config();
    let mut rig = Rig::new(|_| vec![config]).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(A, "u2", "Bob", &["e5"]);
    rig.ledger.user(B, "u1", "Bea", &["e5"]);
    let verdict = tried(case.what, subject, &mut rig).await;
    rig.stop().await;
    verdict
}

/// The changes that every case ends with.
fn change(rig: &Rig) -> u64 {
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    rig.ledger.remove(A, "user", "u2");
    rig.ledger.user(A, "u3", "Cid", &["e5"])
}

async fn tried(what: What, subject: &dyn Subject, rig: &mut Rig) -> Verdict {
    match what {
        What::Crash(trouble) => {
            rig.sync().await;
            if !subject.strike(trouble) {
                return Verdict::Meaningless("its own transactions: see its tests");
            }
            let closing = change(rig);
            rig.announce(closing).await;
            subject.struck().await;
            rig.kill().await;
            subject.heal();
            rig.start().await;
            rig.sync().await;
            holds(subject, rig, &TRUTH).await
        }
        What::Repeated | What::Older => {
            rig.sync().await;
            change(rig);
            if matches!(what, What::Repeated) {
                rig.sync().await;
            }
            // Everything that was ever sent comes again, before the new.
            rig.ledger.with(|l| l.replay = l.sent.clone());
            rig.ledger.user(B, "u1", "Bea", &["e3"]);
            rig.sync().await;
            holds(subject, rig, &TRUTH).await
        }
        What::PartialRejection => {
            if !subject.strike(Trouble::Rejects) {
                let why = subject.excuse(Trouble::Rejects);
                return Verdict::Meaningless(why.unwrap_or("it rejects nothing"));
            }
            rig.ledger.user(A, "bad", "Bad", &["e5"]);
            change(rig);
            rig.sync().await;
            if let broken @ Verdict::Broken(_) = holds(subject, rig, &TRUTH).await {
                return broken;
            }
            let rejects = rig.rejects().await;
            let keys: Vec<_> = rejects.iter().map(|r| r.key.as_str()).collect();
            if keys != ["bad"] {
                return Verdict::Broken(format!("rejects: {rejects:?}"));
            }
            // It is sent again as it is now, when somebody wants that.
            subject.heal();
            rig.replay().await;
            rig.sync().await;
            if !rig.rejects().await.is_empty() {
                return Verdict::Broken("the reject was not sent again".into());
            }
            let all = ["a/bad=Bad", TRUTH[0], TRUTH[1], TRUTH[2]];
            holds(subject, rig, &all).await
        }
        What::Passing(trouble) => {
            rig.sync().await;
            if !subject.strike(trouble) {
                return Verdict::Meaningless("it has no such state");
            }
            change(rig);
            let stands = rig.wait().await;
            let slow = trouble == Trouble::Slow;
            let told = |s: &proto::admin::v1::SinkStatus| s.problem.starts_with("LW-60");
            if !slow && !stands.iter().any(|s| s.tenant_id == A && told(s)) {
                return Verdict::Broken(format!("nobody was told: {stands:?}"));
            }
            subject.heal();
            rig.sync().await;
            holds(subject, rig, &TRUTH).await
        }
        What::Altered => {
            rig.sync().await;
            rig.stop().await;
            let altered = subject.alter(rig).await;
            rig.start().await;
            if !altered {
                return Verdict::Meaningless("nobody can write to it");
            }
            change(rig);
            rig.resync().await;
            rig.sync().await;
            holds(subject, rig, &TRUTH).await
        }
        What::RestoredSink => {
            rig.sync().await;
            change(rig);
            rig.sync().await;
            rig.stop().await;
            let restored = subject.restore(rig).await;
            rig.start().await;
            if !restored {
                return Verdict::Meaningless("its cursor goes back with it");
            }
            rig.resync().await;
            rig.sync().await;
            holds(subject, rig, &TRUTH).await
        }
        What::RestoredLedger => {
            rig.sync().await;
            let backup = rig.ledger.backup();
            rig.ledger.user(A, "u4", "Dan", &["e5"]);
            rig.ledger.user(A, "u1", "Annette", &["e5"]);
            rig.sync().await;
            rig.ledger.restore(backup);
            rig.sync().await;
            let before = ["a/u1=Ann", "a/u2=Bob", "b/u1=Bea"];
            if let broken @ Verdict::Broken(_) = holds(subject, rig, &before).await {
                return broken;
            }
            change(rig);
            rig.sync().await;
            holds(subject, rig, &TRUTH).await
        }
    }
}

async fn holds(subject: &dyn Subject, rig: &Rig, truth: &[&str]) -> Verdict {
    let users = subject.users(rig).await;
    let told = |user: &&str| match subject.names() {
        true => (*user).to_owned(),
        false => user.split('=').next().unwrap().to_owned(),
    };
    let truth: Vec<_> = truth.iter().map(told).collect();
    match users == truth {
        true => Verdict::Holds,
        false => Verdict::Broken(format!("{users:?} stand there, not {truth:?}")),
    }
}
