//! Statements on rows.

use bailey_sql::{Catalogue, Refusal, Statement};

use crate::{script, shared};

fn catalogue() -> Catalogue {
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let tables = [
        ("scores".to_owned(), columns(&["id", "name", "points"])),
        ("log".to_owned(), columns(&["at", "text"])),
    ];
    Catalogue { tables: tables.into(), keys: [("scores".to_owned(), columns(&["id"]))].into() }
}

fn prepared(sql: &str, limit: Option<i32>) -> Result<String, Refusal> {
    let script = script(sql);
    let [Statement::Data(data)] = script.statements.as_slice() else { panic!("no statement on rows: {sql}") };
    data.prepare(&shared(), &catalogue(), limit).map(|prepared| prepared.sql)
}

#[test]
fn what_views_can_do_stays_as_it_is() {
    for sql in [
        "SELECT * FROM scores WHERE points > 5 ORDER BY name",
        "SELECT s.name, l.text FROM scores s JOIN log l ON l.text = s.name",
        "INSERT INTO scores (name, points) VALUES ('a', $1) RETURNING *",
        "UPDATE scores SET points = points + 1 WHERE name = $1",
        "DELETE FROM scores USING log WHERE log.text = scores.name",
        "WITH best AS (SELECT name FROM scores) SELECT * FROM best",
    ] {
        assert_eq!(prepared(sql, None).unwrap(), sql);
    }
}

#[test]
fn upserts_name_the_table_and_its_hidden_column() {
    for (sql, runs) in [
        (
            "INSERT INTO scores VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name RETURNING *",
            "INSERT INTO rows_demo.scores AS scores (id, name) VALUES (1, 'a') ON CONFLICT (__guild, id) \
             DO UPDATE SET name = excluded.name RETURNING id, name, points",
        ),
        (
            "INSERT INTO scores AS s (id) SELECT at FROM log ON CONFLICT (lower(name)) WHERE points > 0 \
             DO UPDATE SET points = s.points + 1 RETURNING s.*",
            "INSERT INTO rows_demo.scores AS s (id) SELECT at FROM log ON CONFLICT (__guild, lower(name)) \
             WHERE points > 0 DO UPDATE SET points = s.points + 1 RETURNING s.id, s.name, s.points",
        ),
        (
            "INSERT INTO scores SELECT * FROM scores ON CONFLICT ON CONSTRAINT scores_pkey DO NOTHING",
            "INSERT INTO rows_demo.scores AS scores (id, name, points) SELECT * FROM scores \
             ON CONFLICT ON CONSTRAINT scores_pkey DO NOTHING",
        ),
        (
            "WITH added AS (INSERT INTO log VALUES (1) ON CONFLICT DO NOTHING RETURNING at) SELECT * FROM added",
            "WITH added AS (INSERT INTO rows_demo.log AS log (at) VALUES (1) ON CONFLICT DO NOTHING \
             RETURNING at) SELECT * FROM added",
        ),
    ] {
        assert_eq!(prepared(sql, None).unwrap(), runs);
    }
    for sql in [
        "INSERT INTO scores VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'a' RETURNING scores",
        "INSERT INTO scores VALUES (1) ON CONFLICT (id) DO UPDATE SET name = to_jsonb(excluded) ->> 'x'",
        "INSERT INTO scores VALUES (1) ON CONFLICT (id) DO UPDATE SET name = (SELECT x FROM (SELECT scores.*) AS x)",
    ] {
        let refusal = prepared(sql, None).unwrap_err();
        assert!(matches!(refusal, Refusal::SharedOnly { .. }), "{sql}: {refusal}");
    }
}

#[test]
fn a_key_that_is_grouped_by_stands_for_its_columns() {
    for (sql, runs) in [
        (
            "SELECT s.id, s.name, count(*) FROM scores s JOIN log l ON l.text = s.name GROUP BY s.id ORDER BY s.points",
            "SELECT s.id, s.name, count(*) FROM scores s JOIN log l ON l.text = s.name \
             GROUP BY s.id, s.name, s.points ORDER BY s.points",
        ),
        (
            "SELECT scores.*, count(text) FROM scores, log GROUP BY id HAVING max(points) > 1",
            "SELECT scores.*, count(text) FROM scores, log GROUP BY id, scores.name, scores.points HAVING max(points) > 1",
        ),
        (
            "SELECT x.n FROM (SELECT name AS n FROM scores GROUP BY id) AS x",
            "SELECT x.n FROM (SELECT name AS n FROM scores GROUP BY id, scores.name) x",
        ),
        // No key, or not all of it: as it is.
        ("SELECT text FROM log GROUP BY at", "SELECT text FROM log GROUP BY at"),
        ("SELECT points FROM scores GROUP BY name", "SELECT points FROM scores GROUP BY name"),
        ("SELECT sum(points) FROM scores GROUP BY id", "SELECT sum(points) FROM scores GROUP BY id"),
    ] {
        assert_eq!(prepared(sql, None).unwrap(), runs);
    }
}

#[test]
fn the_most_rows_wanted_are_a_parameter_where_that_changes_nothing() {
    for (sql, runs) in [
        ("SELECT 1", "SELECT 1 LIMIT $3::bigint"),
        ("SELECT 1 LIMIT 5", "SELECT 1 LIMIT LEAST(5::bigint, $3::bigint)"),
        ("VALUES (1), (2)", "VALUES (1), (2) LIMIT $3::bigint"),
        ("SELECT 1 UNION SELECT 2 ORDER BY 1", "SELECT 1 UNION SELECT 2 ORDER BY 1 LIMIT $3::bigint"),
        ("DELETE FROM log RETURNING *", "DELETE FROM log RETURNING *"),
    ] {
        assert_eq!(prepared(sql, Some(3)).unwrap(), runs);
    }
    let tied = "SELECT name FROM scores ORDER BY points FETCH FIRST 3 ROWS WITH TIES";
    assert!(!prepared(tied, Some(1)).unwrap().contains("$1"));
}

#[test]
fn tables_a_server_does_not_have_are_missing_in_postgresqls_words() {
    for sql in [
        "SELECT * FROM secrets",
        "SELECT 1 WHERE EXISTS (SELECT FROM secrets)",
        "INSERT INTO log SELECT 1, x FROM (SELECT 'a' AS x FROM secrets) AS a",
        "WITH a AS (DELETE FROM secrets RETURNING *) SELECT * FROM a",
    ] {
        assert_eq!(prepared(sql, None).unwrap_err(), Refusal::missing_table("secrets"), "{sql}");
    }
}
