//! The files from which a server starts.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Options;
use crate::home::Home;
use crate::run::quoted;

/// Every node has a registry of node names of its own, so all have the same name, which is part of the data.
pub const NODE: &str = "rabbit@localhost";

/// Everything that a node listens on.
#[derive(Default)]
pub struct Ports {
    pub amqp: u16,
    /// Erlang's own protocol, by which `rabbitmqctl` talks to the node.
    pub distribution: u16,
    /// Where the node's registry tells the port above.
    pub epmd: u16,
}

/// Writes the settings, the definitions and the script that starts node and registry.
pub fn write(home: &Home, options: &Options, ports: &Ports, programs: &Path) -> Result<()> {
    let mut conf = String::from(
        // A small disk shared by many tests is no reason to block publishers.
        "disk_free_limit.absolute = 20MB\n\
         log.console = true\n\
         log.console.level = warning\n\
         log.file.level = warning\n",
    );
    let port = ports.amqp;
    let address = options.address.unwrap_or(Ipv4Addr::LOCALHOST);
    match &options.tls {
        None => writeln!(conf, "listeners.tcp.default = {address}:{port}")?,
        Some(tls) => {
            let (ca, certificate, key) = (
                tls.ca.display(),
                tls.certificate.display(),
                tls.key.display(),
            );
            write!(
                conf,
                "listeners.tcp = none\n\
                 listeners.ssl.default = {address}:{port}\n\
                 ssl_options.cacertfile = {ca}\n\
                 ssl_options.certfile = {certificate}\n\
                 ssl_options.keyfile = {key}\n\
                 ssl_options.verify = verify_peer\n\
                 ssl_options.fail_if_no_peer_cert = true\n\
                 ssl_cert_login_from = common_name\n\
                 auth_mechanisms.1 = EXTERNAL\n"
            )?;
        }
    }
    match (options.management, &options.tls) {
        (None, _) => {}
        (Some(port), None) => write!(
            conf,
            "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n"
        )?,
        (Some(port), Some(tls)) => write!(
            conf,
            "management.ssl.ip = {address}\n\
             management.ssl.port = {port}\n\
             management.ssl.cacertfile = {}\n\
             management.ssl.certfile = {}\n\
             management.ssl.keyfile = {}\n",
            tls.ca.display(),
            tls.certificate.display(),
            tls.key.display()
        )?,
    }
    if let Some(definitions) = &options.definitions {
        let mut definitions = definitions.clone();
        if options.tls.is_none() {
            let_guest_in(&mut definitions)?;
        }
        let file = home.write("definitions.json", definitions.to_string())?;
        writeln!(conf, "load_definitions = {}", file.display())?;
    }
    home.write("rabbitmq.conf", conf)?;

    let plugins: Vec<_> = [
        (options.tls.is_some(), "rabbitmq_auth_mechanism_ssl"),
        (options.management.is_some(), "rabbitmq_management"),
    ]
    .into_iter()
    .filter_map(|(wanted, name)| wanted.then_some(name))
    .collect();
    home.write("plugins", format!("[{}].\n", plugins.join(",")))?;
    home.write("run", script(home, ports, programs))?;
    Ok(())
}

fn script(home: &Home, ports: &Ports, programs: &Path) -> String {
    let file = |name: &str| quoted(home.path.join(name));
    let variables = [
        // Has the secret by which `rabbitmqctl` is known to the node.
        ("HOME", quoted(&home.path)),
        ("ERL_EPMD_PORT", ports.epmd.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODENAME", NODE.to_owned()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string()),
        ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf")),
        ("RABBITMQ_MNESIA_BASE", file("data")),
        ("RABBITMQ_LOG_BASE", file("log")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins")),
        ("RABBITMQ_PID_FILE", file("pid")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        // Makes its script become the node instead of waiting for it.
        ("RUNNING_UNDER_SYSTEMD", "1".to_owned()),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            // Two schedulers start faster than one. None waits busily, so idle nodes use no processor time.
            "'+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -start_epmd false \
             -kernel inet_dist_use_interface {127,0,0,1}'"
                .to_owned(),
        ),
    ];
    let mut script = String::new();
    for (name, value) in variables {
        script += &format!("export {name}={value}\n");
    }
    // A registry that the node started would not be in the node's session.
    script += &format!("epmd -port {} -address 127.0.0.1 &\n", ports.epmd);
    script += &format!("exec {}\n", quoted(programs.join("rabbitmq-server")));
    script
}

/// With definitions RabbitMQ makes neither its first user nor the virtual host `/`.
fn let_guest_in(definitions: &mut Value) -> Result<()> {
    let users = list(definitions, "users")?;
    users.retain(|user| user["name"] != "guest");
    users.push(json!({"name": "guest", "password": "guest", "tags": "administrator"}));
    let vhosts = list(definitions, "vhosts")?;
    if !vhosts.iter().any(|vhost| vhost["name"] == "/") {
        vhosts.push(json!({"name": "/"}));
    }
    let names: Vec<_> = vhosts.iter().map(|vhost| vhost["name"].clone()).collect();
    let permissions = list(definitions, "permissions")?;
    permissions.retain(|permission| permission["user"] != "guest");
    permissions.extend(names.iter().map(|name| {
        json!({"user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*"})
    }));
    Ok(())
}

fn list<'a>(definitions: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    definitions
        .as_object_mut()
        .context("definitions are not a JSON object")?
        .entry(name)
        .or_insert_with(|| json!([]))
        .as_array_mut()
        .with_context(|| format!("`{name}` of the definitions is not a JSON array"))
}
