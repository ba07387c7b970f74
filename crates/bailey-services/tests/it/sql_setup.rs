//! The database of plugins' tables is closed to plugins, or not used.

use std::sync::Arc;

use bailey_services::sql::hardening;
use bailey_services::{Sql, SqlError, SqlOptions};
use bailey_store::testing::scratch_directory;
use bailey_store::{Cluster, ClusterConfig};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;

use crate::support::ManualClock;

/// A server that is closed and shared with no other test.
pub(crate) async fn cluster_of_ones_own() -> (Cluster, TempDir) {
    let directory = scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(directory.path())).await.unwrap();
    cluster.administer_sql(&hardening()).await.unwrap();
    (cluster, directory)
}

/// The service on it.
pub(crate) async fn service(cluster: &Cluster, clock: &ManualClock) -> Sql {
    let (config, rng) = (cluster.urls().sql.unwrap(), StdRng::seed_from_u64(1));
    Sql::connect(&config, &SqlOptions::default(), Arc::new(clock.clone()), rng).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_open_to_plugins_is_refused() {
    let directory = scratch_directory();
    let cluster = Cluster::start(ClusterConfig::kept(directory.path())).await.unwrap();
    let config = cluster.urls().sql.unwrap();
    let connect = async || {
        let rng = StdRng::seed_from_u64(1);
        Sql::connect(&config, &SqlOptions::default(), Arc::new(ManualClock::new()), rng).await
    };
    let refused = async |what: &str| match connect().await {
        Err(error @ SqlError::NotHardened { .. }) => {
            let said = error.to_string();
            assert!(said.contains(what) && said.contains("bailey sql-hardening"), "{said}");
        }
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: it was used"),
    };
    refused("anybody may call current_setting").await;
    cluster.administer_sql("GRANT ALL ON DATABASE bailey_sql TO PUBLIC").await.unwrap(); // as it is elsewhere
    cluster.administer_sql(&hardening()).await.unwrap();
    connect().await.unwrap();
    cluster.administer_sql(&hardening()).await.unwrap(); // again, with Bailey's own tables there
    connect().await.unwrap();
    for (open, close, what) in [
        (
            "GRANT EXECUTE ON FUNCTION pg_sleep(float8) TO PUBLIC",
            "REVOKE EXECUTE ON FUNCTION pg_sleep(float8) FROM PUBLIC",
            "anybody may call pg_sleep",
        ),
        (
            "GRANT SELECT ON pg_stat_activity TO PUBLIC",
            "REVOKE SELECT ON pg_stat_activity FROM PUBLIC",
            "anybody may read pg_stat_activity",
        ),
        (
            "GRANT TEMP ON DATABASE bailey_sql TO PUBLIC",
            "REVOKE TEMP ON DATABASE bailey_sql FROM PUBLIC",
            "temporary tables",
        ),
        (
            "GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC",
            "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
            "plpgsql",
        ),
        ("ALTER ROLE bailey_sql SUPERUSER", "ALTER ROLE bailey_sql NOSUPERUSER", ""),
    ] {
        cluster.administer_sql(open).await.unwrap();
        if what.is_empty() {
            assert!(matches!(connect().await, Err(SqlError::Role { .. })));
        } else {
            refused(what).await;
        }
        cluster.administer_sql(close).await.unwrap();
    }
    connect().await.unwrap();
    cluster.stop().await.unwrap();
}
