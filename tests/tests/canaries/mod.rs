//! No secret is in anything that is written: logs at their loudest, the audit log, databases, metrics, webhooks, queues,
//! inventories, answers and error messages. What holds a secret by its purpose is left out by its name.
#![allow(clippy::unwrap_used, reason = "tests")]

mod broker;
mod installation;
mod one_process;
mod population;
mod privacy;
mod scan;
mod stored;

/// What a log is asked for.
const LOUDEST: (&str, &str) = ("LEASTWISE_LOG", "trace");
