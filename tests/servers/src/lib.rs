//! Private RabbitMQ and PostgreSQL servers for tests and for `cargo xtask dev up`.
