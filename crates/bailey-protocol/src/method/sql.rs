//! `sql.*`: statements on the plugin's own tables. Parameters checked on arrival, results as the
//! SDKs read them. What a statement may say is not decided here.
//!
//! Parameters and rows are raw JSON text end to end, so that integers of any size, `5` against `5.0`
//! and the order of columns stay as they are.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::CallError;
use crate::limits;
use crate::params::Params;

/// How the tables of a plugin's servers are kept apart. Chosen by the manifest or the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SqlIsolation {
    /// One set of tables for the plugin; each server sees its own rows only.
    #[default]
    Shared,
    /// A set of tables for each server.
    Dedicated,
}

/// Parameters of `sql.execute`.
#[derive(Debug, Clone)]
pub struct Execute {
    /// The statement as the plugin wrote it.
    pub sql: String,
    /// The values for its placeholders, in order.
    pub parameters: Vec<Box<RawValue>>,
}

impl Execute {
    /// Reads the parameters; without `params` there are none.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a statement that is missing, empty or too long, or for values
    /// that are no list or too many.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let sql: String = params.required("sql", "a statement as a string")?;
        if sql.trim().is_empty() {
            return Err(CallError::validation("sql", "a statement"));
        }
        if sql.len() > limits::SQL_TEXT_BYTES {
            let most = limits::SQL_TEXT_BYTES;
            let rule = format!("a statement of at most {most} bytes (this one has {})", sql.len());
            return Err(CallError::validation("sql", rule));
        }
        if sql.contains('\0') {
            return Err(CallError::validation("sql", "a statement without NUL characters"));
        }
        let parameters: Vec<Box<RawValue>> =
            params.optional("params", "a list of values")?.unwrap_or_default();
        if parameters.len() > limits::SQL_PARAMETERS {
            let most = limits::SQL_PARAMETERS;
            let rule = format!("a list of at most {most} values (this one has {})", parameters.len());
            return Err(CallError::validation("params", rule));
        }
        Ok(Self { sql, parameters })
    }
}

/// Parameters of `sql.query` and `sql.query_one`.
#[derive(Debug, Clone)]
pub struct Query {
    /// The statement as the plugin wrote it.
    pub sql: String,
    /// The values for its placeholders, in order.
    pub parameters: Vec<Box<RawValue>>,
    /// Rows to return at most, 1 to [`limits::SQL_ROWS`].
    pub limit: usize,
}

impl Query {
    /// Reads the parameters of `sql.query`. A `limit` outside 1 to 1000 reads as the nearest that is
    /// not, as in the SDKs; absent, it is 1000.
    ///
    /// # Errors
    /// As [`Execute::parse`], and for a limit that is no whole number.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let asked = params.integer_or("limit", limits::SQL_ROWS as i64)?;
        let limit = usize::try_from(asked).unwrap_or(0).clamp(1, limits::SQL_ROWS);
        let Execute { sql, parameters } = Execute::parse(params)?;
        Ok(Self { sql, parameters, limit })
    }

    /// Reads the parameters of `sql.query_one`: one row, whatever `limit` says.
    ///
    /// # Errors
    /// As [`Execute::parse`].
    pub fn parse_one(params: &Params) -> Result<Self, CallError> {
        let Execute { sql, parameters } = Execute::parse(params)?;
        Ok(Self { sql, parameters, limit: 1 })
    }
}

/// Result of `sql.execute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// Rows inserted, updated or deleted, exactly: plugins use it as a lock. 0 for schema changes.
    pub rowcount: u64,
}

/// Result of `sql.query`.
#[derive(Debug, Clone, Serialize)]
pub struct Rows {
    /// The rows, in order.
    pub rows: Vec<RowObject>,
    /// Whether there were more than asked for.
    pub truncated: bool,
}

/// Result of `sql.query_one`.
#[derive(Debug, Clone, Serialize)]
pub struct OneRow {
    /// The first row; `null` on the wire when there is none.
    pub row: Option<RowObject>,
}

/// A row: a JSON object in the order of the columns, which `ctx.sql.scalar` depends on.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct RowObject(Box<RawValue>);

impl RowObject {
    /// A row of columns with their values as JSON text. Of columns with the same name the last value
    /// counts, at the place of the first, as in a Python dict.
    ///
    /// # Errors
    /// When a value is no JSON.
    pub fn from_columns<'a>(
        columns: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Result<Self, serde_json::Error> {
        let columns: IndexMap<&str, String> = columns.into_iter().collect();
        let mut json = String::from("{");
        for (index, (name, value)) in columns.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(&serde_json::to_string(name)?);
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        RawValue::from_string(json).map(Self)
    }

    /// The row as JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Bytes of the row as JSON text: what counts towards [`limits::SQL_RESULT_BYTES`].
    pub fn size(&self) -> usize {
        self.0.get().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(value: &serde_json::Value) -> Params {
        Params::parse(Some(&RawValue::from_string(value.to_string()).unwrap())).unwrap()
    }

    fn refusal(value: &serde_json::Value) -> String {
        Execute::parse(&params(value)).unwrap_err().to_string()
    }

    #[test]
    fn values_arrive_as_they_were_written() {
        let raw =
            r#"{"sql":"SELECT $1","params":[5,5.0,null,"é",[1,[2]],{"b":1,"a":2},12345678901234567890123]}"#;
        let parsed =
            Execute::parse(&Params::parse(Some(&RawValue::from_string(raw.to_owned()).unwrap())).unwrap())
                .unwrap();
        let texts: Vec<_> = parsed.parameters.iter().map(|value| value.get()).collect();
        assert_eq!(
            texts,
            ["5", "5.0", "null", "\"é\"", "[1,[2]]", r#"{"b":1,"a":2}"#, "12345678901234567890123"]
        );
    }

    #[test]
    fn no_values_can_be_said_in_three_ways() {
        for value in [
            serde_json::json!({"sql": "SELECT 1"}),
            serde_json::json!({"sql": "SELECT 1", "params": null}),
            serde_json::json!({"sql": "SELECT 1", "params": []}),
        ] {
            assert!(Execute::parse(&params(&value)).unwrap().parameters.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_a_statement_is_refused_with_the_rule() {
        let long = "x".repeat(limits::SQL_TEXT_BYTES + 1);
        let many = vec![0; limits::SQL_PARAMETERS + 1];
        for (value, said) in [
            (serde_json::json!({}), "invalid sql: a statement as a string is required"),
            (serde_json::json!({"sql": 5}), "invalid sql: a statement as a string is required"),
            (serde_json::json!({"sql": " \n"}), "invalid sql: a statement is required"),
            (
                serde_json::json!({"sql": "a\0"}),
                "invalid sql: a statement without NUL characters is required",
            ),
            (
                serde_json::json!({ "sql": long }),
                "invalid sql: a statement of at most 65536 bytes (this one has 65537) is required",
            ),
            (
                serde_json::json!({"sql": "x", "params": {"a": 1}}),
                "invalid params: a list of values is required",
            ),
            (
                serde_json::json!({"sql": "x", "params": many}),
                "invalid params: a list of at most 1000 values (this one has 1001) is required",
            ),
        ] {
            assert_eq!(refusal(&value), said);
        }
    }

    #[test]
    fn limits_are_brought_into_range() {
        for (given, limit) in [
            (serde_json::json!(null), 1000),
            (serde_json::json!(1000), 1000),
            (serde_json::json!(1001), 1000),
            (serde_json::json!(7), 7),
            (serde_json::json!("7"), 7),
            (serde_json::json!(0), 1),
            (serde_json::json!(-3), 1),
        ] {
            let params = params(&serde_json::json!({"sql": "x", "limit": given}));
            assert_eq!(Query::parse(&params).unwrap().limit, limit);
            assert_eq!(Query::parse_one(&params).unwrap().limit, 1);
        }
        assert!(Query::parse(&params(&serde_json::json!({"sql": "x", "limit": "all"}))).is_err());
    }

    #[test]
    fn rows_keep_the_order_of_columns_and_the_last_of_equal_names() {
        let row = RowObject::from_columns([
            ("z", "1".to_owned()),
            ("a\"b", "null".to_owned()),
            ("z", "[2.50]".to_owned()),
            ("é", "12345678901234567890".to_owned()),
        ])
        .unwrap();
        let expected = "{\"z\":[2.50],\"a\\\"b\":null,\"é\":12345678901234567890}";
        assert_eq!(row.as_json(), expected);
        assert_eq!(row.size(), expected.len());
        let wire = serde_json::to_string(&Rows { rows: vec![row.clone()], truncated: true }).unwrap();
        assert_eq!(wire, format!("{{\"rows\":[{expected}],\"truncated\":true}}"));
        assert_eq!(
            serde_json::to_string(&OneRow { row: Some(row) }).unwrap(),
            format!("{{\"row\":{expected}}}")
        );
        assert_eq!(serde_json::to_string(&OneRow { row: None }).unwrap(), "{\"row\":null}");
        assert_eq!(serde_json::to_string(&Affected { rowcount: 3 }).unwrap(), "{\"rowcount\":3}");
    }

    #[test]
    fn a_row_is_json_or_no_row() {
        assert!(RowObject::from_columns([("a", "}".to_owned())]).is_err());
        assert_eq!(RowObject::from_columns([]).unwrap().as_json(), "{}");
    }
}
