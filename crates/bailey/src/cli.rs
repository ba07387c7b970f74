//! The command line: every flag, every environment variable, and where things lie when none is given.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs other people's Discord plugins safely.
#[derive(Debug, Parser)]
#[command(name = "bailey", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a plugin in a simulated Discord and keep it running
    Dev(Dev),
    /// Play a script with a plugin in a simulated Discord and check what comes of it
    Try(Try),
    /// Run the simulated Discord alone
    Sim(Sim),
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
    /// Run the plugin WITHOUT a sandbox: it can do to this machine whatever you can
    #[arg(long)]
    pub(crate) unsafe_bare: bool,
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

/// Which clock to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClockChoice {
    /// Time stands still until a step says `advance`; ids and times are equal in every run
    Manual,
    /// The machine's clock
    Real,
}

/// How a plugin is run.
#[derive(Debug, Args)]
pub(crate) struct PluginOptions {
    /// Servers the simulated Discord has; the plugin is installed on each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) servers: u16,
    /// Run with this very SDK, for example mmo-maid-sdk==0.5.2, whatever the plugin asks for
    #[arg(long, value_name = "NAME==VERSION")]
    pub(crate) sdk: Option<String>,
    /// The Python that plugins run on
    #[arg(long, env = "BAILEY_PYTHON", value_name = "FILE", default_value = "/usr/bin/python3")]
    pub(crate) python: PathBuf,
    /// The uv that resolves their requirements; looked for on PATH if not given
    #[arg(long, env = "BAILEY_UV", value_name = "FILE")]
    pub(crate) uv: Option<PathBuf>,
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
}
