//! What a developer is told.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::Installation;

impl Installation {
    /// Where everything is, who may do what, and what to try.
    ///
    /// # Errors
    /// When RabbitMQ doesn't answer.
    pub fn describe(&self) -> Result<String> {
        let home = self.home.path().display();
        let here = std::env::current_exe()?;
        let leastwise = here.parent().context("no directory")?.join("leastwise");
        let mut text = format!("Everything is ready, in {home}\n\n");
        _ = writeln!(
            text,
            "{:<15} {:<28} {:<32} log",
            "process", "gRPC, mutual TLS", "page"
        );
        for replica in &self.replicas {
            _ = writeln!(
                text,
                "{:<15} {:<28} {:<32} {home}/run/{}/server.log",
                replica.name(),
                format!("https://localhost:{}", replica.grpc),
                format!("http://127.0.0.1:{}/metrics", replica.http),
                replica.name()
            );
        }
        text += "The page also has /readyz and /livez.\n\n";
        _ = writeln!(text, "RabbitMQ    amqps://localhost:{}", self.rabbit.port());
        _ = writeln!(
            text,
            "PostgreSQL  localhost:{}, TLS only",
            self.postgres.port()
        );
        _ = writeln!(text, "Graph       {} (simulated)", self.control);
        _ = writeln!(text, "Sinks       {home}/inventory");
        text += "            database leastwise_inventory (bin/psql inventory owner)\n";
        text += "\nWhat each account may do at RabbitMQ (bin/rabbitmqctl list_permissions):\n";
        text += &self.rabbit.ctl(&["list_permissions", "--vhost", "/"])?;
        let lines = [
            format!(
                "{} --config {home}/leastwise.toml status",
                leastwise.display()
            ),
            "  the same with: sync, position, runs list".to_owned(),
            format!(
                "curl -X POST '{}/advance?days=1'    # a day of changes",
                self.control
            ),
            format!("{home}/bin/rabbitmqctl list_queues name messages consumers"),
            format!("{home}/bin/psql normalizer -c '\\dt'           # as the service"),
            format!("{home}/bin/psql normalizer owner -c '\\dt'     # as who owns its tables"),
        ];
        text += "\nTry:\n";
        for line in lines {
            _ = writeln!(text, "  {line}");
        }
        text += "\nCtrl-C stops everything and removes the directory.";
        Ok(text)
    }
}

impl super::Replica {
    /// How its files are called.
    pub fn name(&self) -> String {
        format!("{}-{}", self.service, self.number)
    }
}
