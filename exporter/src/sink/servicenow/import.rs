//! Import sets: staged by one request, transformed by the instance in its own time, and read back row by row.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use proto::body::Body;
use proto::ids::TenantId;
use proto::kind::RecordKind;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use url::Url;

use super::super::masked::masked;
use super::super::{Change, ChangeSink, Limits, Refusal, Taken};
use super::ServiceNow;
use super::rows::{self, CLOSING, COLUMNS, KEY};
use crate::http::{Http, Tokens};

/// The first pause between two looks at rows that wait, doubled up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// An instance.
pub(super) struct Instance {
    settings: ServiceNow,
    tokens: Tokens,
    /// Whether the staging table was seen to have all columns: what it lacks it drops without a word.
    whole: AtomicBool,
}

/// Rows of the Table API.
#[derive(Deserialize)]
struct Found {
    result: Vec<Map<String, Value>>,
}

/// A row of an import set, as the instance tells of it.
type State = Map<String, Value>;

type Row = Map<String, Value>;

impl Instance {
    pub(super) fn new(settings: ServiceNow, http: Http) -> Self {
        Instance {
            tokens: Tokens::new(settings.oauth(), http),
            settings,
            whole: AtomicBool::new(false),
        }
    }

    /// Stages rows. Returns the import set's id.
    async fn stage(&self, rows: &[Row], until: Instant) -> Result<String, Refusal> {
        let table = &self.settings.table;
        let url = self
            .settings
            .at(&["api", "now", "import", table, "insertMultiple"]);
        let body = serde_json::to_vec(&json!({ "records": rows })).map_err(|_| unfit())?;
        let request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body.into())
            .map_err(|e| nowhere(&e.to_string()))?;
        let answer = match self.tokens.send(&request, until).await {
            // Without the table no row is at fault.
            Err(refused @ Refusal::Permanent { .. }) => {
                self.look_at_table(until).await?;
                return Err(refused);
            }
            answer => answer?,
        };
        let answer: Value = answer.json()?;
        let id = answer["import_set_id"].as_str().unwrap_or_default();
        // It becomes a part of queries.
        if !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Ok(id.to_owned());
        }
        let said = answer["error"]["message"].as_str().unwrap_or_default();
        let said = masked(said, rows.iter().flat_map(values));
        let why = format!("its answer names no import set: {said}");
        Err(Refusal::Transient { why })
    }

    /// What became of the rows of an import set, once all of them are transformed.
    async fn states(&self, set: &str, rows: usize, until: Instant) -> Result<Vec<State>, Refusal> {
        let of_set = format!("sys_import_set={set}");
        let waiting = format!("{of_set}^sys_import_state=pending");
        let fields = [
            KEY,
            CLOSING,
            "sys_import_set",
            "sys_import_state",
            "sys_import_state_comment",
        ];
        let mut pause = FIRST_LOOK;
        loop {
            let pending = self.read(&waiting, &["sys_id"], 1, until).await?;
            let mut told = Vec::new();
            if pending.is_empty() {
                told = self.read(&of_set, &fields, rows, until).await?;
                // A condition on something that the table doesn't know would be dropped.
                told.retain(|row| text(row, "sys_import_set") == set);
            }
            if told.len() >= rows {
                return Ok(told);
            }
            if Instant::now() + pause >= until {
                return Err(match pending.is_empty() && told.is_empty() {
                    true => Refusal::Unprepared {
                        why: format!(
                            "the rows of {} can't be read back: its account needs the right to read that table",
                            self.settings.table
                        ),
                    },
                    false => Refusal::Transient {
                        why: "the rows of an import set are not transformed in time".to_owned(),
                    },
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// Rows of the staging table.
    async fn read(
        &self,
        query: &str,
        fields: &[&str],
        most: usize,
        until: Instant,
    ) -> Result<Vec<State>, Refusal> {
        let mut url = self
            .settings
            .at(&["api", "now", "table", &self.settings.table]);
        url.query_pairs_mut()
            .append_pair("sysparm_query", query)
            .append_pair("sysparm_fields", &fields.join(","))
            .append_pair("sysparm_limit", &most.to_string())
            .append_pair("sysparm_exclude_reference_link", "true");
        let found: Found = self.get(&url, until).await?;
        Ok(found.result)
    }

    async fn get<T: DeserializeOwned>(&self, url: &Url, until: Instant) -> Result<T, Refusal> {
        let request = Request::get(url.as_str())
            .header(ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|e| nowhere(&e.to_string()))?;
        let answer = self.tokens.send(&request, until).await?;
        answer.json()
    }

    /// Whether the staging table is there, and has all columns as far as one of its rows can tell.
    async fn look_at_table(&self, until: Instant) -> Result<(), Refusal> {
        let table = &self.settings.table;
        let names = COLUMNS.map(|column| column.name);
        let rows = self.read("ORDERBYDESCsys_created_on", &names, 1, until);
        let rows = rows.await.map_err(|refused| match refused {
            Refusal::Permanent { why } => Refusal::Unprepared {
                why: format!("there is no table {table} that can be read: {why}"),
            },
            other => other,
        })?;
        let Some(row) = rows.first() else {
            return Ok(());
        };
        let lacks: Vec<_> = names.iter().filter(|n| !row.contains_key(**n)).collect();
        match lacks.first() {
            None => {
                self.whole.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(first) => Err(Refusal::Unprepared {
                why: format!(
                    "the table {table} lacks {} of the columns, {first} among them",
                    lacks.len()
                ),
            }),
        }
    }

    /// What became of a row.
    fn taken(&self, row: &Row, states: &BTreeMap<&str, &State>) -> Result<Taken, Refusal> {
        let key = text(row, KEY);
        // A key or number that was cut off would be somebody else's.
        let state = states
            .get(key)
            .filter(|s| text(s, CLOSING) == text(row, CLOSING));
        let Some(state) = state else {
            let table = &self.settings.table;
            return Err(Refusal::Unprepared {
                why: format!(
                    "{KEY} and {CLOSING} of the table {table} don't hold what they are sent"
                ),
            });
        };
        Ok(match text(state, "sys_import_state") {
            "inserted" | "updated" | "ignored" => Taken::Done { remote: None },
            other => {
                let comment = masked(text(state, "sys_import_state_comment"), values(row));
                let reason = format!("its row has the state `{other}`: {comment}");
                Taken::Rejected { reason }
            }
        })
    }
}

fn text<'r>(row: &'r Map<String, Value>, name: &str) -> &'r str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a row that are somebody's: not `user`, `true` or a number.
fn values(row: &Row) -> impl Iterator<Item = &str> {
    let telling = |(name, _): &(&String, &Value)| !rows::WORDS.contains(&name.as_str());
    let values = row.iter().filter(telling).map(|(_, value)| value);
    values.filter_map(Value::as_str)
}

fn unfit() -> Refusal {
    let why = "a record is no JSON".to_owned();
    Refusal::Permanent { why }
}

fn nowhere(why: &str) -> Refusal {
    Refusal::Misplaced {
        status: None,
        why: why.to_owned(),
    }
}

#[async_trait]
impl ChangeSink for Instance {
    fn limits(&self) -> Limits {
        Limits {
            records: self.settings.most_rows,
            bytes: self.settings.most_kib << 10,
            pushes_a_minute: self.settings.pushes_a_minute,
            timeout: Duration::from_secs(self.settings.push_seconds),
        }
    }

    fn wants(&self, kind: RecordKind) -> bool {
        rows::has_rows(kind)
    }

    fn render(
        &self,
        tenant: TenantId,
        kind: RecordKind,
        key: &str,
        body: &Body,
    ) -> Result<Option<Vec<u8>>, String> {
        rows::fitting(KEY, &rows::row_key(tenant, kind, key))?;
        let fields = rows::fields(body)?;
        let json = fields.map(|f| serde_json::to_vec(&f)).transpose();
        json.map_err(|e| e.to_string())
    }

    async fn push(
        &self,
        tenant: TenantId,
        changes: &[Change],
        until: Instant,
    ) -> Result<Vec<Taken>, Refusal> {
        let rows = changes.iter().map(|c| rows::row(tenant, c));
        let rows: Vec<Row> = rows.collect::<Result<_, _>>().map_err(|_| unfit())?;
        let set = self.stage(&rows, until).await?;
        let states = self.states(&set, rows.len(), until).await?;
        if !self.whole.load(Ordering::Relaxed) {
            self.look_at_table(until).await?;
        }
        let by_key = states.iter().map(|s| (text(s, KEY), s)).collect();
        rows.iter().map(|row| self.taken(row, &by_key)).collect()
    }

    /// Gets a token and reads the staging table.
    async fn check(&self) -> Result<(), Refusal> {
        self.look_at_table(Instant::now() + self.limits().timeout)
            .await
    }
}
