//! How long a server asks a client to wait before it comes back, as gRPC writes it (`grpc-retry-pushback-ms`, proposal A6).

use std::time::Duration;

use tonic::Status;
use tonic::metadata::MetadataValue;

const NAME: &str = "grpc-retry-pushback-ms";

/// Asks whoever gets this refusal to wait.
pub fn set(status: &mut Status, wait: Duration) {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    status
        .metadata_mut()
        .insert(NAME, MetadataValue::from(millis));
}

/// How long the server asks to wait, if it does.
pub fn of(status: &Status) -> Option<Duration> {
    let millis = status.metadata().get(NAME)?.to_str().ok()?.parse();
    millis.ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_read_and_nonsense_is_not() {
        let mut status = Status::unavailable("");
        assert_eq!(of(&status), None);
        set(&mut status, Duration::from_secs(40));
        assert_eq!(of(&status), Some(Duration::from_secs(40)));
        status
            .metadata_mut()
            .insert(NAME, MetadataValue::from_static("-1"));
        assert_eq!(of(&status), None);
    }
}
