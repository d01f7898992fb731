//! The units for those without Kubernetes, judged by systemd.

use std::fs;
use std::process::Command;

use super::manifests::root;

/// Of a hundred; what is left is that a service talks to the network, and that it runs in this machine's root.
const MOST_EXPOSED: &str = "15";

#[test]
fn units_are_right_and_confined() {
    if !Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        println!("NOT RUN: without systemd-analyze nobody judges the units of deploy/systemd");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut judged = 0;
    for unit in fs::read_dir(root().join("deploy/systemd")).unwrap() {
        let unit = unit.unwrap();
        let text = fs::read_to_string(unit.path()).unwrap();
        let program = text
            .split("ExecStart=")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        // It wants the program to be there.
        let copy = home.path().join(unit.file_name());
        fs::write(&copy, text.replace(program, "/bin/true")).unwrap();
        for arguments in [
            vec!["verify"],
            vec![
                "security",
                "--offline=true",
                "--no-pager",
                "--threshold",
                MOST_EXPOSED,
            ],
        ] {
            let said = Command::new("systemd-analyze")
                .args(&arguments)
                .arg(&copy)
                .output()
                .unwrap();
            let err = String::from_utf8_lossy(&said.stderr);
            let out = String::from_utf8_lossy(&said.stdout);
            let clean = arguments[0] != "verify" || err.trim().is_empty();
            assert!(
                said.status.success() && clean,
                "{arguments:?} {}: {err}\n{out}",
                copy.display()
            );
        }
        judged += 1;
    }
    assert_eq!(judged, 5);
}
