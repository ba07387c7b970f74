//! What no plugin may say, and in which words it is told.

use bailey_sql::{Refusal, analyse};

use crate::shared;

#[test]
fn what_is_not_listed_is_refused_by_its_name() {
    for (sql, what) in [
        ("SELECT pg_sleep(1)", "the function pg_sleep() (a call must not wait)"),
        ("SELECT set_config('a', 'b', false)", "the function set_config()"),
        ("SELECT 1 FROM x ORDER BY current_setting('a')", "the function current_setting()"),
        ("SELECT pg_catalog.lower('a')", "a function named with a schema"),
        ("SELECT nextval('a')", "the function nextval() (use INSERT .. RETURNING)"),
        ("SELECT position(a IN b) FROM t", "use strpos(text, part)"),
        ("SELECT * FROM pg_class", "names beginning pg_, __ or bailey"),
        ("SELECT __guild FROM t", "names beginning pg_, __ or bailey"),
        ("SELECT 1 AS \"__x\"", "names beginning pg_, __ or bailey"),
        ("SELECT * FROM rows_demo.t", "the schema \"rows_demo\""),
        ("SELECT * FROM a.b.c", "the schema"),
        ("SELECT ctid FROM t", "the system column ctid"),
        ("SELECT current_user", "the names of roles, schemas and databases"),
        ("SELECT '1'::regclass", "the type regclass"),
        ("SELECT 1::numeric(pg_backend_pid())", "the type numeric with a length that is not a number"),
        ("CREATE TABLE t (a numeric(b > 1))", "the type numeric with a length that is not a number"),
        ("CREATE TABLE t (a bigserial (a > 1))", "bigserial with a length"),
        ("SELECT 1 OPERATOR(pg_catalog.=) 1", "an operator named with a schema"),
        ("SELECT * FROM t ORDER BY a USING <", "ORDER BY .. USING"),
        ("SELECT 1 INTO t", "SELECT .. INTO"),
        ("SELECT repeat('a', 1000000)", "up to 1000"),
        ("SELECT repeat('a', $1)", "up to 1000"),
        ("SET ROLE x", "SET"),
        ("BEGIN", "each call is one transaction"),
        ("COPY t TO PROGRAM 'x'", "COPY"),
        ("DO $$ BEGIN END $$", "DO"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("CREATE TABLE t AS SELECT 1", "CREATE TABLE .. AS"),
        ("CREATE TABLE t (LIKE u)", "CREATE TABLE .. LIKE"),
        ("CREATE TABLE t (a int) INHERITS (u)", "INHERITS"),
        ("CREATE TABLE t (a int) WITH (fillfactor = 10)", "an option in WITH"),
        ("CREATE TEMP TABLE t (a int)", "a temporary or unlogged table"),
        ("CREATE TABLE t (a int DEFAULT pg_backend_pid())", "the function pg_backend_pid()"),
        ("CREATE INDEX i ON t USING gist (a)", "an index of kind gist"),
        ("CREATE INDEX i ON t (a text_pattern_ops)", "an operator class"),
        ("ALTER TABLE t DISABLE ROW LEVEL SECURITY", "ALTER TABLE with DISABLE ROW SECURITY"),
        ("ALTER TABLE t OWNER TO x", "ROLE SPEC"),
        ("ALTER TABLE t ADD EXCLUDE USING gist (a WITH =)", "EXCLUDE"),
        ("DROP SCHEMA x", "DROP SCHEMA"),
        ("TRUNCATE t; GRANT ALL ON t TO x", "GRANT and REVOKE"),
    ] {
        match analyse(sql, &shared()) {
            Err(refusal @ Refusal::Forbidden { .. }) => {
                assert!(refusal.to_string().contains(what), "{sql}: {refusal}");
            }
            other => panic!("{sql} was not forbidden: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_in_postgresqls_words() {
    let refused = |sql: &str| match analyse(sql, &shared()) {
        Err(Refusal::Sql { sqlstate, message }) => format!("{sqlstate} {message}"),
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(refused("SELEC 1"), "42601 syntax error at or near \"SELEC\"");
    assert_eq!(refused(" ; -- nothing"), "42601 the SQL text holds no statement");
    for deep in [
        format!("SELECT 1{}", "+1".repeat(2000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(60), ")".repeat(60)),
        format!("SELECT {}true", "NOT ".repeat(10_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(3000)),
        format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000)),
    ] {
        assert!(refused(&deep).starts_with("54001 the statement is nested too deeply"), "{deep:.60}");
    }
}

#[test]
fn what_plugins_need_passes() {
    for sql in [
        "SELECT count(*) FILTER (WHERE a > 1), row_number() OVER (PARTITION BY b ORDER BY c) FROM t",
        "SELECT date_trunc('day', at) AT TIME ZONE 'utc', extract(epoch FROM now()), current_date FROM t",
        "SELECT a::numeric(10, 2), b::text[], '{}'::jsonb -> 'x' FROM t WHERE a = ANY ($1) AND b LIKE 'x%' ESCAPE '!'",
        "SELECT DISTINCT ON (a) a, (b).c FROM t LEFT JOIN LATERAL (SELECT 1) AS x ON true FOR UPDATE SKIP LOCKED",
        "SELECT lpad(a, 5, '0'), trim(both ' ' from a), position('x' in a), substring(a from 2 for 3) FROM t",
        "SELECT to_regclass('t'), coalesce(a, b), greatest(a, b), nullif(a, b), CASE WHEN a THEN b END FROM t",
        "SELECT * FROM plugin_demo.t, jsonb_to_recordset('[]') AS x (a int, b text), generate_series(1, 3) AS g (n)",
    ] {
        assert!(analyse(sql, &shared()).is_ok(), "{sql}: {:?}", analyse(sql, &shared()).err());
    }
}
