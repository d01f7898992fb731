//! Every alert fires when it should and doesn't when it shouldn't, as Prometheus' own tool tries it.

use std::fs;
use std::path::Path;

use servers::prometheus::promtool;
use tests::watch::workspace;

/// The rules in a directory of their own, evaluated as often as their tests want: three days have many quarters of a minute.
fn copied(to: &Path) {
    let from = workspace("deploy/prometheus");
    fs::create_dir(to.join("tests")).unwrap();
    for file in ["alerts.yaml", "budgets.yaml"] {
        let text = fs::read_to_string(from.join(file)).unwrap();
        fs::write(to.join(file), text.replace("    interval: 15s\n", "")).unwrap();
    }
    for file in fs::read_dir(from.join("tests")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join("tests").join(file.file_name())).unwrap();
    }
}

fn tests_in(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory.join("tests")).unwrap();
    let names = files.map(|f| format!("tests/{}", f.unwrap().file_name().to_string_lossy()));
    names.collect()
}

#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    let home = tempfile::tempdir().unwrap();
    copied(home.path());
    promtool(
        home.path(),
        &["check", "rules", "alerts.yaml", "budgets.yaml"],
    )
    .unwrap();
    for scrape in ["scrape.yaml", "scrape-kubernetes.yaml"] {
        let text = fs::read_to_string(workspace("deploy/prometheus").join(scrape)).unwrap();
        // Debian's Prometheus knows no Kubernetes; the labels are checked all the same.
        let pods = "    kubernetes_sd_configs:\n      - role: pod\n        namespaces:\n          names: [leastwise]\n";
        assert_eq!(text.contains(pods), scrape.contains("kubernetes"));
        let text = text.replace(
            pods,
            "    static_configs:\n      - targets: [\"pod:9464\"]\n",
        );
        fs::write(home.path().join(scrape), text).unwrap();
        promtool(home.path(), &["check", "config", scrape]).unwrap();
    }
    let tests = tests_in(home.path());
    assert_eq!(tests.len(), 4, "{tests:?}");
    let arguments = ["test".to_owned(), "rules".to_owned()]
        .into_iter()
        .chain(tests);
    promtool(home.path(), &arguments.collect::<Vec<_>>()).unwrap();
}

#[test]
fn an_alert_that_is_wrong_is_found() {
    let home = tempfile::tempdir().unwrap();
    copied(home.path());
    let rules = home.path().join("alerts.yaml");
    let right = fs::read_to_string(&rules).unwrap();
    let what = "leastwise_tenant_held)";
    assert!(right.contains(what));
    fs::write(&rules, right.replace(what, "leastwise_tenant_hold)")).unwrap();
    let told = promtool(home.path(), &["test", "rules", "tests/alerts.yaml"]).unwrap_err();
    assert!(told.to_string().contains("LeastwiseRemovalsHeld"), "{told}");
}
