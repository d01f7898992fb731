//! An instance of ServiceNow with the shipped tables and transform map.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use exporter::SinkConfig;
use sink_sim::{Rule, ServiceNow as Played, Sim};

use super::subject::{Subject, Trouble, asked};
use super::support::{A, Rig, receiver, servicenow};

pub struct ServiceNow {
    sim: Sim<Played>,
    dir: PathBuf,
}

impl ServiceNow {
    pub fn new(dir: &Path) -> Self {
        ServiceNow {
            sim: receiver(servicenow::instance(servicenow::transform())),
            dir: dir.to_owned(),
        }
    }
}

#[async_trait(?Send)]
impl Subject for ServiceNow {
    fn name(&self) -> &'static str {
        "servicenow"
    }

    fn caveat(&self) -> &'static str {
        "no older row over a newer one, where the script onBefore of its transform map is missing"
    }

    fn config(&self) -> SinkConfig {
        let mut settings = servicenow::settings(&self.sim, &self.dir);
        settings.push_seconds = 2;
        SinkConfig::new(settings)
    }

    async fn users(&self, _: &Rig) -> Vec<String> {
        self.sim.read(servicenow::users)
    }

    fn strike(&self, trouble: Trouble) -> bool {
        self.sim.forget_received();
        let Some(fault) = trouble.fault(Duration::from_millis(50)) else {
            let key = format!("{A}|user|bad");
            self.sim.change(|now| now.fail(&key, "a business rule"));
            return true;
        };
        self.sim.inject(Rule::always(fault));
        true
    }

    async fn struck(&self) {
        asked(&self.sim, |_| true).await;
    }

    fn heal(&self) {
        self.sim.heal();
        self.sim.change(Played::fail_nothing);
    }

    async fn alter(&self, _: &Rig) -> bool {
        self.sim.change(|now| {
            let rows = now.target().to_vec();
            now.empty(servicenow::TARGET);
            for mut row in rows {
                row.insert("u_display_name".into(), "Altered".into());
                let fields: Vec<_> = row.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                now.put(servicenow::TARGET, &fields);
            }
        });
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        self.sim.change(|now| now.empty(servicenow::TARGET));
        true
    }
}
