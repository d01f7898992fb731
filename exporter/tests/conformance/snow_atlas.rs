//! A region of Snow Atlas.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use exporter::SinkConfig;
use serde_json::json;
use sink_sim::{Credentials, Rule, Sim, SnowAtlas as Region};

use super::subject::{Subject, Trouble, asked};
use super::support::{Rig, receiver};

pub struct SnowAtlas {
    sim: Sim<Region>,
    /// Whom an account belongs to, as `tenant/user`.
    accounts: BTreeMap<String, String>,
    secret: tempfile::NamedTempFile,
}

/// Who has an account: u1, u2 and so on of both tenants.
const PEOPLE: u32 = 12;

fn address(of: &str) -> String {
    let (tenant, user) = of.split_once('/').unwrap();
    format!("{user}@{tenant}.example")
}

impl SnowAtlas {
    pub fn new() -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "secret").unwrap();
        let sim = receiver(Region::new(Credentials::new("app", "secret")));
        let all = (1..=PEOPLE).flat_map(|n| [format!("a/u{n}"), format!("b/u{n}")]);
        let add = |of: String| (sim.change(|s| s.add_account("", &address(&of))), of);
        SnowAtlas {
            accounts: all.map(add).collect(),
            sim,
            secret,
        }
    }

    fn forget(&self) {
        self.sim.change(|s| {
            let ids: Vec<_> = s.licenses().iter().map(|l| l.id.clone()).collect();
            ids.iter().for_each(|id| s.remove_license(id));
        });
    }
}

#[async_trait(?Send)]
impl Subject for SnowAtlas {
    fn name(&self) -> &'static str {
        "snow_atlas"
    }

    fn caveat(&self) -> &'static str {
        "a licence may be made twice where the answer of its making came late: LW-6064"
    }

    fn config(&self) -> SinkConfig {
        let url = self.sim.url();
        let settings = json!({
            "kind": "snow_atlas", "url": url, "answer_seconds": 2,
            "oauth": {
                "token_url": format!("{url}/idp/api/connect/token"), "client_id": "app",
                "client_secret_file": self.secret.path(),
            },
        });
        serde_json::from_value(settings).unwrap()
    }

    /// Whoever holds a licence; the one that nobody had an account for when this began is `bad`.
    async fn users(&self, _: &Rig) -> Vec<String> {
        let mut users: Vec<_> = self.sim.read(|s| {
            let users = s.licenses().iter().flat_map(|l| &l.users);
            let of = |(user, _): &(String, String)| {
                let account = self.accounts.get(user);
                account.cloned().unwrap_or_else(|| "a/bad".to_owned())
            };
            users.map(of).collect()
        });
        users.sort();
        users
    }

    fn names(&self) -> bool {
        false
    }

    fn strike(&self, trouble: Trouble) -> bool {
        self.sim.forget_received();
        let Some(fault) = trouble.fault(Duration::from_millis(20)) else {
            // There is no account of that name.
            return true;
        };
        let rule = match trouble {
            Trouble::HangsBefore | Trouble::HangsAfter => Rule::always(fault).method("PUT"),
            _ => Rule::always(fault),
        };
        self.sim.inject(rule);
        true
    }

    async fn struck(&self) {
        asked(&self.sim, |r| r.request.method == http::Method::PUT).await;
    }

    fn heal(&self) {
        self.sim.heal();
        self.sim.change(|s| s.add_account("", &address("a/bad")));
    }

    async fn alter(&self, _: &Rig) -> bool {
        self.forget();
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        self.forget();
        true
    }
}
