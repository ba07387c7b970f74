//! A plugin's own tables, in both modes.

use bailey_protocol::capability::StorageSql;
use bailey_protocol::method::sql::{Execute, Query, SqlIsolation};
use bailey_protocol::{CallError, Tenant};
use bailey_services::{Sql, SqlOptions};
use serde_json::{Value, json};

use crate::support::{ManualClock, grant, params, sql, sql_with, tenant, unique_plugin};

/// A plugin on a server, as its author writes.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) sql: Sql,
    pub(crate) tenant: Tenant,
}

impl Author {
    pub(crate) async fn try_execute(&self, sql: &str, values: Value) -> Result<u64, CallError> {
        let execute = Execute::parse(&params(json!({"sql": sql, "params": values})))?;
        Ok(self.sql.execute(&grant::<StorageSql>(&self.tenant), &execute).await?.rowcount)
    }

    pub(crate) async fn execute(&self, sql: &str, values: Value) -> u64 {
        self.try_execute(sql, values).await.unwrap_or_else(|error| panic!("{error}\n  in {sql}"))
    }

    pub(crate) async fn try_query(&self, sql: &str, values: Value, limit: usize) -> Result<Value, CallError> {
        let query = Query::parse(&params(json!({"sql": sql, "params": values, "limit": limit})))?;
        let rows = self.sql.query(&grant::<StorageSql>(&self.tenant), &query).await?;
        Ok(serde_json::to_value(rows).unwrap())
    }

    pub(crate) async fn query(&self, sql: &str, values: Value) -> Value {
        let rows = self.try_query(sql, values, 1000).await;
        rows.unwrap_or_else(|error| panic!("{error}\n  in {sql}"))["rows"].clone()
    }

    pub(crate) async fn refusal(&self, sql: &str) -> String {
        match self.try_execute(sql, json!([])).await {
            Ok(rowcount) => panic!("{sql} was run: {rowcount}"),
            Err(error) => error.to_string(),
        }
    }
}

/// A plugin on the servers 1 and 2.
pub(crate) async fn two_servers(name: &str, isolation: SqlIsolation) -> (Author, Author) {
    let service = sql(&ManualClock::new()).await;
    let plugin = unique_plugin(name);
    service.isolate(&plugin.parse().unwrap(), isolation);
    let author = |guild| Author { sql: service.clone(), tenant: tenant(&plugin, guild) };
    (author(1), author(2))
}

const BOTH: [SqlIsolation; 2] = [SqlIsolation::Shared, SqlIsolation::Dedicated];

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_use_one_plugin_and_never_meet() {
    for isolation in BOTH {
        let (one, two) = two_servers("meet", isolation).await;
        let table =
            "CREATE TABLE scores (id SERIAL PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, points INT DEFAULT 0)";
        for author in [&one, &two] {
            author.execute(table, json!([])).await;
            assert!(author.refusal(table).await.contains("relation \"scores\" already exists"));
            author.execute(&table.replace("TABLE", "TABLE IF NOT EXISTS"), json!([])).await;
        }
        let upsert = "INSERT INTO scores (user_id, points) VALUES (%s, %s)
                      ON CONFLICT (user_id) DO UPDATE SET points = scores.points + EXCLUDED.points RETURNING *";
        for (author, points) in [(&one, 5), (&two, 70)] {
            let first = author.query(upsert, json!(["alice", points])).await;
            assert_eq!(first, json!([{"id": 1, "user_id": "alice", "points": points}]), "{isolation:?}");
            author.execute(upsert, json!(["alice", 1])).await;
        }
        assert_eq!(
            one.query("SELECT * FROM scores", json!([])).await,
            json!([{"id": 1, "user_id": "alice", "points": 6}])
        );
        assert_eq!(two.query("SELECT points FROM scores", json!([])).await, json!([{"points": 71}]));
        assert_eq!(one.execute("UPDATE scores SET points = points + 1", json!([])).await, 1);
        assert_eq!(one.execute("DELETE FROM scores", json!([])).await, 1);
        assert_eq!(two.query("SELECT count(*) AS n FROM scores", json!([])).await, json!([{"n": 1}]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_server_changes_the_schema_and_the_others_follow() {
    let (one, two) = two_servers("follow", SqlIsolation::Shared).await;
    for author in [&one, &two] {
        author.execute("CREATE TABLE t (id SERIAL PRIMARY KEY, a INT, b TEXT)", json!([])).await;
        author.execute("INSERT INTO t (a, b) VALUES (1, 'x')", json!([])).await;
    }
    let changes = [
        "ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7",
        "ALTER TABLE t RENAME COLUMN b TO name",
        "CREATE INDEX by_name ON t (lower(name)) WHERE a > 0",
        "ALTER TABLE t ADD COLUMN d TEXT",
        "ALTER TABLE t DROP COLUMN d",
    ];
    for change in changes {
        one.execute(change, json!([])).await;
    }
    for change in changes {
        two.execute(change, json!([])).await; // equal: no change any longer
        let again = two.refusal(change).await; // the second time PostgreSQL would say no as well
        assert!(again.contains("exist"), "{change}: {again}");
    }
    for author in [&one, &two] {
        let row = author.query("SELECT * FROM t", json!([])).await;
        assert_eq!(row, json!([{"id": 1, "a": 1, "name": "x", "c": 7}]));
    }
    // Another definition under a known name says what is there.
    let (other_index, other_table) = (
        one.refusal("CREATE INDEX by_name ON t (a)").await,
        Author { tenant: tenant(one.tenant.plugin.as_str(), 3), ..one.clone() }
            .refusal("CREATE TABLE t (id SERIAL PRIMARY KEY, a BIGINT, extra TEXT)")
            .await,
    );
    assert!(
        other_index.contains("already exists with another definition: CREATE INDEX by_name"),
        "{other_index}"
    );
    assert!(
        other_table.contains("with another shape") && other_table.contains("column extra text"),
        "{other_table}"
    );
    // The present shape and the first one are both welcome.
    for (guild, shape) in [
        (4, "CREATE TABLE IF NOT EXISTS t (id SERIAL PRIMARY KEY, a INT, b TEXT)"),
        (5, "CREATE TABLE t (id serial PRIMARY KEY, a integer, name text, c int DEFAULT 7 NOT NULL)"),
    ] {
        let author = Author { tenant: tenant(one.tenant.plugin.as_str(), guild), ..one.clone() };
        author.execute(shape, json!([])).await;
        assert_eq!(author.query("SELECT * FROM t", json!([])).await, json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_look_at_rows_of_others_is_refused_and_named() {
    let (one, two) = two_servers("oracle", SqlIsolation::Shared).await;
    for author in [&one, &two] {
        author.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT)", json!([])).await;
    }
    two.execute("INSERT INTO t VALUES (1, 777777, 'theirs'), (2, 777777, 'theirs')", json!([])).await;
    let over_all_rows = [
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a < 700000)",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a < 800000)",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)",
        "ALTER TABLE t ADD COLUMN c INT UNIQUE",
        "ALTER TABLE t ADD COLUMN c INT CHECK (c > a)",
        "ALTER TABLE t ADD COLUMN c INT NOT NULL",
        "ALTER TABLE t ADD COLUMN c SERIAL",
        "ALTER TABLE t ADD COLUMN c INT GENERATED ALWAYS AS (1 / (a - 777777)) STORED",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE t ALTER COLUMN a TYPE SMALLINT",
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT 5",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "CREATE UNIQUE INDEX i ON t (a)",
        "CREATE UNIQUE INDEX i ON t (a) WHERE a = 777777",
        "CREATE INDEX i ON t ((1 / (a - 777777)))",
        "CREATE INDEX i ON t (a) WHERE 1 / (a - 777777) > 0",
    ];
    for change in over_all_rows {
        let refusal = one.refusal(change).await;
        assert!(refusal.contains("dedicated") && refusal.contains("servers"), "{change}: {refusal}");
        assert!(!refusal.contains("777777 "), "{change}: {refusal}");
    }
    // As long as nobody else has rows, all of it works.
    two.execute("DELETE FROM t", json!([])).await;
    one.execute("INSERT INTO t VALUES (1, 5, 'mine')", json!([])).await;
    one.execute("ALTER TABLE t ADD CONSTRAINT c CHECK (a < 700000)", json!([])).await;
    one.execute("CREATE UNIQUE INDEX i ON t (a)", json!([])).await;
    let violated = one.refusal("ALTER TABLE t ADD CONSTRAINT e CHECK (a > 5)").await;
    assert!(violated.contains("violated by some row"), "{violated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_takes_what_is_ones_own() {
    let (one, two) = two_servers("drops", SqlIsolation::Shared).await;
    for author in [&one, &two] {
        author
            .execute("CREATE TABLE t (id SERIAL PRIMARY KEY, a INT, secret TEXT NOT NULL)", json!([]))
            .await;
        author.execute("CREATE INDEX by_a ON t (a, secret)", json!([])).await;
        author.execute("INSERT INTO t (a, secret) VALUES (1, 'kept'), (2, 'kept')", json!([])).await;
    }
    assert_eq!(one.execute("TRUNCATE t RESTART IDENTITY", json!([])).await, 0);
    one.execute("INSERT INTO t (a, secret) VALUES (3, 'new')", json!([])).await;
    assert_eq!(one.query("SELECT id FROM t", json!([])).await, json!([{"id": 1}]));
    one.execute("DROP INDEX by_a", json!([])).await;
    assert!(one.refusal("DROP INDEX by_a").await.contains("index \"by_a\" does not exist"));
    // It stays for the other, and goes with it.
    assert!(one.refusal("CREATE INDEX by_a ON t (secret)").await.contains("with another definition"));
    two.execute("DROP INDEX by_a", json!([])).await;
    one.execute("CREATE INDEX by_a ON t (secret)", json!([])).await;
    one.execute("DROP TABLE t", json!([])).await;
    for sql in [
        "SELECT * FROM t",
        "INSERT INTO t (a, secret) VALUES (1, 'x')",
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN x INT",
    ] {
        assert!(one.refusal(sql).await.contains("does not exist"), "{sql}");
    }
    assert_eq!(one.query("SELECT to_regclass('t')::text AS t", json!([])).await, json!([{"t": null}]));
    assert_eq!(two.query("SELECT to_regclass('t')::text AS t", json!([])).await, json!([{"t": "t"}]));
    assert_eq!(two.query("SELECT count(*) AS n FROM t", json!([])).await, json!([{"n": 2}]));
    // It comes back empty.
    one.execute("CREATE TABLE t (id SERIAL PRIMARY KEY, a INT, secret TEXT NOT NULL)", json!([])).await;
    assert_eq!(one.query("SELECT count(*) AS n FROM t", json!([])).await, json!([{"n": 0}]));
    // A dropped column is out of sight for all, and what others had in it stays with the host.
    one.execute("ALTER TABLE t DROP COLUMN secret", json!([])).await;
    assert_eq!(
        two.query("SELECT * FROM t ORDER BY id", json!([])).await,
        json!([{"id": 1, "a": 1}, {"id": 2, "a": 2}])
    );
    two.execute("INSERT INTO t (a) VALUES (5)", json!([])).await;
    let kept = look(
        &format!("SELECT count(*) FROM rows_{}.t WHERE __dropped_1_secret = 'kept'", two.tenant.plugin),
        &two,
    )
    .await;
    assert_eq!(kept, 2);
    // The last to drop it takes the table itself.
    one.execute("DROP TABLE t", json!([])).await;
    two.execute("DROP TABLE t", json!([])).await;
    two.execute("CREATE TABLE t (other TEXT)", json!([])).await;
}

/// A number, as the role that owns the tables sees it for a server.
async fn look(sql: &str, author: &Author) -> i64 {
    let config = bailey_store::testing::shared_cluster().await.urls().sql.unwrap();
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(connection);
    let plugin = author.tenant.plugin.as_str();
    let guild = author.tenant.guild.0.cast_signed();
    let token: String = client
        .query_one(
            "SELECT token FROM bailey_host.tenants JOIN bailey_host.spaces AS space ON space.id = space
             WHERE space.plugin = $1 AND tenants.guild = $2",
            &[&plugin, &guild],
        )
        .await
        .unwrap()
        .get(0);
    client.batch_execute(&format!("SET bailey.token = '{token}'; SET ROLE owner_{plugin}")).await.unwrap();
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_one_transaction() {
    for isolation in BOTH {
        let (one, _) = two_servers("script", isolation).await;
        let broken =
            "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO a VALUES (1)";
        assert!(one.refusal(broken).await.contains("duplicate key"), "{isolation:?}");
        assert!(one.refusal("SELECT * FROM a").await.contains("relation \"a\" does not exist"));
        let whole =
            "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2), (3);";
        assert_eq!(one.execute(whole, json!([])).await, 2);
        let refused =
            one.try_execute("DELETE FROM a; DELETE FROM a WHERE id = $1", json!([1])).await.unwrap_err();
        assert!(refused.to_string().contains("several statements take none"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_against_a_quota_in_the_statement_that_writes_them() {
    for isolation in BOTH {
        let options = SqlOptions { disk_bytes: 200_000, ..SqlOptions::default() };
        let service = sql_with(&ManualClock::new(), &options).await;
        let plugin = unique_plugin("quota");
        service.isolate(&plugin.parse().unwrap(), isolation);
        let author = |guild| Author { sql: service.clone(), tenant: tenant(&plugin, guild) };
        let (one, two) = (author(1), author(2));
        for author in [&one, &two] {
            author.execute("CREATE TABLE t (id SERIAL PRIMARY KEY, text TEXT)", json!([])).await;
        }
        let fill = "INSERT INTO t (text) SELECT md5(n::text) FROM generate_series(1, 1000) AS n";
        one.execute(fill, json!([])).await;
        one.execute(fill, json!([])).await;
        let full =
            one.refusal("INSERT INTO t (text) SELECT md5(n::text) FROM generate_series(1, 20000) AS n").await;
        assert!(full.contains("MiB") && full.contains("53100"), "{full}");
        assert_eq!(one.query("SELECT count(*) AS n FROM t", json!([])).await, json!([{"n": 2000}]));
        two.execute(fill, json!([])).await; // one's own quota, not the plugin's
        let numbers = two.query("SELECT min(id), max(id), count(DISTINCT id) FROM t", json!([])).await;
        assert_eq!(numbers, json!([{"min": 1, "max": 1000, "count": 1000}]), "{isolation:?}");
        // Room again after a deletion, whatever way the rows went.
        assert_eq!(one.execute("DELETE FROM t WHERE id > 500", json!([])).await, 1500);
        one.execute(fill, json!([])).await;
        let grown = one.refusal("UPDATE t SET text = repeat(text, 100)").await;
        assert!(grown.contains("53100"), "{grown}");
        one.execute("UPDATE t SET text = 'x'", json!([])).await;
        one.execute(fill, json!([])).await;
        if isolation == SqlIsolation::Shared {
            // What a statement took of numbers and did not use is there for the next.
            two.execute(fill, json!([])).await;
            two.execute("INSERT INTO t (text) VALUES ('a'), ('b'), ('c'), ('d'), ('e')", json!([])).await;
            assert_eq!(two.query("SELECT max(id) AS id FROM t", json!([])).await, json!([{"id": 2005}]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_changes_are_limited_by_the_hour_and_repetitions_are_free() {
    let clock = ManualClock::new();
    let service = sql_with(&clock, &SqlOptions { changes_per_hour: 3, ..SqlOptions::default() }).await;
    let author = |guild| Author { sql: service.clone(), tenant: tenant("budget_plugin", guild) };
    let (one, two) = (author(1), author(2));
    for name in ["a", "b", "c"] {
        one.execute(&format!("CREATE TABLE {name} (id INT)"), json!([])).await;
    }
    let refused = one.try_execute("CREATE TABLE d (id INT)", json!([])).await.unwrap_err();
    assert!(
        matches!(&refused, CallError::RateLimited { retry_after, .. } if retry_after.as_secs() == 3600),
        "{refused:?}"
    );
    for _ in 0..10 {
        one.execute("CREATE TABLE IF NOT EXISTS a (id INT)", json!([])).await;
    }
    // What the first server made is no change for the second.
    for name in ["a", "b", "c"] {
        two.execute(&format!("CREATE TABLE {name} (id INT)"), json!([])).await;
    }
    two.execute("CREATE TABLE d (id INT)", json!([])).await;
    clock.advance(std::time::Duration::from_secs(3600));
    one.execute("CREATE TABLE e (id INT)", json!([])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_servers_at_once_each_meet_their_own() {
    let service = sql(&ManualClock::new()).await;
    let plugin = unique_plugin("crowd");
    let mut tasks = tokio::task::JoinSet::new();
    for guild in 1..=12_u64 {
        let author = Author { sql: service.clone(), tenant: tenant(&plugin, guild) };
        tasks.spawn(async move {
            let table = "CREATE TABLE IF NOT EXISTS t (key TEXT PRIMARY KEY, n BIGINT NOT NULL)";
            author.execute(table, json!([])).await;
            author.execute("CREATE UNIQUE INDEX IF NOT EXISTS one_n ON t (n)", json!([])).await;
            author.execute("INSERT INTO t VALUES ('count', %s)", json!([guild * 1000])).await;
            for _ in 0..20 {
                assert_eq!(author.execute("UPDATE t SET n = n + 1 WHERE key = 'count'", json!([])).await, 1);
            }
            let rows = author.query("SELECT key, n FROM t", json!([])).await;
            assert_eq!(rows, json!([{"key": "count", "n": guild * 1000 + 20}]));
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_have_bounds_and_say_so() {
    let (one, _) = two_servers("bounds", SqlIsolation::Shared).await;
    let found = one.try_query("SELECT n FROM generate_series(1, 5000) AS n", json!([]), 3).await.unwrap();
    assert_eq!(found, json!({"rows": [{"n": 1}, {"n": 2}, {"n": 3}], "truncated": true}));
    let exact =
        one.try_query("SELECT n FROM generate_series(1, 3) AS n LIMIT 10", json!([]), 3).await.unwrap();
    assert_eq!(exact["truncated"], json!(false));
    let large =
        one.try_query("SELECT repeat(md5('x'), 1000) FROM generate_series(1, 900)", json!([]), 1000).await;
    assert!(large.unwrap_err().to_string().contains("larger than 8 MiB"));
    // The session is as good as before.
    assert_eq!(one.query("SELECT 1 AS one", json!([])).await, json!([{"one": 1}]));
    // What writes is done to its end, also when its rows are too many.
    one.execute("CREATE TABLE t (n INT)", json!([])).await;
    let written = "INSERT INTO t SELECT * FROM generate_series(1, 50) RETURNING n";
    let returned = one.try_query(written, json!([]), 2).await.unwrap();
    assert_eq!(returned["truncated"], json!(true));
    assert_eq!(one.query("SELECT count(*) AS n FROM t", json!([])).await, json!([{"n": 50}]));
}

/// A second host changes the tables: what the first believed of them is put right within the call.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_host_changes_is_noticed() {
    let (here, there) = (sql(&ManualClock::new()).await, sql(&ManualClock::new()).await);
    let plugin = unique_plugin("hosts");
    let author = |sql: &Sql| Author { sql: sql.clone(), tenant: tenant(&plugin, 1) };
    let (here, there) = (author(&here), author(&there));
    here.execute("CREATE TABLE t (id SERIAL PRIMARY KEY, a INT)", json!([])).await;
    assert_eq!(there.query("SELECT * FROM t", json!([])).await, json!([]));
    here.execute("ALTER TABLE t ADD COLUMN b INT DEFAULT 2", json!([])).await;
    there.execute("INSERT INTO t (a, b) VALUES (1, 5)", json!([])).await;
    there.execute("CREATE TABLE u (id INT)", json!([])).await;
    assert_eq!(
        here.query("SELECT b, (SELECT count(*) FROM u) AS n FROM t", json!([])).await,
        json!([{"b": 5, "n": 0}])
    );
    here.execute("DROP TABLE u", json!([])).await;
    assert!(there.refusal("SELECT * FROM u").await.contains("does not exist"));
}

/// Connections remember statements; after a change of the schema they must not.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_table_is_read_as_it_is_on_every_connection_at_once() {
    let (one, two) = two_servers("stale", SqlIsolation::Shared).await;
    for author in [&one, &two] {
        author.execute("CREATE TABLE t (id INT PRIMARY KEY)", json!([])).await;
        author.execute("INSERT INTO t VALUES (1)", json!([])).await;
    }
    let upsert = "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id RETURNING *";
    for round in 0..5 {
        // Several at once, so that several connections know the statements.
        let reads = (0..6).map(|index| {
            let author = if index % 2 == 0 { one.clone() } else { two.clone() };
            async move {
                (author.query("SELECT * FROM t", json!([])).await, author.query(upsert, json!([])).await)
            }
        });
        for (read, written) in futures_util::future::join_all(reads).await {
            assert_eq!(read[0].as_object().unwrap().len(), 1 + round);
            assert_eq!(written, read);
        }
        one.execute(&format!("ALTER TABLE t ADD COLUMN c{round} INT"), json!([])).await;
    }
}

/// A server that holds its connections leaves some to the others of its plugin.
#[tokio::test(flavor = "multi_thread")]
async fn one_busy_server_leaves_connections_to_the_others() {
    let (one, two) = two_servers("busy", SqlIsolation::Shared).await;
    two.execute("CREATE TABLE t (id INT)", json!([])).await;
    let long = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n % 7 FROM n) SELECT count(*) FROM n";
    let mut busy = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let author = one.clone();
        busy.spawn(async move { author.try_query(long, json!([]), 1).await });
    }
    for _ in 0..20 {
        assert_eq!(two.query("SELECT count(*) AS n FROM t", json!([])).await, json!([{"n": 0}]));
    }
    // The busy ones were still at it: whoever has to wait for them waits for their time to be over.
    assert!(busy.try_join_next().is_none(), "nobody was busy");
    while let Some(done) = busy.join_next().await {
        let refused = done.unwrap().unwrap_err().to_string();
        let known = ["statement timeout", "temporary file size", "are busy"];
        assert!(known.iter().any(|part| refused.contains(part)), "{refused}");
    }
}

/// The night's count puts right what drifted, beside writers, and leaves the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_rows_take_is_counted_anew_at_night() {
    let (cluster, _directory) = crate::sql_setup::cluster_of_ones_own().await;
    let clock = ManualClock::new(); // midnight
    let service = crate::sql_setup::service(&cluster, &clock).await;
    for isolation in BOTH {
        let plugin = unique_plugin("recount");
        service.isolate(&plugin.parse().unwrap(), isolation);
        let author = |guild| Author { sql: service.clone(), tenant: tenant(&plugin, guild) };
        for author in [author(1), author(2)] {
            author.execute("CREATE TABLE t (id SERIAL PRIMARY KEY, text TEXT, extra TEXT)", json!([])).await;
            let fill = "INSERT INTO t (text, extra) SELECT md5(n::text), md5(n::text) FROM generate_series(1, 500) AS n";
            author.execute(fill, json!([])).await;
        }
    }
    assert_eq!(service.recount().await, 0, "it is not night yet");
    clock.advance(std::time::Duration::from_secs(4 * 3600));
    assert_eq!(service.recount().await, 0, "nothing drifted");
    let broken = "UPDATE bailey_host.usage SET rows = 7, bytes = bytes + 1000000 WHERE guild = 2";
    cluster.administer_sql(broken).await.unwrap();
    assert_eq!(service.recount().await, 0, "tonight's count was done");
    clock.advance(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(service.recount().await, 2);
    clock.advance(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(service.recount().await, 0);
    cluster.stop().await.unwrap();
}
