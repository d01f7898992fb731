//! An organisation of Flexera One.

use std::time::Duration;

use async_trait::async_trait;
use exporter::SinkConfig;
use serde_json::json;
use sink_sim::{Credentials, FlexeraOne as Organization, Rule, Sim};

use super::subject::{Subject, Trouble, asked};
use super::support::{A, B, Rig, receiver};

const APPS: [(&str, &str); 2] = [("a", "a1"), ("b", "b2")];

pub struct FlexeraOne {
    sim: Sim<Organization>,
    secret: tempfile::NamedTempFile,
}

impl FlexeraOne {
    pub fn new() -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "secret").unwrap();
        let organization = Organization::new(100, Credentials::new("app", "secret"));
        FlexeraOne {
            sim: receiver(organization),
            secret,
        }
    }
}

#[async_trait(?Send)]
impl Subject for FlexeraOne {
    fn name(&self) -> &'static str {
        "flexera_one"
    }

    fn caveat(&self) -> &'static str {
        "a job whose making got no answer may come late where there is one exporter"
    }

    fn config(&self) -> SinkConfig {
        let url = self.sim.url();
        let settings = json!({
            "kind": "flexera_one", "url": url, "organization": 100, "apps": { A: "a1", B: "b2" }, "users": "all",
            "answer_seconds": 2,
            "oauth": {
                "token_url": format!("{url}/oidc/token"), "client_id": "app", "client_secret_file": self.secret.path(),
            },
        });
        serde_json::from_value(settings).unwrap()
    }

    async fn users(&self, _: &Rig) -> Vec<String> {
        let of = |(tenant, app): &(&str, &str)| {
            self.sim.read(|f| {
                let users = f.roster(app).into_iter();
                let active = users.filter(|(_, u)| u.get("deactivatedAt").is_none());
                active
                    .map(|(key, u)| format!("{tenant}/{key}={}", u["firstName"].as_str().unwrap()))
                    .collect::<Vec<_>>()
            })
        };
        APPS.iter().flat_map(of).collect()
    }

    fn strike(&self, trouble: Trouble) -> bool {
        self.sim.forget_received();
        let Some(fault) = trouble.fault(Duration::from_millis(50)) else {
            return false;
        };
        let rule = match trouble {
            // The request that counts.
            Trouble::HangsBefore | Trouble::HangsAfter => {
                Rule::always(fault).method("POST").path("/import-jobs")
            }
            _ => Rule::always(fault),
        };
        self.sim.inject(rule);
        true
    }

    async fn struck(&self) {
        asked(&self.sim, |r| {
            r.request.method == http::Method::POST && r.request.path.ends_with("/import-jobs")
        })
        .await;
    }

    fn heal(&self) {
        self.sim.heal();
    }

    fn excuse(&self, trouble: Trouble) -> Option<&'static str> {
        (trouble == Trouble::Rejects).then_some("a job loads all of its lines or none of them")
    }

    async fn alter(&self, _: &Rig) -> bool {
        self.sim.change(Organization::forget_loaded);
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        self.sim.change(Organization::forget_loaded);
        true
    }
}
