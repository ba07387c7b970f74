//! The attacks are what they claim to be: statements PostgreSQL understands, so that it is no slip of
//! the pen that stops them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::error::SqlState;

use crate::support::Scratch;

const ATTACKS: &str = include_str!("../data/sql/attacks.jsonl");
pub(crate) const NAMES: &[&str] = &[
    "{own_schema}",
    "{own_data_schema}",
    "{other_schema}",
    "{other_data_schema}",
    "{host_schema}",
    "{own_role}",
    "{other_role}",
    "{host_role}",
    "{tenant_column}",
    "{token_setting}",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) sql: String,
    #[serde(default)]
    pub(crate) params: Vec<Value>,
    #[serde(default)]
    repeat: BTreeMap<String, (String, usize)>,
    syntax: Option<String>,
    pub(crate) layer: Layer,
    pub(crate) allowed_to: Option<String>,
    pub(crate) only: Option<Only>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    Execute,
    Query,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layer {
    Checker,
    Database,
    Limit,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Only {
    Shared,
}

pub(crate) fn attacks() -> Vec<Attack> {
    let lines = ATTACKS.lines().enumerate();
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", index + 1))
        })
        .collect()
}

impl Attack {
    /// The statement with what is repeated written out.
    pub(crate) fn written_out(&self) -> String {
        self.repeat.iter().fold(self.sql.clone(), |sql, (mark, (text, times))| {
            let repeated: String =
                (1..=*times).map(|number| text.replace('#', &number.to_string())).collect();
            sql.replace(mark, &repeated)
        })
    }
}

#[tokio::test]
async fn every_attack_is_sql() {
    let client = Scratch::new().await.side_door().await;
    client
        .batch_execute(
            "CREATE TABLE notes (id SERIAL PRIMARY KEY, owner BIGINT, code TEXT UNIQUE, body TEXT, points INT, data JSONB);
             CREATE TABLE replies (id SERIAL PRIMARY KEY, note_id INT REFERENCES notes (id), body TEXT)",
        )
        .await
        .unwrap();
    let mut wrong = Vec::new();
    for attack in attacks() {
        let sql = NAMES.iter().fold(attack.written_out(), |sql, name| {
            sql.replace(name, if *name == "{token_setting}" { "app.token" } else { "stand_in" })
        });
        let sql = bailey_sql::placeholders::number(&sql, attack.params.len()).map(|sql| sql.into_owned());
        // Prepared, not run: only what the parser says counts.
        let prepared = client.prepare(sql.as_deref().unwrap_or(&attack.sql)).await;
        let code = prepared.as_ref().err().and_then(|error| error.code());
        let is_sql = match &prepared {
            Ok(_) => true,
            Err(_) => code.is_some_and(|code| *code != SqlState::SYNTAX_ERROR),
        };
        if is_sql != attack.syntax.is_none() {
            wrong.push(format!("{}: {:?}", attack.name, prepared.err().map(|error| error.to_string())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_attacks_are_told_apart_and_cover_every_layer() {
    let attacks = attacks();
    let names: BTreeSet<_> = attacks.iter().map(|attack| attack.name.as_str()).collect();
    assert_eq!(names.len(), attacks.len());
    for (layer, at_least) in [(Layer::Checker, 200), (Layer::Database, 40), (Layer::Limit, 30)] {
        assert!(attacks.iter().filter(|attack| attack.layer == layer).count() >= at_least);
    }
    for attack in &attacks {
        assert!(attack.allowed_to.as_ref().is_none_or(|reason| !reason.is_empty()), "{}", attack.name);
    }
    assert!(attacks.iter().any(|attack| matches!(attack.only, Some(Only::Shared))));
    assert!(attacks.iter().any(|attack| attack.method == Method::Execute));
}
