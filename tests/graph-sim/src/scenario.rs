//! What a simulation is to do to its clients, as a file: TOML, or JSON with the same names.

use std::time::Duration;

use serde::Deserialize;

use crate::config::Config;
use crate::throttle::Throttling;
use crate::trouble::Trouble;

/// A scenario. What it doesn't name stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Scenario {
    /// What it is good for; only for people.
    pub about: String,
    /// Equal seeds give equal trouble to equal requests.
    pub seed: Option<u64>,
    /// Budgets of requests.
    pub throttling: Option<Throttling>,
    /// What goes wrong.
    pub trouble: Vec<Trouble>,
    /// Replicas may be late by so many seconds.
    pub lag_seconds: Option<u64>,
    /// Filters and searches know the state of so many seconds ago.
    pub filter_lag_seconds: Option<u64>,
    /// A day passes after so many requests.
    pub day_every_requests: Option<u32>,
    /// Of 100,000 users, those that change on a day.
    pub churn: Option<u32>,
    /// The link to the next page works for so many seconds.
    pub page_token_seconds: Option<u64>,
    /// Pages hold at most so many objects, whatever `$top` asks for.
    pub most_on_page: Option<u16>,
    /// Tenants without Entra ID P1, by position.
    pub without_premium: Option<Vec<usize>>,
    /// Tenants without Intune, by position.
    pub without_intune: Option<Vec<usize>>,
    /// Dates in answers and tokens are wrong by so many seconds.
    pub clock_off_seconds: Option<i64>,
    /// How much faster than the wall clock simulated time runs.
    pub speed: Option<f64>,
    /// So many equal requests for a token within ten seconds are taken.
    pub token_requests: Option<u32>,
    /// Client assertions must be as the standards want them.
    pub strict_assertions: Option<bool>,
    /// Compress answers for clients that accept it.
    pub gzip: Option<bool>,
}

impl Scenario {
    /// Reads TOML, or JSON when it starts with a brace. The error says where and what.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|e| e.to_string())?
        } else {
            toml::from_str(text).map_err(|e| e.to_string())?
        };
        scenario.trouble.iter().try_for_each(Trouble::check)?;
        let fast = scenario.speed.is_none_or(|s| s > 0.0 && s <= 1e6);
        if !fast {
            return Err("speed is more than 0, and at most 1000000".to_owned());
        }
        let divisor = scenario.throttling.as_ref().map_or(1.0, |t| t.divisor);
        if divisor > 0.0 && divisor.is_finite() {
            Ok(scenario)
        } else {
            Err("throttling: the divisor is more than 0".to_owned())
        }
    }

    /// Puts the scenario into the settings of a simulation.
    pub fn apply(self, config: &mut Config) {
        let seconds = |s: Option<u64>, was| s.map(Duration::from_secs).or(was);
        config.trouble.extend(self.trouble);
        config.trouble_seed = self.seed.unwrap_or(config.trouble_seed);
        config.throttling = self.throttling.or(config.throttling.take());
        config.lag = seconds(self.lag_seconds, config.lag);
        config.filter_lag = seconds(self.filter_lag_seconds, config.filter_lag);
        config.day_every_requests = self.day_every_requests.or(config.day_every_requests);
        config.churn = self.churn.unwrap_or(config.churn);
        config.page_token_life = seconds(self.page_token_seconds, config.page_token_life);
        config.clock_off = self.clock_off_seconds.unwrap_or(config.clock_off);
        config.speed = self.speed.unwrap_or(config.speed);
        config.token_requests = self.token_requests.or(config.token_requests);
        config.strict_assertions = self.strict_assertions.unwrap_or(config.strict_assertions);
        config.gzip = self.gzip.unwrap_or(config.gzip);
        config.most_on_page = self.most_on_page.or(config.most_on_page);
        if let Some(tenants) = self.without_premium {
            config.without_premium = tenants;
        }
        if let Some(tenants) = self.without_intune {
            config.without_intune = tenants;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Kind;

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = "
            about = 'a bad day'
            seed = 7
            lagSeconds = 600
            [throttling]
            divisor = 100
            retryAfter = 'date'
            [[trouble]]
            kind = 'latency'
            p50 = 80
            p99 = 900
            [[trouble]]
            kind = 'gzipCut'
            share = 0.01
        ";
        let json = r#"{
            "about": "a bad day", "seed": 7, "lagSeconds": 600, "throttling": {"divisor": 100, "retryAfter": "date"},
            "trouble": [{"kind": "latency", "p50": 80, "p99": 900}, {"kind": "gzipCut", "share": 0.01}]
        }"#;
        let scenario = Scenario::parse(toml).unwrap();
        assert_eq!(Scenario::parse(json), Ok(scenario.clone()));
        let mut config = Config::default();
        scenario.apply(&mut config);
        assert_eq!(config.trouble[1].kind, Kind::GzipCut);
        assert_eq!(config.lag, Some(Duration::from_secs(600)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "trouble = 3",
            "nonsense = 1",
            "[[trouble]]\nkind = 'nonsense'",
            "[[trouble]]\nkind = 'status'\nstatus = 200",
            "[[trouble]]\nkind = 'latency'\np50 = 10\np99 = 5",
            "[[trouble]]\nkind = 'cut'\nshare = 2",
            "speed = 0",
            "[throttling]\ndivisor = 0",
            "{",
        ] {
            assert!(Scenario::parse(wrong).is_err(), "{wrong}");
        }
    }
}
