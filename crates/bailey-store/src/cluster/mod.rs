//! The private PostgreSQL: made once, started and stopped with Bailey, reached by a socket only.
//!
//! ```text
//! <data directory>/bailey.lock   one Bailey at a time
//!                  cluster/      PostgreSQL's data, configuration and postgresql.log
//!                  run/          the socket
//! ```
//!
//! A server that outlived a killed Bailey is taken over. Nothing here knows what is stored.

mod account;
mod binaries;
mod error;
mod lock;
mod postmaster;
mod settings;
mod template;
mod visit;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;
use tokio_postgres::{Client, Config, NoTls};

use self::account::Account;
use self::binaries::Binaries;
pub use self::error::ClusterError;
use self::postmaster::{Postmaster, Presence};
pub use self::visit::visit;
use crate::DatabaseUrls;

/// Role and database of the platform's records.
const PLATFORM: &str = "bailey_platform";
/// Role and database of what plugins store.
const PLUGINS: &str = "bailey_plugins";
/// Role and database of the tables plugins make themselves. It makes a role for each plugin.
const SQL: &str = "bailey_sql";
/// The superuser; used at start only.
const ADMIN: &str = "bailey_admin";

/// Time for `initdb`.
const INITIALISE_LIMIT: Duration = Duration::from_secs(120);
/// Time for a start, recovery after a crash included.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Time for an orderly stop; then the server is stopped as in a crash, which loses nothing committed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Time between two looks at a server that is starting or stopping.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// Memory one connection's process may have, its share of the common memory included: a statement that
/// builds a value of a gigabyte fails alone, and takes neither the server nor the machine with it.
const CONNECTION_BYTES: u64 = 640 * 1024 * 1024;
/// A log larger than this is set aside at the next start, replacing the one set aside before.
const LOG_BYTES: u64 = 8 * 1024 * 1024;

/// Where the private PostgreSQL lives and what it runs with.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Holds the cluster, its socket and its lock. Made if it is not there.
    pub data_directory: PathBuf,
    /// The folder of `initdb`, `pg_ctl` and `postgres`; `None` looks in `/usr/lib/postgresql/*/bin`.
    pub binaries: Option<PathBuf>,
    /// The account to run as when Bailey is root; `None` means `postgres`.
    pub operating_system_user: Option<String>,
    /// For data that nobody will miss: nothing is forced to disk, and a new cluster is copied from
    /// a template kept in this folder. `None` for everything that must not be lost.
    pub throwaway: Option<PathBuf>,
}

impl ClusterConfig {
    /// A cluster in `data_directory` that keeps what it confirms.
    pub fn kept(data_directory: impl Into<PathBuf>) -> Self {
        Self {
            data_directory: data_directory.into(),
            binaries: None,
            operating_system_user: None,
            throwaway: None,
        }
    }

    /// A cluster in `data_directory` for data nobody will miss, copied from a template in `templates`.
    pub fn throwaway(data_directory: impl Into<PathBuf>, templates: impl Into<PathBuf>) -> Self {
        Self { throwaway: Some(templates.into()), ..Self::kept(data_directory) }
    }
}

/// A running private PostgreSQL. Dropping it asks the server to stop and does not wait;
/// [`Cluster::stop`] waits.
#[derive(Debug)]
pub struct Cluster {
    data: PathBuf,
    account: Account,
    binaries: Binaries,
    postmaster: Postmaster,
    adopted: bool,
    /// Held for as long as the cluster is ours.
    _lock: File,
}

/// The PostgreSQL that a new private cluster would be made with: its major version, and the folder of
/// its programs. Nothing is started.
///
/// # Errors
/// [`ClusterError`] when there is none, or no account to run it as; the message says what to do.
pub async fn installed() -> Result<(u32, PathBuf), ClusterError> {
    let account = Account::resolve(None)?;
    let binaries = Binaries::find(None, &account, None).await?;
    Ok((binaries.major(), binaries.program("postgres")))
}

impl Cluster {
    /// Makes the cluster if there is none, starts it if it does not run, and prepares both databases.
    ///
    /// # Errors
    /// [`ClusterError`], whose message says what to do.
    pub async fn start(config: ClusterConfig) -> Result<Self, ClusterError> {
        let account = Account::resolve(config.operating_system_user.as_deref())?;
        let directory = &config.data_directory;
        std::fs::create_dir_all(directory).map_err(ClusterError::file("create", directory))?;
        let directory = directory.canonicalize().map_err(ClusterError::file("look at", directory))?;
        let lock = lock::acquire(&directory)?;
        account.check_reach(&directory).await?;

        let data = directory.join("cluster");
        let binaries = Binaries::find(config.binaries.as_deref(), &account, data_version(&data)?).await?;
        if !data.exists() {
            initialise(&account, &binaries, &directory, &data, config.throwaway.as_deref()).await?;
        }
        let sockets = settings::socket_directory(&account, &directory)?;
        settings::write(&account, &data, &sockets, config.throwaway.is_some())?;

        let (postmaster, adopted) = bring_up(&account, &binaries, &data).await?;
        let cluster = Self { data, account, binaries, postmaster, adopted, _lock: lock };
        if adopted {
            cluster.reload()?; // the access rules may name another account than ours
        }
        cluster.prepare_databases().await?;
        tracing::info!(
            data = %cluster.data.display(),
            pid = cluster.postmaster.pid,
            adopted,
            "the private PostgreSQL is ready"
        );
        Ok(cluster)
    }

    /// How to reach both databases.
    pub fn urls(&self) -> DatabaseUrls {
        urls(&self.postmaster.socket_directory)
    }

    /// Runs a script as the superuser, in the database of the tables plugins make themselves.
    ///
    /// # Errors
    /// [`ClusterError::Prepare`] when a statement of it fails.
    pub async fn administer_sql(&self, script: &str) -> Result<(), ClusterError> {
        self.administer(SQL, async |client| client.batch_execute(script).await).await
    }

    /// Whether the server was already running, left by a Bailey that was killed.
    pub fn was_adopted(&self) -> bool {
        self.adopted
    }

    /// The server's process id.
    pub fn process_id(&self) -> u32 {
        self.postmaster.pid
    }

    /// Ends all connections and stops the server; everything committed stays.
    ///
    /// # Errors
    /// [`ClusterError::Failed`] or [`ClusterError::TooSlow`] when it would not stop.
    pub async fn stop(self) -> Result<(), ClusterError> {
        if let Err(error) = self.stop_in_mode("fast").await
            && !matches!(postmaster::presence(&self.data), Ok(Presence::Nobody))
        {
            tracing::warn!(%error, "the private PostgreSQL does not stop; stopping it the hard way");
            self.stop_in_mode("immediate").await?;
        }
        let _ = std::fs::remove_dir(&self.postmaster.socket_directory); // empty now; made anew at a start
        Ok(())
    }

    async fn stop_in_mode(&self, mode: &str) -> Result<(), ClusterError> {
        let seconds = STOP_LIMIT.as_secs().to_string();
        let data = self.data.as_os_str();
        let arguments = ["stop".as_ref(), "-D".as_ref(), data, "-w".as_ref(), "-m".as_ref(), mode.as_ref()];
        let arguments = arguments.into_iter().chain(["-t".as_ref(), seconds.as_ref()]);
        let limit = STOP_LIMIT + Duration::from_secs(5);
        let program = self.binaries.program("pg_ctl");
        self.account.run(&program, "pg_ctl stop", arguments, limit, &log_of(&self.data)).await.map(drop)
    }

    fn config(&self, role: &str, database: &str) -> Config {
        config(&self.postmaster.socket_directory, role, database)
    }

    fn reload(&self) -> Result<(), ClusterError> {
        let path = Path::new("postmaster");
        self.signal(Signal::HUP).map_err(|error| ClusterError::file("reload", path)(error.into()))
    }

    fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        let pid = i32::try_from(self.postmaster.pid).ok().and_then(Pid::from_raw);
        pid.map_or(Ok(()), |pid| kill_process(pid, signal))
    }

    /// Makes what is missing of roles and databases; the same at each start.
    async fn prepare_databases(&self) -> Result<(), ClusterError> {
        self.administer("postgres", prepare).await
    }

    async fn administer(
        &self,
        database: &str,
        work: impl AsyncFnOnce(&Client) -> Result<(), tokio_postgres::Error>,
    ) -> Result<(), ClusterError> {
        let config = self.config(ADMIN, database);
        let (client, connection) = config.connect(NoTls).await.map_err(ClusterError::Prepare)?;
        tokio::select! {
            done = work(&client) => done.map_err(ClusterError::Prepare),
            ended = connection => Err(ClusterError::NoAnswer { directory: self.data.clone(), source: ended.err() }),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // After `stop` the note is gone, and with it any claim on the process id.
        if let Ok(Presence::Running(found)) = postmaster::presence(&self.data)
            && found.pid == self.postmaster.pid
        {
            let _ = self.signal(Signal::INT); // PostgreSQL's "fast" shutdown
        }
    }
}

/// Each role may enter its own database and no other.
async fn prepare(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC").await?;
    for (name, rights) in [(PLATFORM, ""), (PLUGINS, ""), (SQL, " CREATEROLE")] {
        if client.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&name]).await?.is_none() {
            client.batch_execute(&format!("CREATE ROLE {name} LOGIN{rights}")).await?;
        }
        if client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await?.is_none() {
            client.batch_execute(&format!("CREATE DATABASE {name} OWNER {name}")).await?;
        }
        client.batch_execute(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC")).await?;
    }
    Ok(())
}

fn urls(sockets: &Path) -> DatabaseUrls {
    DatabaseUrls {
        platform: config(sockets, PLATFORM, PLATFORM),
        plugins: config(sockets, PLUGINS, PLUGINS),
        sql: Some(config(sockets, SQL, SQL)),
    }
}

fn config(sockets: &Path, role: &str, database: &str) -> Config {
    let mut config = Config::new();
    config.host_path(sockets).port(5432).user(role).dbname(database);
    config.connect_timeout(Duration::from_secs(5)).application_name("bailey");
    config
}

/// The major version that made the data, if there is any.
fn data_version(data: &Path) -> Result<Option<u32>, ClusterError> {
    let path = data.join("PG_VERSION");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::file("read", &path)(error)),
    }
}

/// Makes the cluster beside its place and moves it there when it is complete, so that a crash in
/// the middle leaves nothing that looks like a cluster.
async fn initialise(
    account: &Account,
    binaries: &Binaries,
    directory: &Path,
    data: &Path,
    templates: Option<&Path>,
) -> Result<(), ClusterError> {
    remove_half_made(directory);
    let partial = directory.join(format!("cluster.partial-{}", std::process::id()));
    account::private_directory(account, &partial)?;
    let copied = match templates {
        Some(templates) => template::copy(account, binaries, templates, &partial).await?,
        None => false,
    };
    if !copied {
        tracing::info!(data = %data.display(), "making a private PostgreSQL, once");
        run_initdb(account, binaries, &partial).await?;
    }
    std::fs::rename(&partial, data).map_err(ClusterError::file("move into place", data))?;
    File::open(directory).and_then(|folder| folder.sync_all()).map_err(ClusterError::file("save", directory))
}

/// Makes a cluster in an empty folder of the account's.
async fn run_initdb(account: &Account, binaries: &Binaries, folder: &Path) -> Result<(), ClusterError> {
    let arguments: [&std::ffi::OsStr; 9] = [
        "-D".as_ref(),
        folder.as_os_str(),
        "--encoding=UTF8".as_ref(),
        "--locale=C".as_ref(), // the same order of text on every machine
        "--auth=reject".as_ref(),
        "--username".as_ref(),
        ADMIN.as_ref(),
        "--data-checksums".as_ref(),
        "--no-instructions".as_ref(),
    ];
    let program = binaries.program("initdb");
    account.run(&program, "initdb", arguments, INITIALISE_LIMIT, &log_of(folder)).await.map(drop)
}

/// What an earlier Bailey left that was killed in the middle of `initdb`.
fn remove_half_made(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("cluster.partial-") {
            let _ = std::fs::remove_dir_all(entry.path()); // it only takes room
        }
    }
}

/// Starts the server, or waits for one that is there to be ready or gone. Says whether it was there.
async fn bring_up(
    account: &Account,
    binaries: &Binaries,
    data: &Path,
) -> Result<(Postmaster, bool), ClusterError> {
    let deadline = Instant::now() + START_LIMIT;
    let mut started = false;
    let mut last = None;
    while Instant::now() < deadline {
        match postmaster::presence(data)? {
            Presence::Nobody => {
                start_server(account, binaries, data).await?;
                started = true;
            }
            Presence::Leaving => tokio::time::sleep(LOOK_AGAIN).await,
            Presence::Running(found) => {
                let probe = config(&found.socket_directory, ADMIN, "postgres").connect(NoTls).await;
                match probe {
                    Ok(_) => return Ok((found, !started)),
                    Err(error) => last = Some(error), // starting up, recovering or stopping
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
    Err(ClusterError::NoAnswer { directory: data.to_owned(), source: last })
}

async fn start_server(account: &Account, binaries: &Binaries, data: &Path) -> Result<(), ClusterError> {
    let log = log_of(data);
    if std::fs::metadata(&log).is_ok_and(|found| found.len() > LOG_BYTES) {
        let aside = log.with_extension("log.old");
        std::fs::rename(&log, &aside).map_err(ClusterError::file("set aside", &log))?;
    }
    let seconds = START_LIMIT.as_secs().to_string();
    let program = binaries.program("pg_ctl");
    // Connections' processes inherit the bound.
    let bounded = format!("ulimit -v {} && exec \"$@\"", CONNECTION_BYTES / 1024);
    let arguments: [&std::ffi::OsStr; 13] = [
        "-c".as_ref(),
        bounded.as_ref(),
        "sh".as_ref(),
        program.as_os_str(),
        "start".as_ref(),
        "-D".as_ref(),
        data.as_os_str(),
        "-w".as_ref(),
        "-s".as_ref(),
        "-t".as_ref(),
        seconds.as_ref(),
        "-l".as_ref(),
        log.as_os_str(),
    ];
    let limit = START_LIMIT + Duration::from_secs(5);
    let ran = account.run(Path::new("/bin/sh"), "pg_ctl start", arguments, limit, &log).await;
    ran.map(drop).map_err(|error| match error {
        ClusterError::Failed { program, output } => {
            let output = format!("{output}\nthe end of {}:\n{}", log.display(), last_lines(&log));
            ClusterError::Failed { program, output }
        }
        other => other,
    })
}

fn log_of(data: &Path) -> PathBuf {
    data.join("postgresql.log")
}

/// The last ten lines, of at most 4 KiB.
fn last_lines(log: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let mut end = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
        file.take(4096).read_to_end(&mut end)
    });
    if let Err(error) = read {
        return format!("(unreadable: {error})");
    }
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
