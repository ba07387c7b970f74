//! Where a plugin's tables live, and under which names its roles go.

/// Whether the servers of a plugin share its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// One set of tables for all servers, each row of one of them.
    Shared,
    /// Tables for each server.
    Dedicated,
}

/// The schemas and roles of one plugin, or of one plugin on one server.
///
/// In [`Isolation::Shared`] the plugin sees views in [`Space::schema`] over tables in
/// [`Space::rows`]; in [`Isolation::Dedicated`] both are one and hold the tables themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its number among all spaces.
    pub id: i32,
    /// Whether servers share it.
    pub isolation: Isolation,
    /// What the plugin sees.
    pub schema: String,
    /// Where the rows are.
    pub rows: String,
    /// Runs what the plugin writes. Owns nothing.
    pub role: String,
    /// Owns the tables. Nobody logs in as it.
    pub owner: String,
}

impl Space {
    /// The space of a plugin, or of a plugin on a server. `plugin` is of `a-z`, `0-9` and `_`.
    pub fn new(id: i32, plugin: &str, guild: Option<u64>) -> Self {
        let (isolation, name) = match guild {
            None => (Isolation::Shared, plugin.to_owned()),
            Some(guild) => (Isolation::Dedicated, format!("{plugin}_{guild}")),
        };
        let schema = format!("plugin_{name}");
        let rows = match isolation {
            Isolation::Shared => format!("rows_{name}"),
            Isolation::Dedicated => schema.clone(),
        };
        Self { id, isolation, role: schema.clone(), owner: format!("owner_{name}"), schema, rows }
    }

    /// Whether rows of several servers lie in one table.
    pub fn is_shared(&self) -> bool {
        self.isolation == Isolation::Shared
    }
}
