//! A vendor's interface, played from its OpenAPI document: Prism, which refuses what the document does not allow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::others::{installation, not_run, workspace};
use crate::{Process, ports};

/// A running `prism mock`. It keeps no state: each answer is an example of the document. It ends when this value is
/// dropped.
pub struct Prism {
    process: Process,
    port: u16,
    _document: Option<NamedTempFile>,
}

impl Prism {
    /// Starts one for a document, in JSON or YAML. A request that breaks the document is answered by an error, also
    /// where the document names none for it. `None` where Prism could not be installed, as [`crate::Python::installed`].
    pub fn start(document: &Path) -> Result<Option<Self>> {
        let pins = workspace().join("tests/sinks/node/package-lock.json");
        let Some(home) = installation("sinks-node", &pins)? else {
            return Ok(None);
        };
        let document = document
            .canonicalize()
            .with_context(|| format!("read {}", document.display()))?;
        let port = ports::free()?;
        let mut command = Command::new("node");
        command
            .arg(home.join("node_modules/@stoplight/prism-cli/dist/index.js"))
            .args(["mock", "--errors", "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .arg(document);
        let process = Process::temporary("prism", &command)?;
        process.until_it_listens(port)?;
        Ok(Some(Self {
            process,
            port,
            _document: None,
        }))
    }

    /// Flexera One's import jobs and their files. `None` also where the vendor's document is not at hand.
    pub fn flexera_one() -> Result<Option<Self>> {
        let Some(path) = specification("flexera-saas.openapi.json") else {
            return Ok(None);
        };
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let mut document: Value = serde_json::from_slice(&text)?;
        if let Some(paths) = document["paths"].as_object_mut() {
            // The rest would only take its time to load.
            paths.retain(|path, _| path.contains("/saas-data") || path.contains("/import-jobs"));
        }
        // The document requires of who creates a job what only the answer can tell: id, status, sourceHref, createdAt.
        let body = &mut document["components"]["schemas"]["CreateManagedAppImportJobRequestBody"];
        body["required"] = json!(["managedAppId", "saasDataList", "importSettings"]);
        let file = tempfile::Builder::new().suffix(".json").tempfile()?;
        fs::write(file.path(), document.to_string())?;
        Ok(Self::start(file.path())?.map(|prism| Self {
            _document: Some(file),
            ..prism
        }))
    }

    /// Snow Atlas' licences. `None` also where the vendor's document is not at hand.
    pub fn snow_atlas() -> Result<Option<Self>> {
        let Some(path) = specification("snow-atlas-licenses.openapi.yaml") else {
            return Ok(None);
        };
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        fs::write(file.path(), typed(&text))?;
        Ok(Self::start(file.path())?.map(|prism| Self {
            _document: Some(file),
            ..prism
        }))
    }

    /// Its URL. A server's path that the document names is not part of what Prism serves.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has printed last: why it refused a request, among others.
    pub fn last_words(&self) -> String {
        self.process.last_words()
    }
}

/// Without each `nullable` that has no `type` beside it: Prism's validator can't compile a schema with one, and Prism
/// then takes every body without a word.
fn typed(yaml: &str) -> String {
    let lines: Vec<&str> = yaml.lines().collect();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let kept = lines.iter().enumerate().filter(|(at, line)| {
        let deep = depth(line);
        let above = lines[..*at].iter().rev();
        let below = lines[at + 1..].iter();
        // Its mapping ends where a line is less deep.
        let inside = |other: &&&str| depth(other) >= deep;
        let is_type = |other: &&str| depth(other) == deep && other.trim().starts_with("type:");
        let has_type =
            above.take_while(inside).any(is_type) || below.take_while(inside).any(is_type);
        line.trim() != "nullable: true" || has_type
    });
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

/// A vendor's document; they are not part of the repository, and lie beside it or above.
fn specification(name: &str) -> Option<PathBuf> {
    let root = workspace().canonicalize().ok()?;
    let mut places = root
        .ancestors()
        .map(|above| above.join("shared/specs").join(name));
    let found = places.find(|path| path.exists());
    if found.is_none() {
        not_run(
            name,
            "it lies in no shared/specs beside the workspace or above",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn nullable_stays_only_beside_a_type() {
        let with = "a:\n  type: string\n  items:\n    x: y\n  nullable: true\n";
        let after = "a:\n  nullable: true\n  type: string\n";
        let without = "a:\n  nullable: true\n  oneOf:\n    - type: object\nb:\n  type: string\n";
        assert_eq!(typed(with), with);
        assert_eq!(typed(after), after);
        assert_eq!(typed(without), without.replace("  nullable: true\n", ""));
    }
}
