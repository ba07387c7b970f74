//! The private PostgreSQL: made, stopped, crashed, taken over, refused, kept apart.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bailey_store::testing::scratch_directory;
use bailey_store::{Cluster, ClusterConfig, ClusterError, visit};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Config, NoTls};

/// Set for the copy of this binary that plays a Bailey about to be killed.
const HOLD: &str = "BAILEY_TEST_HOLD_CLUSTER";

fn config(directory: &Path) -> ClusterConfig {
    ClusterConfig::kept(directory)
}

async fn run(config: &Config, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::select! {
        rows = client.simple_query(sql) => Ok(rows?
            .iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .collect()),
        ended = connection => Err(ended.expect_err("the server hung up")),
    }
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Starts a copy of this binary that holds the cluster in `directory` until it is killed.
#[expect(clippy::disallowed_methods, reason = "a process of its own is what is being tested")]
fn hold(directory: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::a_copy_of_this_binary_holds_a_cluster", "--nocapture"])
        .env(HOLD, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")), "the copy ended early");
    child
}

/// Does something only when started by [`hold`].
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the copy learns its part")]
async fn a_copy_of_this_binary_holds_a_cluster() {
    let Some(directory) = std::env::var_os(HOLD) else { return };
    let _cluster = Cluster::start(config(Path::new(&directory))).await.unwrap();
    println!("holding");
    let _ = std::io::stdin().lines().next(); // until killed, or the test that holds us ended
}

#[tokio::test]
async fn data_survives_a_stop_and_a_start() {
    let scratch = scratch_directory();
    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    assert!(!cluster.was_adopted());
    run(&cluster.urls().platform, "CREATE TABLE kept AS SELECT 'here' AS word").await.unwrap();
    let url = cluster.urls().platform;
    cluster.stop().await.unwrap();
    assert!(run(&url, "SELECT 1").await.is_err(), "the server still answers after a stop");

    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    assert_eq!(run(&cluster.urls().platform, "SELECT word FROM kept").await.unwrap(), ["here"]);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_committed_survives_a_crash_of_the_server() {
    let scratch = scratch_directory();
    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    run(&cluster.urls().plugins, "CREATE TABLE kept AS SELECT 'here' AS word").await.unwrap();
    let crashed = cluster.process_id();
    kill(crashed);
    drop(cluster);

    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    assert_ne!(cluster.process_id(), crashed);
    assert_eq!(run(&cluster.urls().plugins, "SELECT word FROM kept").await.unwrap(), ["here"]);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_of_a_killed_bailey_is_taken_over() {
    let scratch = scratch_directory();
    let mut bailey = hold(scratch.path());

    let refused = Cluster::start(config(scratch.path())).await.unwrap_err();
    assert!(matches!(refused, ClusterError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains(&format!("process {}", bailey.id())), "{refused}");

    bailey.kill().unwrap();
    bailey.wait().unwrap();
    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    assert!(cluster.was_adopted());
    assert_eq!(run(&cluster.urls().plugins, "SELECT 1").await.unwrap(), ["1"]);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn another_process_visits_a_running_server_and_leaves_it_as_it_is() {
    let scratch = scratch_directory();
    assert!(visit(scratch.path()).await.unwrap().is_none());
    assert!(std::fs::read_dir(scratch.path()).unwrap().next().is_none(), "a visitor leaves nothing");
    let mut holder = hold(scratch.path());
    let urls = visit(scratch.path()).await.unwrap().unwrap();
    assert_eq!(run(&urls.plugins, "SELECT current_database()").await.unwrap(), ["bailey_plugins"]);
    // The server outlives the Bailey that is killed, and can still be visited.
    holder.kill().unwrap();
    holder.wait().unwrap();
    let urls = visit(scratch.path()).await.unwrap().unwrap();
    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    assert!(cluster.was_adopted());
    assert_eq!(run(&urls.platform, "SELECT 1").await.unwrap(), ["1"]);
    cluster.stop().await.unwrap();
    assert!(visit(scratch.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn dropping_the_cluster_stops_the_server() {
    let scratch = scratch_directory();
    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    let url = cluster.urls().platform;
    drop(cluster);
    let stopped = async {
        while run(&url, "SELECT 1").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stopped).await.unwrap();
    // A start that meets the old server on its way out waits for it.
    Cluster::start(config(scratch.path())).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn each_role_enters_its_own_database_only() {
    let scratch = scratch_directory();
    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    let urls = cluster.urls();
    for (own, other) in [(&urls.platform, &urls.plugins), (&urls.plugins, &urls.platform)] {
        assert_eq!(run(own, "SELECT current_user").await.unwrap(), [own.get_user().unwrap()]);
        let mut trespass = own.clone();
        trespass.dbname(other.get_dbname().unwrap());
        assert!(run(&trespass, "SELECT 1").await.is_err());
        trespass.dbname("postgres");
        assert!(run(&trespass, "SELECT 1").await.is_err());
    }
    // Not only the access file says so.
    let granted = "SELECT has_database_privilege('bailey_plugins', 'bailey_platform', 'CONNECT')";
    assert_eq!(run(&urls.plugins, granted).await.unwrap(), ["f"]);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let scratch = scratch_directory();
    let deep = scratch.path().join("a".repeat(60)).join("b".repeat(60));
    let cluster = Cluster::start(config(&deep)).await.unwrap();
    assert_eq!(run(&cluster.urls().platform, "SELECT 1").await.unwrap(), ["1"]);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_half_made_cluster_is_no_cluster() {
    let scratch = scratch_directory();
    let partial = scratch.path().join("cluster.partial-1");
    std::fs::create_dir(&partial).unwrap();
    std::fs::write(partial.join("PG_VERSION"), "15").unwrap();
    let cluster = Cluster::start(config(scratch.path())).await.unwrap();
    assert!(!partial.exists());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_is_quoted() {
    let scratch = scratch_directory();
    Cluster::start(config(scratch.path())).await.unwrap().stop().await.unwrap();
    let auto = scratch.path().join("cluster/postgresql.auto.conf");
    std::fs::write(&auto, "max_connections = 'lots'\n").unwrap();
    let error = Cluster::start(config(scratch.path())).await.unwrap_err().to_string();
    assert!(error.contains("max_connections"), "{error}");
}

#[tokio::test]
async fn a_closed_folder_on_the_way_is_named() {
    if !rustix::process::geteuid().is_root() {
        return; // only root runs PostgreSQL as somebody else
    }
    let scratch = scratch_directory();
    let closed = scratch.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = Cluster::start(config(&closed.join("data"))).await.unwrap_err();
    let closed = closed.canonicalize().unwrap();
    assert!(matches!(&error, ClusterError::Unreachable { directory, .. } if *directory == closed), "{error}");
}

#[tokio::test]
async fn missing_programs_and_accounts_are_said_plainly() {
    let scratch = scratch_directory();
    let unknown =
        ClusterConfig { operating_system_user: Some("no_such_account".to_owned()), ..config(scratch.path()) };
    assert!(Cluster::start(unknown).await.unwrap_err().to_string().contains("no_such_account"));

    // Data of a version that is not here.
    let data = scratch.path().join("cluster");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9999\n").unwrap();
    let error = Cluster::start(config(scratch.path())).await.unwrap_err().to_string();
    assert!(error.contains("no PostgreSQL 9999") && error.contains("apt-get install"), "{error}");
}

#[tokio::test]
async fn throwaway_clusters_are_copies_and_each_its_own() {
    let scratch = bailey_store::testing::scratch_directory();
    let templates = scratch.path().join("templates");
    let started =
        |name: &str| Cluster::start(ClusterConfig::throwaway(scratch.path().join(name), &templates));
    // Together: both may find no template, and one of them makes it.
    let (one, other) = tokio::join!(started("one"), started("other"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(std::fs::read_dir(&templates).unwrap().count(), 1, "more than the template was left");
    for (cluster, value) in [(&one, "1"), (&other, "2")] {
        let url = cluster.urls().plugins;
        run(&url, &format!("CREATE TABLE t AS SELECT {value} AS v")).await.unwrap();
        assert_eq!(run(&url, "SELECT v FROM t").await.unwrap(), [value]);
    }
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}
