//! The commands of docs/install.md, copied from there and run. In place of `kubectl` stands a script that puts secrets into
//! directories and hands statements and orders on to the servers of the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use servers::{Postgres, RabbitMq};
use tests::cluster::program;
use tests::process::Ended;

use super::manifests::root;

const KUBECTL: &str = r#"#!/bin/bash
set -euo pipefail
[ "$1" != -n ] || shift 2
case "$1 $2" in
"create namespace") ;;
"create secret")
    mkdir -p "$SECRETS/$4"
    for from in "${@:5}"; do
        value=${from#--from-*=}
        case $from in
        --from-file=*=*) cp "${value#*=}" "$SECRETS/$4/${value%%=*}" ;;
        --from-file=*) cp "$value" "$SECRETS/$4/$value" ;;
        --from-literal=*) printf %s "${value#*=}" >"$SECRETS/$4/${value%%=*}" ;;
        esac
    done ;;
"exec -i") [ "$3 $4 $5 $6" = "postgres-1 -c postgres --" ] && exec "$BIN/postgres-psql" "${@:8}" ;;
exec*) [ "$3 $4" = "-- rabbitmqctl" ] && exec "$BIN/rabbitmqctl" "${@:5}" ;;
*) echo "kubectl $*: not expected" >&2; exit 1 ;;
esac
"#;

/// A shell in which they are typed.
pub struct Shell {
    home: PathBuf,
    page: String,
}

impl Shell {
    /// In a directory of its own, with the checkout's `deploy` in it. `secrets` gets what is made.
    pub fn new(home: &Path, postgres: &Postgres, rabbit: &RabbitMq) -> Shell {
        let home = home.join("install");
        let bin = home.join("bin");
        fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(
            root().canonicalize().unwrap().join("deploy"),
            home.join("deploy"),
        )
        .unwrap();
        let host = postgres.url("postgres", "postgres");
        let psql = format!(
            "#!/bin/bash\nset -- \"${{@/#postgres/{}}}\"\nexec {} -v ON_ERROR_STOP=1 \"$@\"\n",
            host,
            postgres.psql().display()
        );
        for (name, text) in [
            ("kubectl", KUBECTL),
            ("postgres-psql", &psql),
            ("rabbitmqctl", &rabbit.ctl_script()),
        ] {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let leastwise = program("leastwise");
        std::os::unix::fs::symlink(leastwise.get_program(), bin.join("leastwise")).unwrap();
        let page = fs::read_to_string(root().join("docs/install.md")).unwrap();
        // Two pools instead of one.
        let mut replaced = page.clone();
        for (line, with) in [
            (
                "pools=\"--pool default\"",
                "pools=\"--pool default --pool contoso\"",
            ),
            (
                "collectors=\"collector\"",
                "collectors=\"collector collector-contoso\"",
            ),
        ] {
            assert!(replaced.contains(line), "{line}");
            replaced = replaced.replace(line, with);
        }
        Shell {
            home,
            page: replaced,
        }
    }

    /// The first block of a language below a heading.
    pub fn block(&self, heading: &str, language: &str) -> &str {
        let section = self
            .page
            .split("\n## ")
            .find(|s| s.starts_with(heading))
            .unwrap();
        let block = section.split(&format!("```{language}\n")).nth(1).unwrap();
        block.split("```").next().unwrap()
    }

    /// Types the first blocks of these headings, one after the other.
    pub fn types(&self, headings: &[&str]) {
        let script: String = headings
            .iter()
            .map(|heading| self.block(heading, "sh"))
            .collect();
        let path = std::env::var("PATH").unwrap();
        let bin = self.home.join("bin");
        let done = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(&self.home)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("BIN", &bin)
            .env("SECRETS", self.secrets())
            .output();
        let done: Ended = done.unwrap().into();
        assert_eq!(done.code, Some(0), "{headings:?}: {done:?}");
    }

    /// What was made.
    pub fn secrets(&self) -> PathBuf {
        self.home.join("made")
    }
}
