//! The command line: every flag, every environment variable, and where things lie when none is given.

mod operator;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bailey_outbound::Permit;
use bailey_protocol::method::sql::SqlIsolation;
use bailey_protocol::{PluginId, Timestamp, limits};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::operator::{
    AuditOptions, ChosenDeadLetters, Commands, CommandsAction, CommandsStatus, Cron, CronAction,
    DeadLetterAction, DeadLetters, DeleteSecret, ListDeadLetters, ListSchedules, ListSecrets, Secrets,
    SecretsAction, Serve, SetSecret, ShowDeadLetter, Status, SyncCommands, WhichSecret,
};

/// Runs other people's Discord plugins safely.
#[derive(Debug, Parser)]
#[command(
    name = "bailey",
    version,
    about = "Runs other people's Discord plugins safely",
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a plugin in a simulated Discord and keep it running
    Dev(Box<Dev>),
    /// Play a script with a plugin in a simulated Discord and check what comes of it
    Try(Try),
    /// Run the simulated Discord alone
    Sim(Sim),
    /// Print the script that closes the database of plugins' tables, for a superuser to run there
    SqlHardening,
    /// Run plugins on Discord, until told to stop
    Serve(Box<Serve>),
    /// Show which Baileys run, and what each plugin is doing on each server
    Status(Status),
    /// Look after the commands servers are offered
    Commands(Commands),
    /// Look after the events that could not be delivered
    DeadLetters(DeadLetters),
    /// Show which plugin is told the time when
    Cron(Cron),
    /// Look after the credentials plugins use
    Secrets(Secrets),
    /// Show what a plugin logged, also while Bailey runs
    Logs(Logs),
    /// Show what plugins did on Discord, and what came of it
    Audit(AuditOptions),
    /// Find out whether untrusted plugins may run on this machine, and what to change if not
    Doctor(Doctor),
}

/// `bailey dev`
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The plugin: a directory with manifest.json and __main__.py, or a zip
    pub(crate) plugin: PathBuf,
    /// Play this script first and show the conversation
    #[arg(long, value_name = "FILE")]
    pub(crate) conversation: Option<PathBuf>,
    /// Stop after the conversation; exit code 0 only if every expectation held
    #[arg(long, requires = "conversation")]
    pub(crate) once: bool,
    /// Where the simulated Discord listens (loopback only)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8899")]
    pub(crate) bind: SocketAddr,
    #[command(flatten)]
    pub(crate) sandbox: SandboxOptions,
    /// Run the plugin, and the resolving of its packages, WITHOUT a sandbox: they can do to this machine
    /// whatever you can
    #[arg(long, conflicts_with = "sandbox")]
    pub(crate) unsafe_bare: bool,
    #[command(flatten)]
    pub(crate) long_lived: LongLivedOptions,
    /// Write what other servers answer to this file, as steps for a script
    #[arg(long, value_name = "FILE")]
    pub(crate) record_http: Option<PathBuf>,
    /// Servers the simulated Discord has; the plugin is installed on each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) servers: u16,
    #[command(flatten)]
    pub(crate) outward: OutwardOptions,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey try`
#[derive(Debug, Args)]
pub(crate) struct Try {
    /// The plugin: a directory with manifest.json and __main__.py, or a zip
    pub(crate) plugin: PathBuf,
    /// The script: JSON lines (see docs/reference/scenario.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) script: PathBuf,
    /// Which clock the simulated Discord and Bailey follow
    #[arg(long, value_enum, default_value_t = ClockChoice::Manual)]
    pub(crate) clock: ClockChoice,
    /// Seconds a step may take until the plugin has finished with it
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) step_timeout: u64,
    /// Servers the simulated Discord has; the plugin is installed on each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) servers: u16,
    #[command(flatten)]
    pub(crate) sandbox: SandboxOptions,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey sim`
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// Where it listens (loopback only)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8899")]
    pub(crate) bind: SocketAddr,
    /// Servers the simulated Discord has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) servers: u16,
}

/// `bailey logs`
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The plugin's id, as its manifest.json has it
    pub(crate) plugin: PluginId,
    /// Only lines of this server
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// Only lines at least this serious; standard error counts as a warning, standard output as information
    #[arg(long, value_enum, default_value_t = Level::Debug)]
    pub(crate) level: Level,
    /// Only lines with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only lines with this text in the message or the extra values; capitals do not count
    #[arg(long, value_name = "TEXT")]
    pub(crate) grep: Option<String>,
    /// Only lines since then: 90s, 15m, 2h, 1d ago, or a time like 2026-01-31T12:00:00 (UTC)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<Since>,
    /// How many lines at most, the newest
    #[arg(long, value_name = "LINES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    /// Go on showing lines as they come, until interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Try every attack there is, not only those of the quick form; takes half a minute
    #[arg(long)]
    pub(crate) full: bool,
    /// One JSON object (see docs/guides/host-setup.md)
    #[arg(long)]
    pub(crate) json: bool,
    /// The Python that plugins run on
    #[arg(long, env = "BAILEY_PYTHON", value_name = "FILE", default_value = "/usr/bin/python3")]
    pub(crate) python: PathBuf,
    #[command(flatten)]
    pub(crate) sandbox: SandboxOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Everything
    Debug,
    /// What happened, and what was printed
    Info,
    /// What was odd, and what was written to standard error
    Warning,
    /// What failed
    Error,
}

/// The beginning of a stretch of time that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Since {
    /// The time it means.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(time) => now - time,
            Self::At(at) => at,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "needs a time ago like 90s, 15m, 2h or 1d, or a time like 2026-01-31T12:00:00".to_owned();
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 24 * 3600,
            _ => return text.parse().map(Self::At).map_err(|_| wrong()),
        };
        let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        let seconds = count.checked_mul(unit).filter(|seconds| *seconds <= 100 * 366 * 24 * 3600);
        seconds.map(|seconds| Self::Ago(Duration::from_secs(seconds))).ok_or_else(wrong)
    }
}

/// Which clock to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClockChoice {
    /// Time stands still until a step says `advance`; ids and times are equal in every run
    Manual,
    /// The machine's clock
    Real,
}

/// How the servers of a plugin are kept apart in its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlIsolationChoice {
    /// One set of tables for all servers; each meets its own rows only
    Shared,
    /// Tables for each server
    Dedicated,
}

impl From<SqlIsolationChoice> for SqlIsolation {
    fn from(choice: SqlIsolationChoice) -> Self {
        match choice {
            SqlIsolationChoice::Shared => Self::Shared,
            SqlIsolationChoice::Dedicated => Self::Dedicated,
        }
    }
}

/// Who puts up the walls around plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxChoice {
    /// Bailey itself: namespaces, control groups, landlock, seccomp
    Native,
    /// A Docker daemon, around a container for each plugin and server
    Docker,
}

/// What a Bailey that stays up has besides: `dev` and `serve`.
#[derive(Debug, Args)]
pub(crate) struct LongLivedOptions {
    /// A Redis for counters, cooldowns and flags, shared by several Baileys; without it each keeps its own
    #[arg(long, env = "BAILEY_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) redis: Option<String>,
    /// Where /healthz and /readyz are answered; nowhere if not given
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) operations: Option<SocketAddr>,
}

/// How plugins reach other people's servers.
#[derive(Debug, Args)]
pub(crate) struct OutwardOptions {
    /// A host of your own network that plugins may reach if their server's list has it, and where it is, such as
    /// grafana.internal:3000=10.0.0.0/8; may be given several times
    #[arg(long, env = "BAILEY_PERMIT", value_name = "HOST[:PORT]=NETWORK", value_delimiter = ',')]
    pub(crate) permit: Vec<Permit>,
    /// A name server to ask instead of this machine's; may be given several times
    #[arg(long, env = "BAILEY_NAME_SERVERS", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    pub(crate) name_server: Vec<SocketAddr>,
    /// Certificate authorities to believe besides this machine's, in PEM
    #[arg(long, env = "BAILEY_CERTIFICATES", value_name = "FILE")]
    pub(crate) certificates: Option<PathBuf>,
    /// How often a minute each plugin may ask other servers, on each server, and how often at once
    #[arg(long, env = "BAILEY_PROXY_REQUESTS_PER_MINUTE", value_name = "NUMBER", default_value_t = limits::PROXY_REQUESTS_PER_MINUTE)]
    pub(crate) proxy_requests_per_minute: NonZeroU32,
    /// Leave out the Authorization header plugins write themselves: credentials are secrets, or nothing
    #[arg(long, env = "BAILEY_STRIP_AUTHORIZATION")]
    pub(crate) strip_authorization: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
}

/// What secrets are sealed with.
#[derive(Debug, Args)]
pub(crate) struct KeyOptions {
    /// The file with the keys secrets are sealed with; made if it is not there [default: secret-keys in the data
    /// directory]
    #[arg(long, env = "BAILEY_SECRET_KEYS", value_name = "FILE")]
    pub(crate) secret_keys: Option<PathBuf>,
}

/// The walls around plugins.
#[derive(Debug, Clone, Args)]
pub(crate) struct SandboxOptions {
    /// Who puts up the walls around plugins
    #[arg(long, value_enum, env = "BAILEY_SANDBOX", default_value_t = SandboxChoice::Native)]
    pub(crate) sandbox: SandboxChoice,
    /// The Unix socket of the Docker daemon, for --sandbox docker
    #[arg(long, env = "BAILEY_DOCKER_SOCKET", value_name = "FILE", default_value = bailey_sandbox::DEFAULT_SOCKET)]
    pub(crate) docker_socket: PathBuf,
    /// The runtime Docker starts containers with, such as runsc for gVisor; its default if not given
    #[arg(long, env = "BAILEY_DOCKER_RUNTIME", value_name = "NAME")]
    pub(crate) docker_runtime: Option<String>,
}

/// How plugins are run.
#[derive(Debug, Args)]
pub(crate) struct PluginOptions {
    /// Run with this very SDK, for example mmo-maid-sdk==0.5.2, whatever the plugin asks for
    #[arg(long, value_name = "NAME==VERSION")]
    pub(crate) sdk: Option<String>,
    /// Keep the tables of every plugin this way, whatever its manifest asks for
    #[arg(long, value_enum, env = "BAILEY_SQL_ISOLATION")]
    pub(crate) sql_isolation: Option<SqlIsolationChoice>,
    /// The Python that plugins run on
    #[arg(long, env = "BAILEY_PYTHON", value_name = "FILE", default_value = "/usr/bin/python3")]
    pub(crate) python: PathBuf,
    /// The uv that resolves their requirements; looked for on PATH if not given
    #[arg(long, env = "BAILEY_UV", value_name = "FILE")]
    pub(crate) uv: Option<PathBuf>,
    /// A host, or host:port, besides the package index's own that its files lie on; may be given several times
    #[arg(long, env = "BAILEY_PACKAGE_FILE_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub(crate) package_file_host: Vec<String>,
}

/// Where things lie.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Where Bailey keeps what must not be lost [default: /var/lib/bailey for root, else ~/.local/share/bailey]
    #[arg(long, env = "BAILEY_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where Bailey keeps what it can make again [default: /var/cache/bailey for root, else ~/.cache/bailey]
    #[arg(long, env = "BAILEY_CACHE_DIR", value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// A PostgreSQL to use; without it Bailey runs a private one in the data directory
    #[arg(long, env = "BAILEY_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// The database for the tables plugins make themselves, beside a PostgreSQL of your own: entered as the
    /// role bailey_sql, closed by the script of `bailey sql-hardening`
    #[arg(
        long,
        env = "BAILEY_SQL_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true,
        requires = "database_url"
    )]
    pub(crate) sql_database_url: Option<String>,
    /// As root: the user ids that plugins' processes get, one each [default: 200000-265534]
    #[arg(long, env = "BAILEY_SANDBOX_UIDS", value_name = "FIRST-LAST")]
    pub(crate) sandbox_uids: Option<UserIds>,
    /// The group, relative to each mount, in which plugins' control groups are made: there already, ours to write to,
    /// and empty [default: below Bailey's own group where that is delegated, else `bailey` at the top]
    #[arg(long, env = "BAILEY_CONTROL_GROUP", value_name = "PATH")]
    pub(crate) control_group: Option<PathBuf>,
}

/// User ids, the first and the last included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserIds(pub(crate) Range<u32>);

impl FromStr for UserIds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        match numbers {
            // Below 1000 are the system's own users.
            Some((first @ 1000.., last @ ..=LAST_USER))
                if first <= last && !(first..=last).contains(&NOBODY) =>
            {
                Ok(Self(first..last + 1))
            }
            _ => Err("needs two user ids that nobody has, like 200000-265534: from 1000 up, without 65534"
                .to_owned()),
        }
    }
}

/// The last user id there is: the number after it means "none" to the kernel.
const LAST_USER: u32 = u32::MAX - 1;
/// Debian's user who owns nothing.
const NOBODY: u32 = 65_534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_a_range_that_nobody_has() {
        assert_eq!("200000-265534".parse(), Ok(UserIds(200_000..265_535)));
        assert_eq!("7000-7000".parse(), Ok(UserIds(7000..7001)));
        for bad in [
            "",
            "7",
            "0-5",
            "999-2000",
            "9-8",
            "2000-1000",
            "60000-70000",
            "5000-4294967295",
            "a-b",
            "1000--1",
        ] {
            assert!(bad.parse::<UserIds>().is_err(), "{bad}");
        }
    }

    #[test]
    fn since_is_a_time_ago_or_a_time() {
        let ago = |seconds| Ok(Since::Ago(Duration::from_secs(seconds)));
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(text.parse::<Since>(), ago(seconds), "{text}");
        }
        assert_eq!("1970-01-01T00:00:01".parse(), Ok(Since::At(Timestamp(1000))));
        for bad in ["", "s", "-5m", "5x", "é", "99999999999999d", "1.5h"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
