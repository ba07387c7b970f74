//! A throwaway PostgreSQL for tests: one a test binary, made on first use, gone when the binary ends.
//!
//! Each test takes a schema of its own, or a tenant of its own; that costs milliseconds, a cluster
//! costs a second.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{Cluster, ClusterConfig};

/// Stops the server and removes its folder once our end of its standard input closes, which
/// happens however the test binary ends.
const JANITOR: &str = r#"
    cat > /dev/null
    pid=$(head -n 1 "$1/cluster/postmaster.pid" 2> /dev/null)
    if [ -n "$pid" ]; then
        kill -INT "$pid" 2> /dev/null
        for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
    fi
    rm -rf "$1"
"#;

struct Shared {
    cluster: Cluster,
    _janitor: ChildStdin,
}

static SHARED: OnceCell<Shared> = OnceCell::const_new();
static SCHEMAS: AtomicU32 = AtomicU32::new(0);

/// The cluster all tests of this binary share.
///
/// # Panics
/// When it cannot be had: without PostgreSQL these tests prove nothing.
pub async fn shared_cluster() -> &'static Cluster {
    let shared = SHARED.get_or_init(|| async {
        let directory = scratch_directory().keep();
        let janitor = hire_janitor(&directory);
        let cluster = Cluster::start(ClusterConfig::kept(directory));
        let cluster = cluster.await.unwrap_or_else(|error| panic!("no PostgreSQL for the tests: {error}"));
        Shared { cluster, _janitor: janitor }
    });
    &shared.await.cluster
}

/// A schema name no other test of this binary gets.
pub fn unique_schema() -> String {
    format!("test_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed))
}

/// A temporary folder that PostgreSQL's account may enter also when the tests run as root.
///
/// # Panics
/// When it cannot be made.
pub fn scratch_directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("bailey-test-").tempdir().expect("a temporary folder");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711))
        .expect("permissions of our own folder");
    directory
}

fn hire_janitor(directory: &Path) -> ChildStdin {
    #[expect(clippy::disallowed_methods, reason = "cleans up after the test binary, so it must outlive it")]
    let mut command = Command::new("/bin/sh");
    let janitor = command
        .args(["-c", JANITOR, "janitor"])
        .arg(directory)
        .current_dir("/")
        .process_group(0) // an interrupt from the keyboard is for the tests
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    janitor.expect("a shell").stdin.take().expect("a piped standard input")
}
