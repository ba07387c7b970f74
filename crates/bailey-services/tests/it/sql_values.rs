//! Values on their way into PostgreSQL and out again, compared with what the server itself makes of them.

use std::pin::pin;

use bailey_services::sql::parameters::{Parameter, ParameterError, declared_types};
use bailey_services::sql::rows;
use futures_util::TryStreamExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Statement};

use crate::support::Scratch;

async fn door() -> Client {
    let client = Scratch::new().await.side_door().await;
    client.batch_execute("SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'").await.unwrap();
    client
}

/// The rows as JSON text, or what was said instead: by us, or the server's code and message.
async fn asked(client: &Client, sql: &str, values: &[Value]) -> Result<Vec<String>, String> {
    let raw: Vec<Box<RawValue>> =
        values.iter().map(|value| RawValue::from_string(value.to_string()).unwrap()).collect();
    let parameters: Vec<Parameter<'_>> =
        raw.iter().enumerate().map(|(index, value)| Parameter::new(index + 1, value)).collect();
    let statement = prepared(client, sql, &raw).await.map_err(|error| said(&error))?;
    let parameters = parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync));
    let stream = client.query_raw(&statement, parameters).await.map_err(|error| said(&error))?;
    let mut stream = pin!(stream);
    let mut found = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(|error| said(&error))? {
        let row = rows::row(&row).map_err(|error| error.to_string())?;
        assert_eq!(row.size(), row.as_json().len());
        found.push(row.as_json().to_owned());
    }
    Ok(found)
}

/// Prepares a statement; where the server finds no type, the values' own are named.
pub(crate) async fn prepared(
    client: &Client,
    sql: &str,
    values: &[Box<RawValue>],
) -> Result<Statement, tokio_postgres::Error> {
    let mut types = vec![Type::UNKNOWN; values.len()];
    loop {
        let error = match client.prepare_typed(sql, &types).await {
            Ok(statement) => return Ok(statement),
            Err(error) => error,
        };
        match error.as_db_error().and_then(|error| declared_types(error, sql, &types, values)) {
            Some(more) => types = more,
            None => return Err(error),
        }
    }
}

fn said(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} {}", error.code().code(), error.message());
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<ParameterError>());
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// The first value of the only row, as JSON text.
async fn value(client: &Client, sql: &str, values: &[Value]) -> String {
    let sql = sql.replacen("SELECT ", "SELECT ALL ", 1);
    let rows = asked(client, &sql, values).await.unwrap_or_else(|said| panic!("{sql}: {said}"));
    let row: &str = rows.first().unwrap_or_else(|| panic!("{sql}: no row"));
    row.split_once(':').unwrap().1.strip_suffix('}').unwrap().to_owned()
}

#[tokio::test]
async fn every_type_has_its_json() {
    let client = door().await;
    for (sql, expected) in [
        ("true", "true"),
        ("NULL::bool", "null"),
        ("(-32768)::int2", "-32768"),
        ("2147483647", "2147483647"),
        ("9223372036854775807", "9223372036854775807"),
        ("1.5::float4", "1.5"),
        ("0.1::float4", "0.1"),
        ("5::float8", "5.0"),
        ("1e300::float8", "1e300"),
        ("1e-7::float8", "1e-7"),
        ("'NaN'::float8", "\"NaN\""),
        ("'-inf'::float4", "\"-Infinity\""),
        ("'é\"\\'::text || chr(10)", "\"é\\\"\\\\\\n\""),
        ("'ab'::varchar(5)", "\"ab\""),
        ("'ab'::char(5)", "\"ab   \""),
        ("'ab'::name", "\"ab\""),
        ("'x'::\"char\"", "\"x\""),
        ("'untyped'", "\"untyped\""),
        ("'2024-02-29 23:59:59.5'::timestamp", "\"2024-02-29T23:59:59.500000\""),
        ("'2024-02-29 23:59:59+02'::timestamptz", "\"2024-02-29T21:59:59+00:00\""),
        ("'infinity'::timestamptz", "\"infinity\""),
        ("'-infinity'::timestamp", "\"-infinity\""),
        ("'0044-03-15 BC'::date", "\"0044-03-15 BC\""),
        ("'infinity'::date", "\"infinity\""),
        ("'24:00:00'::time", "\"24:00:00\""),
        ("'12:30:00.000001-05:30'::timetz", "\"12:30:00.000001-05:30\""),
        ("'1 year 2 months 3 days 04:05:06.5'::interval", "\"P1Y2M3DT4H5M6.5S\""),
        ("'0'::interval", "\"PT0S\""),
        ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
        ("'{\"b\": [1.0, null],  \"a\":\"é\"}'::json", "{\"b\": [1.0, null],  \"a\":\"é\"}"),
        ("'{\"b\": 1, \"aa\": 2}'::jsonb", "{\"b\": 1, \"aa\": 2}"),
        ("'null'::jsonb", "null"),
        ("'\\x00ff10'::bytea", "\"AP8Q\""),
        ("42::oid", "42"),
        ("to_regclass('nothing_of_the_kind')", "null"),
        ("ARRAY[1,NULL,3]", "[1,null,3]"),
        ("ARRAY[[1,2],[3,4],[5,6]]", "[[1,2],[3,4],[5,6]]"),
        ("'[5:6][2:2]={{a},{b}}'::text[]", "[[\"a\"],[\"b\"]]"),
        ("'{}'::int[]", "[]"),
        ("ARRAY['{\"a\":1}'::jsonb]", "[{\"a\": 1}]"),
        ("ARRAY[[['x'::text]]]", "[[[\"x\"]]]"),
        ("ARRAY[1.50, 2]", "[1.50,2]"),
        ("ARRAY['2024-01-01'::date]", "[\"2024-01-01\"]"),
    ] {
        assert_eq!(value(&client, &format!("SELECT {sql}"), &[]).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn numerics_are_numbers_unless_that_would_change_them() {
    let client = door().await;
    for (sql, expected) in [
        ("1.50::numeric(10,2)", "1.50"),
        ("-0.05::numeric", "-0.05"),
        ("10000.0001::numeric", "10000.0001"),
        ("100000000::numeric", "100000000"),
        ("12345678901234567890123::numeric", "12345678901234567890123"),
        ("sum(x) FROM (VALUES (9223372036854775807), (9223372036854775807)) AS t(x)", "18446744073709551614"),
        ("avg(x) FROM (VALUES (1), (2), (4)) AS t(x)", "2.3333333333333333"),
        ("1::numeric / 3", "0.33333333333333333333"),
        ("123456789012345.67::numeric(20,2)", "123456789012345.67"),
        ("12345678901234567.89::numeric(20,2)", "\"12345678901234567.89\""),
        ("0.123456789012345678::numeric(30,18)", "\"0.123456789012345678\""),
        ("'NaN'::numeric", "\"NaN\""),
        ("'-Infinity'::numeric", "\"-Infinity\""),
        ("0.000::numeric", "0.000"),
    ] {
        assert_eq!(value(&client, &format!("SELECT {sql}"), &[]).await, expected, "{sql}");
    }
    let long = value(&client, "SELECT rpad('1', 5000, '0')::numeric", &[]).await;
    assert!(long.starts_with("\"1000"), "{long}");
}

#[tokio::test]
async fn columns_keep_their_order_and_the_last_of_equal_names() {
    let client = door().await;
    assert_eq!(asked(&client, "SELECT 1 AS z, 2 AS a, 3 AS z", &[]).await.unwrap(), ["{\"z\":3,\"a\":2}"]);
    assert_eq!(asked(&client, "SELECT 1 AS \"a\"\"b\nc\"", &[]).await.unwrap(), ["{\"a\\\"b\\nc\":1}"]);
    assert_eq!(asked(&client, "SELECT", &[]).await.unwrap(), ["{}"]);
}

#[tokio::test]
async fn what_has_no_json_is_refused_with_its_column() {
    let client = door().await;
    for (sql, type_name) in [
        ("'1.2.3.4'::inet", "inet"),
        ("5::money", "money"),
        ("B'01'::bit(2)", "bit"),
        ("int4range(1, 5)", "int4range"),
        ("point(1, 2)", "point"),
        ("ROW(1, 2)", "record"),
        ("'a'::tsvector", "tsvector"),
        ("ARRAY[int4range(1, 5)]", "int4range"),
        ("'<a/>'::xml", "xml"),
    ] {
        let refused = asked(&client, &format!("SELECT 1 AS x, {sql} AS y"), &[]).await.unwrap_err();
        let expected =
            format!("the column y has the type {type_name}, which has no JSON form; cast it: y::text");
        assert_eq!(refused, expected);
    }
    let refused = asked(&client, "SELECT repeat('[', 200)::text || repeat(']', 200) AS t", &[]).await;
    assert!(refused.is_ok());
    let deep = "SELECT (repeat('[', 121) || '\"]\\\"[\"' || repeat(']', 121))::json AS t";
    let refused = asked(&client, deep, &[]).await.unwrap_err();
    assert!(refused.contains("the column t holds JSON of more than 120 levels"), "{refused}");
    let allowed = asked(&client, &deep.replace("121", "120"), &[]).await;
    assert!(allowed.is_ok(), "{allowed:?}");
}

#[tokio::test]
async fn values_fit_the_place_they_are_for() {
    let client = door().await;
    for (sql, given, expected) in [
        ("SELECT $1::int", json!(5), "5"),
        ("SELECT $1::int", json!("5"), "5"),
        ("SELECT $1::int", json!(5.0), "5"),
        ("SELECT $1::bigint", json!(9_007_199_254_740_993_i64), "9007199254740993"),
        ("SELECT $1::int", json!(true), "1"),
        ("SELECT $1::bool", json!(false), "false"),
        ("SELECT $1::bool", json!(1), "true"),
        ("SELECT $1::bool", json!("yes"), "true"),
        ("SELECT $1::text", json!(5), "\"5\""),
        ("SELECT $1::text", json!("é'\\\n"), "\"é'\\\\\\n\""),
        ("SELECT $1::text", json!(null), "null"),
        ("SELECT $1::numeric(10,2)", json!(1.5), "1.50"),
        ("SELECT $1::float8", json!(0.1), "0.1"),
        (
            "SELECT $1::timestamptz",
            json!("2024-01-02T03:04:05.678+00:00"),
            "\"2024-01-02T03:04:05.678000+00:00\"",
        ),
        ("SELECT $1::date", json!("2024-01-02"), "\"2024-01-02\""),
        ("SELECT $1::interval", json!("1 day 2 hours"), "\"P1DT2H\""),
        ("SELECT $1::bytea", json!("\\x00ff"), "\"AP8=\""),
        ("SELECT decode($1, 'base64')", json!("AP8="), "\"AP8=\""),
        (
            "SELECT $1::uuid",
            json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
        ),
        ("SELECT $1::jsonb", json!({"b": [1, "x"], "a": null}), "{\"a\": null, \"b\": [1, \"x\"]}"),
        ("SELECT $1::jsonb", json!([1, null]), "[1, null]"),
        ("SELECT $1::jsonb", json!("{\"a\": 1}"), "{\"a\": 1}"),
        ("SELECT $1::jsonb", json!(5), "5"),
        ("SELECT $1::jsonb", json!("\"five\""), "\"five\""),
        ("SELECT $1::int[]", json!([1, null, "3"]), "[1,null,3]"),
        ("SELECT $1::int[]", json!([]), "[]"),
        ("SELECT $1::int[]", json!([[1, 2], [3, 4]]), "[[1,2],[3,4]]"),
        (
            "SELECT $1::text[]",
            json!(["a,b", "NULL", "", "q\"\\é", null, "{}"]),
            "[\"a,b\",\"NULL\",\"\",\"q\\\"\\\\é\",null,\"{}\"]",
        ),
        ("SELECT $1::jsonb[]", json!([{"a": "\""}, [1], null]), "[{\"a\": \"\\\"\"},[1],null]"),
        ("SELECT 2 = ANY($1)", json!([1, 2]), "true"),
        ("SELECT 'b' = ANY($1)", json!(["a", "b"]), "true"),
        ("SELECT x FROM generate_series(1, 3) AS t(x) LIMIT $1", json!(1.0), "1"),
        ("SELECT now() > now() - $1::interval", json!("5 minutes"), "true"),
        ("SELECT array_append(ARRAY[1], $1)", json!(2), "[1,2]"),
        ("SELECT jsonb_set('{\"a\": 1}', '{a}', $1)", json!({"b": 2}), "{\"a\": {\"b\": 2}}"),
        // The server finds no type for these: the value's own counts.
        ("SELECT jsonb_build_object('k', $1)", json!(5), "{\"k\": 5}"),
        ("SELECT jsonb_build_object('k', $1)", json!(["a"]), "{\"k\": [\"a\"]}"),
        ("SELECT jsonb_build_object('k', $1)", json!([{"a": 1.50}]), "{\"k\": [{\"a\": 1.5}]}"),
        ("SELECT concat('<', $1, '>')", json!("x"), "\"<x>\""),
        ("SELECT $1 IS NULL", json!(null), "true"),
        ("SELECT jsonb_set('{\"a\": 1}', '{a}', to_jsonb($1))", json!(2), "{\"a\": 2}"),
        ("SELECT to_jsonb($1)", json!("two"), "\"two\""),
        ("SELECT jsonb_agg($1)", json!(true), "[true]"),
        ("SELECT format('%s|%s', $1, 1)", json!(1.50), "\"1.5|1\""),
        ("SELECT count(x) FROM unnest($1) AS x", json!([1, 2]), "2"),
    ] {
        assert_eq!(value(&client, sql, std::slice::from_ref(&given)).await, expected, "{sql} with {given}");
    }
}

#[tokio::test]
async fn naming_one_type_leaves_the_others_to_the_server() {
    let client = door().await;
    client.batch_execute("CREATE TEMP TABLE t (at TIMESTAMPTZ, a JSONB, b JSONB, n BIGINT)").await.unwrap();
    let insert = "INSERT INTO t VALUES ($1, to_jsonb($2), jsonb_build_object('x', $3, 'y', $3 IS NULL), $4)
                  RETURNING at::date::text AS d, a, b, n";
    let values = [json!("2026-01-02T00:00:00Z"), json!("text"), json!(3), json!("4")];
    assert_eq!(
        asked(&client, insert, &values).await.unwrap(),
        ["{\"d\":\"2026-01-02\",\"a\":\"text\",\"b\":{\"x\": 3, \"y\": false},\"n\":4}"]
    );
    let ambiguous = asked(&client, "SELECT date_trunc('day', $1)", &[json!("2026-01-02")]).await;
    assert_eq!(ambiguous.unwrap_err(), "42725 function date_trunc(unknown, unknown) is not unique");
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_by_us_or_by_the_server() {
    let client = door().await;
    for (sql, given, said) in [
        ("SELECT $1::int", json!("x"), "22P02 invalid input syntax for type integer: \"x\""),
        ("SELECT $1::int", json!(1.5), "22P02 invalid input syntax for type integer: \"1.5\""),
        ("SELECT $1::int", json!(1e12), "22003 value \"1000000000000\" is out of range for type integer"),
        ("SELECT $1::jsonb", json!("hello"), "22P02 invalid input syntax for type json"),
        (
            "SELECT $1::int[]",
            json!([[1], [2, 3]]),
            "22P02 malformed array literal: \"{{\"1\"},{\"2\",\"3\"}}\"",
        ),
        ("SELECT $1::text", json!("a\0"), "a text without NUL characters as value 1"),
        (
            "SELECT $1::text",
            json!([1]),
            "a plain value as value 1 (the statement has a place for text there, not for a list; for JSON send json.dumps(...))",
        ),
    ] {
        assert_eq!(asked(&client, sql, &[given]).await.unwrap_err(), said);
    }
}

/// What each type's values look like to `random`: SQL that makes one from an integer `n`.
const MANY: &[(&str, &str)] = &[
    ("float8", "(n::float8 * 1.1) ^ 3 / 7"),
    ("float4", "n::float4 / 13"),
    ("numeric", "n::numeric * 1000003 / 1000"),
    ("numeric", "(n::numeric ^ 9)"),
    ("numeric", "(n::numeric / 1000) ^ 5"),
    ("timestamp", "timestamp '4713-01-01 BC' + abs(n) * interval '1 day 1.000001 seconds'"),
    ("timestamptz", "timestamptz '2000-01-01' + n * interval '29 hours 7.5 seconds'"),
    ("date", "date '4713-01-01 BC' + abs(n) * 17"),
    ("time", "time '00:00' + n * interval '7.77 seconds'"),
    ("timetz", "timetz '00:00+00' + n * interval '7.77 seconds'"),
    ("interval", "n * interval '1 month -2 days 3.4567 seconds'"),
    ("interval", "n * interval '-1 month 2 days 1 hour'"),
    ("uuid", "md5(n::text)::uuid"),
    ("bytea", "decode(md5(n::text), 'hex')"),
    ("text", "md5(n::text) || chr(abs(n) % 55000 + 1)"),
    ("jsonb", "jsonb_build_object(md5(n::text), ARRAY[n, NULL], 'x', n / 7.0, 'y', chr(abs(n) % 55000 + 1))"),
    ("int8", "n::int8 * 4000000000"),
    ("int2", "(n % 32768)::int2"),
    ("bool", "n % 2 = 0"),
    ("int[]", "ARRAY[[n, NULL], [0, -n]]"),
    ("text[]", "ARRAY[n::text, NULL, '\"', chr(92), chr(abs(n) % 55000 + 1)]"),
    ("timestamptz[]", "ARRAY[timestamptz '2000-01-01' + n * interval '1 day']"),
];

/// Each value, read by us and sent back as it was read, is the same value to the server.
#[test]
fn what_is_read_can_be_sent_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(door());
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) });
    runner
        .run(&(-200_000..200_000_i32), |n| {
            runtime.block_on(async {
                for (ty, expression) in MANY {
                    let made = format!("SELECT ({expression})::{ty} FROM (VALUES ({n})) AS t(n)");
                    let read = value(&client, &made, &[]).await;
                    let given: Value = serde_json::from_str(&read).unwrap();
                    let raw = RawValue::from_string(read.clone()).unwrap();
                    let back = if *ty == "bytea" { "decode($1, 'base64')".to_owned() } else { format!("$1::{ty}") };
                    // avg() and division are read as floats: see the module on numerics.
                    let same = if *ty == "numeric" { "round($1::numeric, 9) = round(v, 9)".to_owned() } else { format!("{back} IS NOT DISTINCT FROM v") };
                    let compare = format!("SELECT {same} FROM (SELECT ({expression})::{ty} AS v FROM (VALUES ({n})) AS t(n)) AS made");
                    let statement = client.prepare(&compare).await.unwrap();
                    let row = client.query_one(&statement, &[&Parameter::new(1, &raw)]).await;
                    let row = row.unwrap_or_else(|error| panic!("{compare} with {given}: {error:?}"));
                    prop_assert!(row.get::<_, bool>(0), "{} is read as {}", made, read);
                }
                Ok(())
            })
        })
        .unwrap();
}

/// Where the server can make JSON itself, ours says the same.
#[tokio::test]
async fn the_servers_own_json_says_the_same() {
    let client = door().await;
    for (ty, expression) in MANY {
        if matches!(*ty, "bytea" | "time" | "timetz" | "timestamp" | "timestamptz" | "timestamptz[]") {
            continue; // base64, and the six decimals of seconds, are our own
        }
        let sql = format!(
            "SELECT to_jsonb(({expression})::{ty}) AS theirs, ({expression})::{ty} AS ours FROM generate_series(-3000, 3000, 7) AS t(n)"
        );
        for row in asked(&client, &sql, &[]).await.unwrap() {
            let row: Value = serde_json::from_str(&row).unwrap();
            let (theirs, ours) = (&row["theirs"], &row["ours"]);
            let same = match (theirs.as_f64(), ours.as_f64()) {
                (Some(theirs), Some(ours)) => theirs.to_bits() == ours.to_bits() || theirs == ours,
                (Some(_), None) if *ty == "numeric" => ours.is_string(),
                _ => theirs == ours,
            };
            assert!(same, "{ty}: {row}");
        }
    }
}
