//! The statements real plugins use, on PostgreSQL as it is: one schema a plugin, nothing rewritten,
//! nothing checked. What the data file expects is what an author would see with a database of his own.

use std::pin::pin;

use bailey_protocol::method::sql::{Execute, Query};
use bailey_protocol::{CallError, Params};
use bailey_services::sql::guards;
use bailey_services::sql::parameters::{Parameter, ParameterError};
use bailey_services::sql::rows;
use bailey_sql::placeholders;
use bailey_store::testing::unique_schema;
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::sql_values::prepared;
use crate::support::Scratch;

const CORPUS: &str = include_str!("../data/sql/corpus.jsonl");

/// One call of a plugin and its outcome. The file beside the data says what each field means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    plugin: String,
    method: Method,
    sql: String,
    #[serde(default)]
    params: Vec<Box<RawValue>>,
    limit: Option<u64>,
    #[serde(default)]
    script: bool,
    #[serde(default)]
    unordered: bool,
    only: Option<Only>,
    rowcount: Option<u64>,
    rows: Option<Vec<Value>>,
    truncated: Option<bool>,
    row: Option<Value>,
    error: Option<Failure>,
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Method {
    Execute,
    Query,
    QueryOne,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Only {
    Dedicated,
}

/// A failure of the database, or of the call before it gets there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    sqlstate: Option<String>,
    call: Option<String>,
    message: String,
}

fn steps() -> Vec<Step> {
    let lines = CORPUS.lines().enumerate();
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", index + 1))
        })
        .collect()
}

/// What came of a step, in the words of the data file.
fn failed(error: &tokio_postgres::Error) -> Value {
    if let Some(error) = error.as_db_error() {
        return json!({"sqlstate": error.code().code(), "message": error.message()});
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<ParameterError>());
    json!({"call": "params", "message": source.map_or_else(|| error.to_string(), ToString::to_string)})
}

async fn outcome(client: &Client, step: &Step) -> Result<Value, Value> {
    let call = json!({"sql": step.sql, "params": step.params, "limit": step.limit});
    let call = Params::parse(Some(&RawValue::from_string(call.to_string()).unwrap())).unwrap();
    let refused = |error: CallError| json!({"call": "sql", "message": error.to_string()});
    let Execute { sql, parameters } = Execute::parse(&call).map_err(refused)?;
    let sql = placeholders::number(&sql, parameters.len())
        .map_err(|error| json!({"call": error.field(), "message": error.to_string()}))?;
    if step.script {
        let done = client.batch_execute(&sql).await.map(|()| json!({"rowcount": 2}));
        return done.map_err(|error| failed(&error));
    }
    let statement = prepared(client, &sql, &parameters).await.map_err(|error| failed(&error))?;
    let values: Vec<_> =
        parameters.iter().enumerate().map(|(index, value)| Parameter::new(index + 1, value)).collect();
    let values = values.iter().map(|value| value as &(dyn ToSql + Sync));
    if step.method == Method::Execute {
        let rowcount = client.execute_raw(&statement, values).await.map_err(|error| failed(&error))?;
        return Ok(json!({ "rowcount": rowcount }));
    }
    let query = if step.method == Method::Query { Query::parse(&call) } else { Query::parse_one(&call) };
    let limit = query.map_err(refused)?.limit;
    let stream = client.query_raw(&statement, values).await.map_err(|error| failed(&error))?;
    let mut stream = pin!(stream);
    let mut found: Vec<Value> = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(|error| failed(&error))? {
        let row = rows::row(&row).map_err(|error| json!({"call": "row", "message": error.to_string()}))?;
        found.push(serde_json::from_str(row.as_json()).unwrap());
    }
    Ok(if step.method == Method::Query {
        let truncated = found.len() > limit;
        found.truncate(limit);
        json!({"rows": found, "truncated": truncated})
    } else {
        json!({"row": found.into_iter().next()})
    })
}

/// The outcome the data file expects.
fn expected(step: &Step) -> Result<Value, &Failure> {
    if let Some(failure) = &step.error {
        return Err(failure);
    }
    Ok(match step.method {
        Method::Execute => json!({"rowcount": step.rowcount.unwrap()}),
        Method::Query => {
            json!({"rows": step.rows.as_ref().unwrap(), "truncated": step.truncated.unwrap_or(false)})
        }
        Method::QueryOne => json!({"row": step.row}),
    })
}

/// Rows without order, and the order of columns as text.
fn comparable(outcome: &Value, unordered: bool) -> String {
    let mut outcome = outcome.clone();
    if unordered && let Some(rows) = outcome["rows"].as_array_mut() {
        rows.sort_by_key(ToString::to_string);
    }
    outcome.to_string()
}

#[tokio::test]
async fn the_corpus_is_true_of_plain_postgresql() {
    let client = Scratch::new().await.side_door().await;
    check(&client, "plain", "pg_catalog").await;
}

#[tokio::test]
async fn the_corpus_is_true_also_where_functions_are_guarded() {
    let client = Scratch::new().await.side_door().await;
    let schema = unique_schema();
    client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    client.batch_execute(&guards::statements(&schema)).await.unwrap();
    check(&client, "guarded", &format!("{schema}, pg_catalog")).await;
}

/// Tells each story in a schema of its own, before `path` in the search path.
async fn check(client: &Client, prefix: &str, path: &str) {
    client.batch_execute("SET timezone = 'UTC'").await.unwrap();
    let mut current = String::new();
    let mut wrong = Vec::new();
    for (index, step) in steps().iter().enumerate() {
        if step.plugin != current {
            current.clone_from(&step.plugin);
            let schema = format!("{prefix}_{current}");
            client
                .batch_execute(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}, {path}"))
                .await
                .unwrap();
        }
        let outcome = outcome(client, step).await;
        let right = match (expected(step), &outcome) {
            (Ok(expected), Ok(outcome)) => {
                comparable(&expected, step.unordered) == comparable(outcome, step.unordered)
            }
            (Err(failure), Err(outcome)) => {
                outcome["sqlstate"].as_str() == failure.sqlstate.as_deref()
                    && outcome["call"].as_str() == failure.call.as_deref()
                    && outcome["message"].as_str().unwrap().contains(&failure.message)
            }
            _ => false,
        };
        if !right {
            wrong.push(format!("line {}: {}\n    {outcome:?}", index + 1, step.sql));
        }
    }
    assert!(wrong.is_empty(), "{} of the corpus:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_is_as_large_as_it_should_be() {
    let steps = steps();
    let mut plugins: Vec<_> = steps.iter().map(|step| step.plugin.as_str()).collect();
    plugins.dedup();
    let stories = plugins.len();
    plugins.sort_unstable();
    plugins.dedup();
    assert_eq!(plugins.len(), stories, "a plugin's steps stand together");
    assert!(stories >= 15 && steps.len() >= 120, "{stories} plugins, {} steps", steps.len());
    let dedicated = steps.iter().filter(|step| matches!(step.only, Some(Only::Dedicated))).count();
    assert!(dedicated * 50 < steps.len(), "{dedicated} steps are for dedicated tables only");
}
