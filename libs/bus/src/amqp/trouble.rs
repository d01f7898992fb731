//! What RabbitMQ's errors mean to a person.

use std::error::Error as _;
use std::io;

use lapin::{Error, ErrorKind};
use runtime::Problem;

/// AMQP's numbers.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const NOT_ALLOWED: u16 = 530;

/// While connecting.
pub(super) fn connecting(server: &str, error: Error) -> Problem {
    let problem = match (code(&error), is_tls(&error)) {
        (Some(ACCESS_REFUSED), _) => Problem::new(
            "LW-2040",
            format!("the queue server {server} refuses the login."),
            "check the account and its password, or the common name of the certificate; it is tried again",
        ),
        (Some(NOT_ALLOWED), _) => Problem::new(
            "LW-2040",
            format!("the queue server {server} refuses the virtual host."),
            "check its name in `url` and the account's permissions on it; it is tried again",
        ),
        (_, true) => Problem::new(
            "LW-2041",
            format!("no TLS connection with the queue server {server} can be made."),
            "check `ca_file`, the name in `url`, and the dates and issuers of both certificates; it is tried again",
        ),
        _ => return lost(server, error),
    };
    problem.caused_by(error)
}

/// Once connected.
pub(super) fn serving(server: &str, what: &str, error: Error) -> Problem {
    let problem = match code(&error) {
        Some(ACCESS_REFUSED) => Problem::new(
            "LW-2043",
            format!("the queue server {server} denies the account access to {what}."),
            "import the definitions again (docs/rabbitmq.md); it is tried again",
        ),
        Some(NOT_FOUND) => return missing(server, what).caused_by(error),
        _ => return lost(server, error),
    };
    problem.caused_by(error)
}

/// A queue or exchange does not exist.
pub(super) fn missing(server: &str, what: &str) -> Problem {
    Problem::new(
        "LW-4028",
        format!("the queue server {server} has no {what}."),
        "import the definitions (docs/rabbitmq.md); it is tried again",
    )
}

/// The connection is up and does not work.
pub(super) fn stale(server: &str, what: &str) -> Problem {
    Problem::new(
        "LW-4029",
        format!("the connection with the queue server {server} is of no use: {what}."),
        "nothing: a new one is made",
    )
}

/// The server stops its publishers.
pub(super) fn blocked(server: &str, reason: &str) -> Problem {
    Problem::new(
        "LW-4031",
        format!("the queue server {server} takes no messages: {reason}."),
        "give it memory or disk space; publishers wait until then",
    )
}

/// No answer in time while connecting.
pub(super) fn silent(server: &str) -> Problem {
    lost(server, io::Error::from(io::ErrorKind::TimedOut).into())
}

fn lost(server: &str, error: Error) -> Problem {
    Problem::new(
        "LW-4027",
        format!("there is no connection with the queue server {server}."),
        "check that it runs and can be reached; it is tried again",
    )
    .caused_by(error)
}

fn code(error: &Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(e) => Some(e.get_id()),
        _ => None,
    }
}

fn is_tls(error: &Error) -> bool {
    let mut next = error.source();
    while let Some(e) = next {
        if e.is::<rustls::Error>() {
            return true;
        }
        next = match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => e.source(),
        };
    }
    false
}
