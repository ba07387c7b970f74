//! Functions that cannot be cancelled: guarded, they say no in time, and otherwise what they always say.

use std::time::Duration;

use bailey_protocol::limits::SQL_STATEMENT_TIME;
use bailey_services::sql::guards;
use bailey_store::testing::unique_schema;
use tokio_postgres::Client;

use crate::sql_attacks::attacks;
use crate::support::Scratch;

/// A session that finds the guards first, and the schema they are in.
async fn guarded() -> (Client, String) {
    let client = Scratch::new().await.side_door().await;
    let schema = unique_schema();
    client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    client.batch_execute(&guards::statements(&schema)).await.unwrap();
    let path = format!("SET search_path = {schema}, pg_catalog");
    client.batch_execute(&path).await.unwrap();
    (client, schema)
}

#[tokio::test]
async fn what_cannot_be_cancelled_is_refused_before_it_begins() {
    let (client, _) = guarded().await;
    // The parser names these two itself; the rewriter gives them the spelling of their neighbours.
    let spelled_by_the_parser = ["not cancellable: position", "not cancellable: trim"];
    let attacks = attacks();
    let dangerous = attacks.iter().filter(|attack| {
        attack.name.starts_with("not cancellable: ") && !spelled_by_the_parser.contains(&attack.name.as_str())
    });
    let mut tried = 0;
    for attack in dangerous {
        tried += 1;
        let answer = tokio::time::timeout(SQL_STATEMENT_TIME * 2, client.query(&attack.sql, &[])).await;
        let error = answer.unwrap_or_else(|_| panic!("{} goes on", attack.name)).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "54000", "{}: {}", attack.name, error.message());
        assert!(error.message().starts_with("the values are too large for "), "{}", error.message());
        assert!(error.message().contains("must not be above 500000000"), "{}", error.message());
    }
    assert!(tried > 20, "{tried}");
}

/// Texts, patterns and lists to try each guarded function with.
const VALUES: &str = r"
    WITH texts(t) AS (VALUES (NULL), (''), ('a'), ('aba'), ('%a_'), ('É,é'), ('a\%'), (' a '), (repeat('ab', 500))),
         arrays(a) AS (VALUES (NULL::text[]), ('{}'), ('{a}'), ('{a,NULL,b}'), ('{{a,b},{c,d}}'), ('{É}')),
         documents(d) AS (VALUES (NULL::jsonb), ('{}'), ('[]'), ('5'), ('{\'a\': [1, {\'b\': null}], \'É\': 1}'),
                                 ('[1, \'a\', null]'), ('[\'a\']'), ('\'a\''), ('{\'a\': [1]}'))";

/// The same question with the guards and without.
const QUESTIONS: &[&str] = &[
    "SELECT x.t, y.t, strpos(x.t, y.t), replace(x.t, y.t, 'é'), translate(x.t, y.t, 'é'), split_part(x.t, y.t, 2),
            btrim(x.t, y.t), ltrim(x.t, y.t), rtrim(x.t, y.t), string_to_array(x.t, y.t),
            string_to_array(x.t, y.t, 'a'), ARRAY(SELECT string_to_table(x.t, y.t)),
            ARRAY(SELECT string_to_table(x.t, y.t, 'a')) FROM texts x, texts y",
    "SELECT x.t, y.t, x.t LIKE y.t, x.t NOT LIKE y.t, x.t ILIKE y.t, x.t NOT ILIKE y.t,
            x.t::char(3) LIKE y.t, x.t::char(3) NOT LIKE y.t, x.t::char(3) ILIKE y.t, x.t::char(3) NOT ILIKE y.t,
            x.t::varchar LIKE y.t, x.t::name LIKE y.t, x.t::name NOT LIKE y.t, x.t::name ILIKE y.t, x.t::name NOT ILIKE y.t, x.t LIKE ANY (ARRAY[y.t, 'a']), x.t LIKE 'a', x.t LIKE y.t ESCAPE '!',
            convert_to(x.t, 'UTF8') LIKE convert_to(y.t, 'UTF8'), convert_to(x.t, 'UTF8') NOT LIKE convert_to(y.t, 'UTF8')
     FROM texts x, texts y WHERE y.t IS NULL OR y.t NOT LIKE '%!' AND y.t <> ''",
    "SELECT x.a, y.a, x.a && y.a, x.a @> y.a, x.a <@ y.a, x.a @> '{a}', ARRAY[1, 2] @> '{1}', ARRAY[1.5] && '{2}'
     FROM arrays x, arrays y",
    "SELECT x.d, y.d, x.d @> y.d, x.d <@ y.d, x.d @> '{}', x.d ? 'a', int4range(1, 5) @> 3 FROM documents x, documents y",
    "SELECT d, a, d ?| a, d ?& a FROM documents, arrays WHERE array_ndims(a) IS DISTINCT FROM 2",
    "SELECT d, a, d - a FROM documents, arrays
     WHERE jsonb_typeof(d) IN ('array', 'object') AND array_ndims(a) IS DISTINCT FROM 2",
];

#[tokio::test]
async fn guarded_functions_answer_as_those_they_guard() {
    let (client, schema) = guarded().await;
    for question in QUESTIONS {
        let sql = format!(
            "{} SELECT array_agg(answer::text) FROM ({question}) AS answer",
            VALUES.replace(r"\'", "\"")
        );
        client.batch_execute(&format!("SET search_path = {schema}, pg_catalog")).await.unwrap();
        let guarded: Vec<String> = client.query_one(&sql, &[]).await.unwrap().get(0);
        client.batch_execute("SET search_path = pg_catalog").await.unwrap();
        let bare: Vec<String> = client.query_one(&sql, &[]).await.unwrap().get(0);
        assert!(guarded.len() > 20, "{}", guarded.len());
        assert_eq!(guarded, bare);
    }
}

#[tokio::test]
async fn what_is_just_small_enough_is_done_in_time() {
    let (client, _) = guarded().await;
    for sql in [
        "SELECT strpos(rpad('a', 1000000, 'a'), 'b' || rpad('a', 490, 'a'))",
        "SELECT rpad('a', 1000000, 'a') ILIKE '%' || rpad('a', 480, 'a') || 'b%'",
        "SELECT array_agg(g) && array_agg(-g - 1) FROM generate_series(0, 8000) AS g",
        "SELECT jsonb_agg(g::text) ?| array_agg((-g - 1)::text) FROM generate_series(0, 1400) AS g",
    ] {
        let answer =
            tokio::time::timeout(SQL_STATEMENT_TIME + Duration::from_secs(5), client.query(sql, &[]));
        answer.await.unwrap_or_else(|_| panic!("{sql} goes on")).unwrap();
    }
}
