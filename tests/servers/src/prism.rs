//! A vendor's interface, played from its OpenAPI document: Prism, which refuses what the document does not allow.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::others::{installation, workspace};
use crate::{Process, ports};

/// A running `prism mock`. It keeps no state: each answer is an example of the document. It ends when this value is
/// dropped.
pub struct Prism {
    process: Process,
    port: u16,
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
        Ok(Some(Self { process, port }))
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
