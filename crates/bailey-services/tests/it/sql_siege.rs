//! The attacks, tried: as a plugin's calls, and once more without the check, as the plugin's own role
//! in the database. Whatever becomes of them, the neighbours have what they had and nobody learns of it.

use std::time::Duration;

use bailey_protocol::CallError;
use bailey_protocol::method::sql::SqlIsolation;
use bailey_services::sql::rows;
use bailey_services::{Sql, SqlOptions};
use bailey_store::testing::shared_cluster;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::sql::Author;
use crate::sql_attacks::{Attack, Layer, Method, NAMES, Only, attacks};
use crate::support::{ManualClock, sql_with, tenant, unique_plugin};

/// Short, so that what would run for ever does not take the test with it.
const STATEMENT_TIME: Duration = Duration::from_millis(700);

/// What nobody but their owners may see.
const CANARIES: [&str; 2] = ["CANARY", "777777"];

/// A place of attack: the attacker with a neighbour, and another plugin.
struct Arena {
    mallory: Author,
    neighbour: Author,
    victim: Author,
    isolation: SqlIsolation,
    before: Value,
}

impl Arena {
    async fn new(service: &Sql, isolation: SqlIsolation) -> Self {
        let (mallory, victim) = (unique_plugin("mallory"), unique_plugin("victim"));
        for plugin in [&mallory, &victim] {
            service.isolate(&plugin.parse().unwrap(), isolation);
        }
        let author = |plugin: &str, guild| Author { sql: service.clone(), tenant: tenant(plugin, guild) };
        let mut arena = Self {
            mallory: author(&mallory, 1),
            neighbour: author(&mallory, 2),
            victim: author(&victim, 1),
            isolation,
            before: Value::Null,
        };
        for author in [&arena.mallory, &arena.neighbour] {
            author
                .execute(
                    "CREATE TABLE IF NOT EXISTS notes (id SERIAL PRIMARY KEY, owner BIGINT, code TEXT UNIQUE,
                         body TEXT, points INT CHECK (points >= 0), data JSONB);
                     CREATE TABLE IF NOT EXISTS replies (id SERIAL PRIMARY KEY,
                         note_id INT REFERENCES notes (id) ON DELETE CASCADE, body TEXT)",
                    json!([]),
                )
                .await;
        }
        let mine = r#"
            INSERT INTO notes VALUES (1, 1, 'CODE-OF-1', 'mine', 10, '{"secret": 5}');
            INSERT INTO replies VALUES (1, 1, 'my reply')"#;
        arena.mallory.execute(mine, json!([])).await;
        let theirs = r#"
            INSERT INTO notes VALUES
                (1000, 2, 'CODE-OF-2', 'CANARY of server 2', 777777, '{"secret": "CANARY"}'),
                (1001, 2, NULL, 'CANARY again', 0, NULL);
            INSERT INTO replies VALUES (1000, 1000, 'CANARY reply')"#;
        arena.neighbour.execute(theirs, json!([])).await;
        let vault = "CREATE TABLE IF NOT EXISTS vault (secret TEXT PRIMARY KEY);
                     INSERT INTO vault VALUES ('CANARY of the vault')";
        arena.victim.execute(vault, json!([])).await;
        arena.before = arena.belongings().await;
        arena
    }

    /// What the neighbours have.
    async fn belongings(&self) -> Value {
        json!([
            self.neighbour
                .query("SELECT id, owner, code, body, points, data FROM notes ORDER BY id", json!([]))
                .await,
            self.neighbour.query("SELECT id, note_id, body FROM replies ORDER BY id", json!([])).await,
            self.victim.query("SELECT secret FROM vault", json!([])).await,
        ])
    }

    /// What is wrong with the world after an attack.
    async fn damage(&self) -> Option<String> {
        let after = self.belongings().await;
        if after != self.before {
            return Some(format!("the neighbours have {after}"));
        }
        // Their tables work as before.
        let write = "INSERT INTO notes (id, owner, code) VALUES (5, 2, 'NEW')
                     ON CONFLICT (id) DO UPDATE SET owner = EXCLUDED.owner";
        if let Err(error) = self.neighbour.try_execute(write, json!([])).await {
            return Some(format!("the neighbour cannot write: {error}"));
        }
        self.neighbour.execute("DELETE FROM notes WHERE id = 5", json!([])).await;
        None
    }

    /// What `{own_schema}` and its like stand for here.
    fn names(&self) -> Vec<(&'static str, String)> {
        let (mine, other) = (self.mallory.tenant.plugin.as_str(), self.victim.tenant.plugin.as_str());
        let named = |what: &str, plugin: &str| match self.isolation {
            SqlIsolation::Shared => format!("{what}_{plugin}"),
            SqlIsolation::Dedicated => format!("{what}_{plugin}_1"),
        };
        let rows = if self.isolation == SqlIsolation::Shared { "rows" } else { "plugin" };
        NAMES
            .iter()
            .map(|name| {
                let stands_for = match *name {
                    "{own_schema}" | "{own_role}" => named("plugin", mine),
                    "{own_data_schema}" => named(rows, mine),
                    "{other_schema}" | "{other_role}" => named("plugin", other),
                    "{other_data_schema}" => named(rows, other),
                    "{host_schema}" | "{host_role}" => "bailey_sql".to_owned(),
                    "{tenant_column}" => "__guild".to_owned(),
                    "{token_setting}" => "bailey.token".to_owned(),
                    other => panic!("no name for {other}"),
                };
                (*name, stands_for)
            })
            .collect()
    }

    fn text(&self, attack: &Attack) -> (String, Vec<Value>) {
        let fill = |text: String| {
            self.names().iter().fold(text, |text, (name, stands_for)| text.replace(name, stands_for))
        };
        let values = attack.params.iter().map(|value| match value {
            Value::String(text) => Value::String(fill(text.clone())),
            value => value.clone(),
        });
        (fill(attack.written_out()), values.collect())
    }
}

/// The answer, or the refusal with whether the database has seen the statement.
async fn called(arena: &Arena, attack: &Attack) -> Result<String, (bool, String)> {
    let (sql, values) = arena.text(attack);
    let outcome = match attack.method {
        Method::Execute => {
            arena.mallory.try_execute(&sql, json!(values)).await.map(|rowcount| rowcount.to_string())
        }
        Method::Query => {
            arena.mallory.try_query(&sql, json!(values), 1000).await.map(|rows| rows.to_string())
        }
    };
    outcome.map_err(|error| {
        let before = matches!(&error, CallError::Validation { .. })
            || matches!(&error, CallError::Sql { sqlstate, .. } if matches!(sqlstate.as_str(), "0A000" | "42601" | "54001" | "42P01"));
        (before, error.to_string())
    })
}

async fn besiege(isolation: SqlIsolation) {
    let options =
        SqlOptions { changes_per_hour: 100_000, statement_time: STATEMENT_TIME, ..SqlOptions::default() };
    let service = sql_with(&ManualClock::new(), &options).await;
    let mut arena = Arena::new(&service, isolation).await;
    let mut wrong = Vec::new();
    for attack in attacks() {
        if isolation == SqlIsolation::Dedicated && matches!(attack.only, Some(Only::Shared)) {
            continue;
        }
        let (sql, _) = arena.text(&attack);
        let outcome = called(&arena, &attack).await;
        let said = match &outcome {
            Ok(answer) => answer,
            Err((_, message)) => message,
        };
        let names = arena.names();
        let told = CANARIES
            .into_iter()
            .chain(names.iter().map(|(_, name)| name.as_str()))
            .find(|secret| said.contains(secret) && !sql.contains(secret));
        if let Some(secret) = told {
            wrong.push(format!("{}: told {secret}: {said}", attack.name));
        }
        match &outcome {
            Ok(answer) if attack.allowed_to.is_none() => {
                wrong.push(format!("{}: went through: {sql:.300}\n   {answer:.300}", attack.name));
            }
            Err((false, message)) if attack.layer == Layer::Checker => {
                wrong.push(format!("{}: the database saw it: {sql:.300}\n   {message}", attack.name));
            }
            _ => {}
        }
        if let Some(damage) = arena.damage().await {
            wrong.push(format!("{}: {sql:.300}\n   {damage}", attack.name));
            arena = Arena::new(&service, isolation).await;
        } else if outcome.is_ok() {
            arena = Arena::new(&service, isolation).await;
        }
    }
    assert!(wrong.is_empty(), "{} attacks in {isolation:?}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_on_shared_tables_are_stopped() {
    besiege(SqlIsolation::Shared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_on_dedicated_tables_are_stopped() {
    besiege(SqlIsolation::Dedicated).await;
}

/// The statement as it is, on a connection as the plugin's role with the server's token: what a
/// statement could do that slipped through the check. The rows it got, or the refusal.
async fn unchecked(arena: &Arena, attack: &Attack) -> Result<String, String> {
    const WHO: &str = "
        SELECT space.role::text, space.password, tenant.token
        FROM bailey_host.spaces AS space JOIN bailey_host.tenants AS tenant ON tenant.space = space.id
        WHERE space.plugin = $1 AND tenant.guild = 1";
    let config = shared_cluster().await.urls().sql.unwrap();
    let connect = async |config: &tokio_postgres::Config| {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(connection);
        client
    };
    let host = connect(&config).await;
    let row = host.query_one(WHO, &[&arena.mallory.tenant.plugin.as_str()]).await.unwrap();
    let (role, password, token): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let client = connect(config.clone().user(&role).password(&password)).await;
    client.batch_execute(&format!("SET bailey.token = '{token}'")).await.unwrap();

    let (sql, values) = arena.text(attack);
    let numbered = bailey_sql::placeholders::number(&sql, values.len()).map_err(|error| error.to_string())?;
    let raw: Vec<_> = values.iter().map(|value| serde_json::value::to_raw_value(value).unwrap()).collect();
    let parameters: Vec<_> = raw
        .iter()
        .enumerate()
        .map(|(index, value)| bailey_services::sql::parameters::Parameter::new(index + 1, value))
        .collect();
    let run = async {
        let statement = client.prepare(&numbered).await?;
        let stream = client.query_raw(&statement, &parameters).await?;
        futures_util::pin_mut!(stream);
        let mut seen = String::new();
        while let Some(row) = stream.try_next().await? {
            if seen.len() < 100_000 {
                seen.push_str(
                    &rows::row(&row).map_or_else(|error| error.to_string(), |row| row.as_json().to_owned()),
                );
            }
        }
        Ok::<_, tokio_postgres::Error>(seen)
    };
    let within = tokio::time::timeout(STATEMENT_TIME * 4, run).await;
    let Ok(outcome) = within else {
        client.cancel_token().cancel_query(NoTls).await.unwrap();
        return Err("cancelled".to_owned());
    };
    outcome.map_err(|error| {
        error.as_db_error().map_or_else(
            || error.to_string(),
            |told| {
                format!(
                    "{} {} {} {}",
                    told.message(),
                    told.detail().unwrap_or(""),
                    told.hint().unwrap_or(""),
                    told.where_().unwrap_or("")
                )
            },
        )
    })
}

async fn besiege_unchecked(isolation: SqlIsolation) {
    let options =
        SqlOptions { changes_per_hour: 100_000, statement_time: STATEMENT_TIME, ..SqlOptions::default() };
    let service = sql_with(&ManualClock::new(), &options).await;
    let mut arena = Arena::new(&service, isolation).await;
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for attack in attacks() {
        let outcome = unchecked(&arena, &attack).await;
        refused += usize::from(outcome.is_err());
        let said = match &outcome {
            Ok(said) | Err(said) => said,
        };
        let (sql, _) = arena.text(&attack);
        if let Some(secret) =
            CANARIES.into_iter().find(|secret| said.contains(secret) && !sql.contains(secret))
        {
            wrong.push(format!("{}: told {secret}: {sql:.300}\n   {said:.300}", attack.name));
        }
        if let Some(damage) = arena.damage().await {
            wrong.push(format!("{}: {sql:.300}\n   {damage}", attack.name));
            arena = Arena::new(&service, isolation).await;
        }
    }
    assert!(wrong.is_empty(), "{} attacks in {isolation:?}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused > 300, "the database alone refused only {refused}: it is not closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_check_the_database_keeps_servers_apart() {
    besiege_unchecked(SqlIsolation::Shared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_check_the_database_keeps_dedicated_tables_apart() {
    besiege_unchecked(SqlIsolation::Dedicated).await;
}
