//! A RabbitMQ server.

mod settings;

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::guard::Guard;
use crate::home::{Home, last_words};
use crate::run::{quoted, text};
use crate::{Tls, ports, programs, wait_until};
use settings::{NODE, Ports};

/// How long starting may take on a machine that has much else to do; with nothing else it takes six seconds.
const START: Duration = Duration::from_secs(120);

/// What can be chosen when a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Virtual hosts, users, permissions, exchanges, queues and bindings, in the format of RabbitMQ's definitions
    /// file. They are imported at every start, so what has been deleted since is there again.
    pub definitions: Option<Value>,
    /// Then TLS with a client certificate is the only way in, and the certificate's common name is the user.
    /// Without, plaintext is, and the user `guest` can log in and may do everything, whatever the definitions say.
    pub tls: Option<Tls>,
    /// Keeps the data in this directory, to be found again by the next server that is started over it.
    pub directory: Option<PathBuf>,
    /// A free one if not given.
    pub port: Option<u16>,
    /// Where it listens for AMQP instead of on 127.0.0.1: on an address of this machine that containers reach.
    pub address: Option<Ipv4Addr>,
    /// Runs the management plugin, with its HTTP interface on this port: with `tls` over that, for users with passwords, and
    /// else in plaintext on 127.0.0.1.
    pub management: Option<u16>,
}

/// A running RabbitMQ server, a node of its own that knows no other.
pub struct RabbitMq {
    ports: Ports,
    address: Ipv4Addr,
    encrypted: bool,
    directory: PathBuf,
    programs: PathBuf,
    erl_call: PathBuf,
    guard: Guard,
}

impl RabbitMq {
    /// Starts a server and waits until clients can connect.
    pub fn start(options: &Options) -> Result<Self> {
        let home = Home::new("rabbitmq", options.directory.as_deref())?;
        let mut server = Self {
            guard: Guard::new(&home, "KILL")?,
            ports: Ports::default(),
            address: options.address.unwrap_or(Ipv4Addr::LOCALHOST),
            encrypted: options.tls.is_some(),
            directory: home.path.clone(),
            programs: programs::rabbitmq()?,
            erl_call: programs::erl_call()?,
        };
        let mut tries = 5;
        loop {
            let [amqp, distribution, epmd] = ports::several()?;
            server.ports = Ports {
                amqp: options.port.unwrap_or(amqp),
                distribution,
                epmd,
            };
            settings::write(&home, options, &server.ports, &server.programs)?;
            tries -= 1;
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) if tries == 0 => return Err(error),
                Err(error) => {
                    // Someone else was quicker.
                    let said = error.to_string();
                    let taken = ["eaddrinuse", "in use"];
                    if !taken.iter().any(|word| said.contains(word)) {
                        return Err(error);
                    }
                    server.kill()?;
                }
            }
        }
    }

    /// Where it listens for AMQP.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// Where it keeps everything.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The URL of the virtual host `/`: with TLS for the user of the client's certificate, else for `guest`.
    pub fn url(&self) -> String {
        self.url_of("/")
    }

    /// As [`Self::url`], of another virtual host.
    pub fn url_of(&self, vhost: &str) -> String {
        let vhost = vhost.replace('%', "%25").replace('/', "%2f");
        let port = self.ports.amqp;
        match self.encrypted {
            true => format!("amqps://localhost:{port}/{vhost}?auth_mechanism=external"),
            false => format!("amqp://guest:guest@127.0.0.1:{port}/{vhost}"),
        }
    }

    /// Runs `rabbitmqctl` and returns what it prints. It takes most of a second.
    pub fn ctl(&self, args: &[&str]) -> Result<String> {
        let mut ctl = Command::new(self.programs.join("rabbitmqctl"));
        ctl.args(["--quiet", "--node", NODE])
            .args(args)
            .env("HOME", &self.directory)
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            // Whichever is free, instead of one of eleven for all that run at the same time.
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "0")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "0");
        text(&mut ctl, "")
    }

    /// A shell script that runs `rabbitmqctl` on this server with its own arguments.
    pub fn ctl_script(&self) -> String {
        format!(
            "#!/bin/sh\nHOME={} ERL_EPMD_PORT={} RABBITMQ_CONF_ENV_FILE=/dev/null exec {} --node {NODE} \"$@\"\n",
            quoted(&self.directory),
            self.ports.epmd,
            quoted(self.programs.join("rabbitmqctl"))
        )
    }

    /// Evaluates Erlang expressions in the server, which takes some milliseconds; returns the value as Erlang prints it.
    pub fn eval(&self, expressions: &str) -> Result<String> {
        let address = format!("127.0.0.1:{}", self.ports.distribution);
        let mut call = Command::new(&self.erl_call);
        call.args(["-r", "-e", "-timeout", "60", "-address", &address])
            .env("HOME", &self.directory);
        // Without the line's end it would wait for the rest of the expression.
        let answer = text(&mut call, &format!("{expressions}\n"))?;
        match answer
            .strip_prefix("{ok, ")
            .and_then(|value| value.strip_suffix('}'))
        {
            Some(value) => Ok(value.to_owned()),
            None => bail!("RabbitMQ could not evaluate: {answer}"),
        }
    }

    /// Makes a virtual host in which `guest` may do everything.
    pub fn add_vhost(&self, name: &str) -> Result<()> {
        let name = binary(name);
        let all = binary(".*");
        self.expect(
            "ok",
            &format!(
                "ok = rabbit_vhost:add({name}, <<\"tests\">>), rabbit_auth_backend_internal:set_permissions(\
                    <<\"guest\">>, {name}, {all}, {all}, {all}, <<\"tests\">>)."
            ),
        )
    }

    /// Deletes a queue with its messages; an error if there is none of this name.
    pub fn delete_queue(&self, vhost: &str, name: &str) -> Result<()> {
        self.expect(
            "deleted",
            &format!(
                "case rabbit_amqqueue:lookup(rabbit_misc:r({}, queue, {})) of \
                    {{ok, Queue}} -> {{ok, _}} = rabbit_amqqueue:delete(Queue, false, false, <<\"tests\">>), deleted; \
                    _ -> missing end.",
                binary(vhost),
                binary(name)
            ),
        )
    }

    /// Every user's permissions in a virtual host: an array of objects with `user`, `configure`, `write` and `read`.
    pub fn list_permissions(&self, vhost: &str) -> Result<Value> {
        let printed = self.ctl(&["list_permissions", "--vhost", vhost, "--formatter=json"])?;
        serde_json::from_str(&printed).context("rabbitmqctl did not print JSON")
    }

    /// Ends every client's connection.
    pub fn close_all_connections(&self, reason: &str) -> Result<()> {
        self.ctl(&["close_all_connections", "--global", reason])
            .map(drop)
    }

    /// Stops serving clients while the Erlang node goes on running, as an upgrade does.
    pub fn stop_app(&self) -> Result<()> {
        self.ctl(&["stop_app"]).map(drop)
    }

    /// Serves clients again after [`Self::stop_app`].
    pub fn start_app(&self) -> Result<()> {
        self.ctl(&["start_app"])?;
        self.wait_until_ready()
    }

    /// Crashes the server and starts it again, on the same ports.
    pub fn restart(&self) -> Result<()> {
        self.kill()?;
        self.start_again()
    }

    /// Crashes the server.
    pub fn kill(&self) -> Result<()> {
        self.guard.stop()
    }

    /// Starts a server that was killed, on the same ports, and waits until clients can connect.
    pub fn start_again(&self) -> Result<()> {
        fs::write(self.guard.log(), "")?;
        self.guard.start()?;
        self.wait_until_ready()
            .with_context(|| format!("starting RabbitMQ failed\n{}", last_words(&self.guard)))
    }

    fn wait_until_ready(&self) -> Result<()> {
        wait_until("RabbitMQ accepts connections", START, || {
            if self.guard.server().is_none() {
                bail!("RabbitMQ ended while it started");
            }
            // It listens when nearly everything else is done.
            let listens = TcpStream::connect((self.address, self.ports.amqp)).is_ok();
            Ok(listens
                && self
                    .eval("rabbit:is_running().")
                    .is_ok_and(|yes| yes == "true"))
        })
    }

    fn expect(&self, value: &str, expressions: &str) -> Result<()> {
        let got = self.eval(expressions)?;
        if got != value {
            bail!("RabbitMQ answered {got} instead of {value}");
        }
        Ok(())
    }
}

/// A string in Erlang, whatever characters it has.
fn binary(text: &str) -> String {
    let bytes: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
    format!("<<{}>>", bytes.join(","))
}
