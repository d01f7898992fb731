//! What RabbitMQ has to know: queues, exchanges, bindings, accounts and what each may do.
//!
//! One source for tests, for a developer's stack and for deployments. Services declare nothing and have no right to.
//!
//! **An exchange per queue.** RabbitMQ checks writing at the exchange, so only a queue with an exchange of its own
//! can be granted alone. The exchange of `seal` is `to.seal`: with the same name for both, an account that may read
//! one queue and write another could bind the one to the other.

use proto::ids::Pool;
use proto::message::Queue;
use serde_json::{Value, json};

use crate::topology::Topology;

/// Where whoever publishes to a queue publishes to; the routing key is the queue's name.
pub fn exchange(queue: &Queue) -> String {
    format!("to.{queue}")
}

/// A service's account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name: the common name of the service's certificate.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// The accounts of an installation with these pools, under the names that its certificates have: `collector` for the pool
/// `default`, `collector-contoso` for `contoso`.
pub fn accounts(pools: &[Pool]) -> Vec<Account> {
    let account = |name: &str, role| Account {
        name: name.to_owned(),
        role,
    };
    let collectors = pools
        .iter()
        .map(|pool| account(&collector(pool), Role::Collector(pool.clone())));
    let others = [
        account("normalizer", Role::Normalizer),
        account("exporter", Role::Exporter),
    ];
    collectors.chain(others).collect()
}

/// What the collectors of a pool are called.
pub fn collector(pool: &Pool) -> String {
    match pool.as_str() {
        "default" => "collector".to_owned(),
        other => format!("collector-{other}"),
    }
}

/// What an account may do.
#[derive(Clone, Debug)]
pub enum Role {
    /// Publishes pages and seals, reads the verdicts of its pool.
    Collector(Pool),
    /// Reads pages, seals and the dead, publishes verdicts and closings.
    Normalizer,
    /// Reads closings.
    Exporter,
}

/// An account's patterns, as RabbitMQ matches them with the names of queues and exchanges. What can't be handled goes
/// to the dead, so every consumer may write there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Nothing.
    pub configure: String,
    /// Exchanges.
    pub write: String,
    /// Queues.
    pub read: String,
}

impl Role {
    /// The narrowest patterns for this role.
    pub fn permission(&self, topology: &Topology) -> Permission {
        let pages = [Queue::PageFull, Queue::PageSome, Queue::Seal];
        let (write, read): (Vec<Queue>, Vec<Queue>) = match self {
            Role::Collector(pool) => (pages.to_vec(), vec![Queue::Verdict(pool.clone())]),
            Role::Normalizer => {
                let verdicts = topology
                    .queues
                    .iter()
                    .filter(|q| matches!(q, Queue::Verdict(_)));
                let write = verdicts.cloned().chain([Queue::Closing]).collect();
                (write, pages.into_iter().chain([Queue::Dead]).collect())
            }
            Role::Exporter => (vec![], vec![Queue::Closing]),
        };
        Permission {
            configure: "^$".into(),
            write: pattern(write.iter().chain([&Queue::Dead]).map(exchange)),
            read: pattern(read.iter().map(Queue::to_string)),
        }
    }
}

fn pattern(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.map(|name| name.replace('.', "\\.")).collect();
    format!("^({})$", names.join("|"))
}

/// A definitions file for `load_definitions` or `rabbitmqctl import_definitions`. Accounts have no password: they log
/// in by certificate.
pub fn definitions(topology: &Topology, vhost: &str, accounts: &[Account]) -> Value {
    let users = accounts.iter().map(|account| {
        json!({
            "name": account.name,
            "password_hash": "",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": [],
        })
    });
    let permissions = accounts.iter().map(|account| {
        let Permission { configure, write, read } = account.role.permission(topology);
        json!({
            "user": account.name, "vhost": vhost, "configure": configure, "write": write, "read": read,
        })
    });
    let exchanges = topology.queues.iter().map(|queue| {
        json!({
            "name": exchange(queue), "vhost": vhost, "type": "direct", "durable": true,
            "auto_delete": false, "internal": false, "arguments": {},
        })
    });
    let bindings = topology.queues.iter().map(|queue| {
        json!({
            "source": exchange(queue), "vhost": vhost, "destination": queue.to_string(),
            "destination_type": "queue", "routing_key": queue.to_string(), "arguments": {},
        })
    });
    let queues = topology.queues.iter().map(|queue| {
        json!({
            "name": queue.to_string(), "vhost": vhost, "durable": true, "auto_delete": false,
            "arguments": arguments(topology, queue),
        })
    });
    json!({
        "vhosts": [{ "name": vhost }],
        "users": users.collect::<Vec<_>>(),
        "permissions": permissions.collect::<Vec<_>>(),
        "exchanges": exchanges.collect::<Vec<_>>(),
        "queues": queues.collect::<Vec<_>>(),
        "bindings": bindings.collect::<Vec<_>>(),
    })
}

fn arguments(topology: &Topology, queue: &Queue) -> Value {
    if *queue == Queue::Dead {
        // No limit of messages: it must take what a consumer can't. RabbitMQ 4 drops what was given back 20 times
        // unless another number is declared, and 3.10 knows no word for "never".
        return json!({ "x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000 });
    }
    json!({
        "x-queue-type": "quorum",
        // RabbitMQ lets go of what was given back *more* often.
        "x-delivery-limit": topology.delivery_limit.saturating_sub(1),
        "x-dead-letter-exchange": exchange(&Queue::Dead),
        "x-dead-letter-routing-key": Queue::Dead.to_string(),
        // With the usual strategy a message is lost when the dead can't take it at that moment.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": topology.max_messages,
        "x-max-length-bytes": topology.max_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(role: Role) -> Permission {
        let pools = ["default", "contoso"].map(|p| p.parse().unwrap());
        role.permission(&Topology::of_pools(pools))
    }

    #[test]
    fn each_account_has_what_it_needs() {
        let contoso = Role::Collector("contoso".parse().unwrap());
        for (role, write, read) in [
            (
                contoso,
                r"^(to\.page\.full|to\.page\.some|to\.seal|to\.dead)$",
                r"^(verdict\.contoso)$",
            ),
            (
                Role::Normalizer,
                r"^(to\.verdict\.contoso|to\.verdict\.default|to\.closing|to\.dead)$",
                r"^(page\.full|page\.some|seal|dead)$",
            ),
            (Role::Exporter, r"^(to\.dead)$", "^(closing)$"),
        ] {
            let expected = Permission {
                configure: "^$".into(),
                write: write.into(),
                read: read.into(),
            };
            assert_eq!(permission(role), expected);
        }
    }

    #[test]
    fn every_queue_can_be_reached_and_only_the_dead_have_no_way_out() {
        let topology = Topology::of_pools(["default".parse().unwrap()]);
        let account = Account {
            name: "leastwise-exporter".into(),
            role: Role::Exporter,
        };
        let all = definitions(&topology, "/", &[account]);
        for part in ["queues", "exchanges", "bindings"] {
            assert_eq!(all[part].as_array().unwrap().len(), topology.queues.len());
        }
        for queue in all["queues"].as_array().unwrap() {
            let arguments = &queue["arguments"];
            assert_eq!(arguments["x-queue-type"], "quorum");
            assert!(arguments["x-delivery-limit"].is_u64());
            assert_eq!(arguments["x-overflow"].is_string(), queue["name"] != "dead");
        }
        assert_eq!(all["permissions"][0]["read"], "^(closing)$");
    }
}
