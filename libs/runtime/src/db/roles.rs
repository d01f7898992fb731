//! Who may do what in the database of a service.

/// The roles of a service: one owns its tables and migrates them, the other works with their rows.
#[derive(Clone, Debug)]
pub struct Roles {
    /// The database, for example `leastwise_collector`.
    pub database: String,
    /// Owns the tables.
    pub owner: String,
    /// Reads and writes rows, and can change nothing else.
    pub runtime: String,
}

impl Roles {
    /// By the names that the documentation uses.
    pub fn of(service: &str) -> Roles {
        let name = service.replace('-', "_");
        Roles {
            database: format!("leastwise_{name}"),
            owner: format!("leastwise_{name}_owner"),
            runtime: format!("leastwise_{name}"),
        }
    }

    /// What an administrator executes in the database `postgres`: roles without passwords, and the database. Each
    /// statement stands alone, because `CREATE DATABASE` allows no other beside it.
    pub fn create(&self) -> Vec<String> {
        self.fill(include_str!("roles.sql"))
    }

    /// What an administrator executes in the new database.
    pub fn grant(&self) -> Vec<String> {
        self.fill(include_str!("grants.sql"))
    }

    fn fill(&self, template: &str) -> Vec<String> {
        let lines = template.lines().filter(|l| !l.starts_with("--"));
        let text: String = lines.flat_map(|l| [l, "\n"]).collect();
        let text = text
            .replace(":database", &self.database)
            .replace(":owner", &self.owner)
            .replace(":runtime", &self.runtime);
        let statements = text.split(';').map(str::trim).filter(|s| !s.is_empty());
        statements.map(str::to_owned).collect()
    }
}
