//! PostgreSQL's own load generator, running a statement of ours: the floor of what a host can do.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bailey_store::Cluster;
use tokio_postgres::config::Host;

use crate::host_threads;
use crate::plugin::BenchError;

/// A script for `pgbench`: one statement a transaction.
pub(crate) struct Script {
    /// Sets what is new each time, for example `\set key random(1, 9)`.
    pub(crate) before: String,
    /// The statement, its parameters written `:name`.
    pub(crate) statement: String,
    /// What stays the same: names and values.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// Writes `:name` or a literal for each `$1`, `$2`, ... of a statement.
pub(crate) fn with_names(statement: &str, names: &[&str]) -> String {
    let mut text = statement.to_owned();
    for (index, name) in names.iter().enumerate().rev() {
        text = text.replace(&format!("${}", index + 1), name);
    }
    text
}

/// Transactions a second of `clients` clients in `seconds`, in the schema and with the durability the
/// services use.
pub(crate) async fn run(
    cluster: &Cluster,
    script: &Script,
    clients: usize,
    seconds: u64,
) -> Result<f64, BenchError> {
    let failed = |why: String| BenchError::Part { what: "pgbench", why };
    let folder = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir()?;
    let file = folder.path().join("script.sql");
    std::fs::write(&file, format!("{}\n{};\n", script.before, script.statement))?;
    let url = cluster.urls().plugins;
    let Some(Host::Unix(socket)) = url.get_hosts().first() else {
        return Err(failed("the server has no socket".to_owned()));
    };
    let mut command = command(&binary()?);
    command
        .env("PGOPTIONS", "-c search_path=bailey_plugins -c synchronous_commit=off")
        .args(["--no-vacuum", "--protocol=prepared"])
        // As many threads as our side has; pgbench takes no more of them than clients.
        .args([
            format!("--jobs={}", host_threads()),
            format!("--client={clients}"),
            format!("--time={seconds}"),
        ])
        .arg("--host")
        .arg(socket)
        .args(["--username", url.get_user().unwrap_or_default()])
        .arg("--file")
        .arg(&file)
        .args(script.variables.iter().map(|(name, value)| format!("--define={name}={value}")))
        .arg(url.get_dbname().unwrap_or_default());
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse::<f64>().ok())
        .filter(|_| output.status.success());
    rate.ok_or_else(|| failed(format!("{said}{}", String::from_utf8_lossy(&output.stderr))))
}

#[expect(clippy::disallowed_methods, reason = "the floor is a program of PostgreSQL's")]
fn command(program: &Path) -> tokio::process::Command {
    tokio::process::Command::new(program)
}

/// Beside the server's programs, newest version first, as the server itself is chosen.
fn binary() -> Result<PathBuf, BenchError> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable();
    versions
        .iter()
        .rev()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/pgbench")))
        .find(|path| path.is_file())
        .ok_or_else(|| BenchError::Part {
            what: "pgbench",
            why: "not beside the server's programs in /usr/lib/postgresql/*/bin; \
                  hint: install postgresql-contrib"
                .to_owned(),
        })
}
