//! What each gRPC method asks of its caller.
//!
//! `caller`: a service that the server's configuration lists. `viewer`, `operator`, `approver`, `security`: an operator
//! of that role; the last three may also do what a viewer may. A method that is not listed is nobody's.

/// Path of each method, and what it asks.
pub const METHODS: &[(&str, &str)] = &[
    ("/leastwise.token.v1.TokenService/GetToken", "caller"),
    ("/leastwise.token.v1.TokenService/ListTenants", "caller"),
    ("/leastwise.admin.v1.TokenBrokerAdmin/Status", "viewer"),
    // It asks Entra ID.
    ("/leastwise.admin.v1.TokenBrokerAdmin/Preflight", "operator"),
    ("/leastwise.admin.v1.TokenBrokerAdmin/PutTenant", "security"),
    (
        "/leastwise.admin.v1.TokenBrokerAdmin/RemoveTenant",
        "security",
    ),
    (
        "/leastwise.admin.v1.TokenBrokerAdmin/AddCredential",
        "security",
    ),
    (
        "/leastwise.admin.v1.TokenBrokerAdmin/DropCredential",
        "security",
    ),
    ("/leastwise.admin.v1.TokenBrokerAdmin/SignIn", "security"),
    ("/leastwise.admin.v1.TokenBrokerAdmin/Kill", "security"),
    ("/leastwise.admin.v1.TokenBrokerAdmin/Revive", "security"),
    // What a sink gets is what `leastwise position` and `findings` print.
    ("/leastwise.feed.v1.Feed/Heads", "caller or viewer"),
    ("/leastwise.feed.v1.Feed/Follow", "caller"),
    ("/leastwise.feed.v1.Feed/Snapshot", "caller or viewer"),
    ("/leastwise.feed.v1.Feed/CountPending", "caller"),
    ("/leastwise.admin.v1.CollectorAdmin/MakeDue", "operator"),
    ("/leastwise.admin.v1.CollectorAdmin/Watch", "viewer"),
    ("/leastwise.admin.v1.CollectorAdmin/Pause", "operator"),
    ("/leastwise.admin.v1.CollectorAdmin/Resume", "operator"),
    ("/leastwise.admin.v1.NormalizerAdmin/ListRuns", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/Status", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/ShowRun", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/Explain", "viewer"),
    // What sinks get or got of the same records.
    ("/leastwise.admin.v1.NormalizerAdmin/History", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/Changes", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/Trend", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/Breakdown", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/Holders", "viewer"),
    ("/leastwise.admin.v1.NormalizerAdmin/ListSetAside", "viewer"),
    // What Graph sent, whole: properties of a person that no record shows may be in it.
    (
        "/leastwise.admin.v1.NormalizerAdmin/ShowSetAside",
        "security",
    ),
    // Makes datasets be read again in the end.
    (
        "/leastwise.admin.v1.NormalizerAdmin/ReplaySetAside",
        "operator",
    ),
    // Both end in what is removed from the inventory.
    ("/leastwise.admin.v1.NormalizerAdmin/Approve", "approver"),
    ("/leastwise.admin.v1.NormalizerAdmin/Reject", "approver"),
    // Hashes, which tell nobody who it was.
    ("/leastwise.admin.v1.NormalizerAdmin/ListErased", "viewer"),
    // What is erased can't be brought back, and whoever is let in again is.
    ("/leastwise.admin.v1.NormalizerAdmin/Erase", "security"),
    (
        "/leastwise.admin.v1.NormalizerAdmin/LiftErasure",
        "security",
    ),
    ("/leastwise.admin.v1.ExporterAdmin/Status", "viewer"),
    // Makes failed sinks try again at once.
    (
        "/leastwise.admin.v1.ExporterAdmin/WaitDelivered",
        "operator",
    ),
    ("/leastwise.admin.v1.ExporterAdmin/ListSinks", "viewer"),
    // It reaches the sink with its credentials.
    ("/leastwise.admin.v1.ExporterAdmin/TestSink", "operator"),
    ("/leastwise.admin.v1.ExporterAdmin/ResyncSink", "operator"),
    // Keys, which the feed tells too.
    ("/leastwise.admin.v1.ExporterAdmin/ListRejects", "viewer"),
    (
        "/leastwise.admin.v1.ExporterAdmin/ReplayRejects",
        "operator",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_and_no_other_is_listed_once() {
        let all = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap();
        let mut served = BTreeSet::new();
        for file in &all.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    served.insert(path);
                }
            }
        }
        let listed: BTreeSet<String> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, served);
        assert_eq!(listed.len(), METHODS.len());
    }
}
