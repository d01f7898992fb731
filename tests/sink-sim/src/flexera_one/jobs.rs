//! Import jobs: `ready`, `queued`, `running`, and then `completed` or `failed`.

use serde_json::{Value, json};

use super::{FlexeraOne, fault};
use crate::clock::Clock;
use crate::message::{Reply, Request};

/// Files of a job.
const MOST_FILES: usize = 10;
/// Jobs that run at a time; the others stay ready.
const MOST_RUNNING: usize = 10;
/// "An ImportJob has a maximum runtime of 24 hours."
const LONGEST: i64 = 24 * 3_600 * 1_000;
const TASKS: [&str; 8] = [
    "ApplicationUsage",
    "ApplicationRoster",
    "ApplicationDiscovery",
    "ApplicationConsumption",
    "SsoApplicationUsage",
    "SsoApplicationRoster",
    "ApplicationLicense",
    "DiscoveredAppUsage",
];

pub(super) struct Job {
    pub(super) id: String,
    pub(super) app: String,
    pub(super) names: Vec<String>,
    pub(super) task: String,
    pub(super) load: String,
    pub(super) status: String,
    errors: Vec<Value>,
    created: (String, i64),
    finished: Option<String>,
}

impl FlexeraOne {
    pub(super) fn create_job(&mut self, request: &Request, clock: &Clock) -> Reply {
        let Some(body) = request.json() else {
            return fault(400, "decode_payload", "the body is no JSON");
        };
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let app = body["managedAppId"].as_str().unwrap_or_default();
        if app.is_empty() || !app.chars().all(hex) {
            let why = "managedAppId must match the regexp \"^[0-9a-f]+$\"";
            return fault(400, "invalid_pattern", why);
        }
        let listed = body["saasDataList"].as_array().cloned().unwrap_or_default();
        let names: Option<Vec<String>> = listed
            .iter()
            .map(|each| Some(each["name"].as_str()?.to_owned()))
            .collect();
        let names = names.unwrap_or_default();
        if names.is_empty() || names.len() > MOST_FILES {
            return fault(400, "invalid_length", "saasDataList has 1 to 10 names");
        }
        let setting = |name: &str| body["importSettings"][name].as_str().unwrap_or_default();
        let (task, load) = (setting("taskName"), setting("loadType"));
        if !TASKS.contains(&task) {
            return fault(400, "invalid_enum_value", "taskName is none of the tasks");
        }
        if !["full", "incremental"].contains(&load) {
            return fault(400, "invalid_enum_value", "loadType is full or incremental");
        }
        let id = job_id(self.number());
        self.jobs.push(Job {
            id: id.clone(),
            app: app.to_owned(),
            names,
            task: task.to_owned(),
            load: load.to_owned(),
            status: "ready".to_owned(),
            errors: Vec::new(),
            created: (clock.text(), clock.millis()),
            finished: None,
        });
        let location = format!("/saas/v1/orgs/{}/import-jobs/{id}", self.org);
        Reply::empty(201).header("location", &location)
    }

    pub(super) fn list_jobs(&self) -> Reply {
        let jobs: Vec<Value> = self.jobs.iter().map(|job| self.show_job(job)).collect();
        Reply::json(200, &json!({ "values": jobs }))
    }

    /// Shows a job, and brings all of them a step on: who polls sees each state once.
    pub(super) fn poll_job(&mut self, id: &str, clock: &Clock) -> Reply {
        let Some(at) = self.jobs.iter().position(|job| job.id == id) else {
            let why = "id does not exist within this org";
            return fault(404, "import_job_id_not_found", why);
        };
        let shown = self.show_job(&self.jobs[at]);
        self.step(clock);
        Reply::json(200, &shown)
    }

    /// Brings all jobs to their end, polled or not.
    pub fn finish_jobs(&mut self, clock: &Clock) {
        while !self.held && self.jobs.iter().any(|job| job.finished.is_none()) {
            self.step(clock);
        }
    }

    fn step(&mut self, clock: &Clock) {
        if self.held {
            return;
        }
        for at in 0..self.jobs.len() {
            let running = self
                .jobs
                .iter()
                .filter(|job| job.status == "running")
                .count();
            match self.jobs[at].status.as_str() {
                "ready" if running < MOST_RUNNING => self.jobs[at].status = "queued".to_owned(),
                "queued" => self.jobs[at].status = "running".to_owned(),
                "running" => self.run(at, clock),
                _ => {}
            }
        }
    }

    fn run(&mut self, at: usize, clock: &Clock) {
        let done = match self.failure.take() {
            Some(error) => Err(vec![error]),
            None => self.load(at, clock),
        };
        let job = &mut self.jobs[at];
        job.finished = Some(clock.text());
        job.status = "completed".to_owned();
        if let Err(errors) = done {
            job.status = "failed".to_owned();
            let told = errors.into_iter().map(|error| {
                json!({
                    "summary": "The data could not be loaded",
                    "error": error,
                    "potentialResolution": "Correct the data and create another import job",
                })
            });
            job.errors = told.collect();
        }
    }

    /// Jobs that take longer than a day fail.
    pub(super) fn expire_jobs(&mut self, clock: &Clock) {
        for job in &mut self.jobs {
            if job.finished.is_none() && clock.millis() - job.created.1 > LONGEST {
                job.status = "failed".to_owned();
                job.finished = Some(clock.text());
                job.errors = vec![json!({
                    "summary": "The import job was ended",
                    "error": "it took longer than 24 hours",
                    "potentialResolution": "Create another import job",
                })];
            }
        }
    }

    fn show_job(&self, job: &Job) -> Value {
        let files = self
            .files
            .iter()
            .filter(|file| job.names.contains(&file.name));
        let files: Vec<Value> = files.map(super::SaasData::show).collect();
        let mut shown = json!({
            "id": job.id,
            "status": job.status,
            "sourceHref": format!("saas/v1/orgs/{}/managed-apps/{}", self.org, job.app),
            "saasDataList": files,
            "importSettings": { "taskName": job.task, "loadType": job.load },
            "createdAt": job.created.0,
        });
        if !job.errors.is_empty() {
            shown["errors"] = json!(job.errors);
        }
        if let Some(finished) = &job.finished {
            shown["finishedAt"] = json!(finished);
        }
        shown
    }
}

/// `^[2-7A-Z]{26}$`
fn job_id(number: u64) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |place: u32| digits[(number.wrapping_shr(place * 5) & 31) as usize] as char;
    (0..26)
        .rev()
        .map(|place| if place < 12 { digit(place) } else { 'P' })
        .collect()
}
