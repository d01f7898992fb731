//! The kill test, a few rounds of it: `cargo xtask chaos` goes on as long as it is asked to.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use tests::process::program;

#[test]
fn an_installation_that_is_struck_comes_to_rest_with_the_truth_in_every_sink() {
    let args = [
        "chaos",
        "--rounds",
        "2",
        "--seed",
        "7",
        "--users",
        "300",
        "--tenants",
        "2",
    ];
    let chaos = program("distributed").args(args).output().unwrap();
    let printed = String::from_utf8_lossy(&chaos.stdout);
    assert!(
        chaos.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&chaos.stderr)
    );
    assert!(printed.contains("2 rounds, 0 failed"), "{printed}");
}
