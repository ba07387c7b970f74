//! The statements real plugins use, as one story a plugin, on two servers at once and in both modes.
//! What must come out is in `tests/data/sql/corpus.jsonl`, and is what plain PostgreSQL answers.

use std::collections::BTreeMap;

use bailey_protocol::capability::StorageSql;
use bailey_protocol::method::sql::{Execute, Query, SqlIsolation};
use bailey_protocol::{CallError, Tenant};
use bailey_services::Sql;
use serde_json::{Value, json};

use crate::support::{ManualClock, grant, params, sql, tenant, unique_plugin, wire};

const CORPUS: &str = include_str!("../data/sql/corpus.jsonl");

/// The stories by plugin.
fn stories() -> BTreeMap<String, Vec<Value>> {
    let mut stories: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in CORPUS.lines().filter(|line| !line.trim().is_empty()) {
        let step: Value = serde_json::from_str(line).unwrap();
        stories.entry(step["plugin"].as_str().unwrap().to_owned()).or_default().push(step);
    }
    stories
}

/// Makes the call of a step; the answer as it leaves on the wire.
pub(crate) async fn call(sql: &Sql, tenant: &Tenant, step: &Value) -> Result<String, CallError> {
    let mut call = json!({"sql": step["sql"], "params": step.get("params").unwrap_or(&json!([]))});
    if let Some(limit) = step.get("limit") {
        call["limit"] = limit.clone();
    }
    let (grant, params) = (grant::<StorageSql>(tenant), params(call));
    Ok(match step["method"].as_str().unwrap() {
        "execute" => wire(sql.execute(&grant, &Execute::parse(&params)?).await?),
        "query" => wire(sql.query(&grant, &Query::parse(&params)?).await?),
        "query_one" => wire(sql.query_one(&grant, &Query::parse_one(&params)?).await?),
        other => panic!("no method {other}"),
    })
}

/// What is wrong with the outcome of a step; nothing if it is as told.
fn differs(step: &Value, isolation: SqlIsolation, outcome: &Result<String, CallError>) -> Option<String> {
    if step.get("only") == Some(&json!("dedicated")) && isolation == SqlIsolation::Shared {
        let says = |error: &CallError| error.to_string().contains("dedicated");
        return match outcome {
            Err(error) if says(error) => None,
            other => Some(format!("should be refused with the word dedicated, was {other:?}")),
        };
    }
    if let Some(wanted) = step.get("error") {
        let Err(error) = outcome else { return Some(format!("should fail with {wanted}, was {outcome:?}")) };
        let said = error.to_string();
        let code = match error {
            CallError::Sql { sqlstate, .. } => wanted.get("sqlstate") == Some(&json!(sqlstate)),
            CallError::Validation { field, .. } => wanted.get("call") == Some(&json!(field)),
            _ => false,
        };
        let part = wanted["message"].as_str().unwrap_or("");
        return (!code || !said.contains(part)).then(|| format!("should fail with {wanted}, said {error:?}"));
    }
    let text = match outcome {
        Ok(text) => text,
        Err(error) => return Some(format!("failed: {error}")),
    };
    let wanted = if let Some(rows) = step.get("rows") {
        let truncated = step.get("truncated").cloned().unwrap_or(json!(false));
        json!({"rows": rows, "truncated": truncated})
    } else if let Some(row) = step.get("row") {
        json!({"row": row})
    } else {
        json!({"rowcount": step["rowcount"]})
    };
    if step.get("unordered") == Some(&json!(true)) {
        let sorted = |value: &Value| {
            let mut rows: Vec<String> =
                value["rows"].as_array().unwrap().iter().map(Value::to_string).collect();
            rows.sort();
            rows
        };
        let found: Value = serde_json::from_str(text).unwrap();
        return (sorted(&found) != sorted(&wanted)).then(|| format!("wanted {wanted}\n   found {text}"));
    }
    let found: Value = serde_json::from_str(text).unwrap();
    // As texts: the order of columns counts.
    let (found, wanted) = (found.to_string(), wanted.to_string());
    (found != wanted).then(|| format!("wanted {wanted}\n   found {found}"))
}

async fn play(isolation: SqlIsolation) {
    let service = sql(&ManualClock::new()).await;
    let mut wrong = Vec::new();
    for (name, steps) in stories() {
        let plugin = unique_plugin(&name);
        service.isolate(&plugin.parse().unwrap(), isolation);
        let servers = [tenant(&plugin, 1), tenant(&plugin, 2)];
        // The first server is one step ahead: the second always meets what the first has made.
        let mut ahead = [0_usize, 0];
        while ahead[1] < steps.len() {
            for server in [0, 1] {
                let step = ahead[server];
                if step < steps.len() && (server == 0 || ahead[0] > step) {
                    let outcome = call(&service, &servers[server], &steps[step]).await;
                    if let Some(what) = differs(&steps[step], isolation, &outcome) {
                        let sql = steps[step]["sql"].as_str().unwrap();
                        wrong.push(format!(
                            "{name} step {} on server {}: {sql}\n   {what}",
                            step + 1,
                            server + 1
                        ));
                    }
                    ahead[server] += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} steps differ in {isolation:?}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn stories_come_out_the_same_on_shared_tables() {
    play(SqlIsolation::Shared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stories_come_out_the_same_on_dedicated_tables() {
    play(SqlIsolation::Dedicated).await;
}
