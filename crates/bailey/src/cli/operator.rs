//! What an operator says to `serve`, `status`, `commands` and `dead-letters`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use bailey_discord::{DiscordConfig, PublicKey, ShardPlan};
use bailey_outbound::Host;
use bailey_protocol::PluginId;
use bailey_protocol::method::secrets::SecretName;
use clap::{ArgGroup, Args, Subcommand};

use super::{KeyOptions, LongLivedOptions, OutwardOptions, Places, PluginOptions, SandboxOptions, Since};

/// `bailey serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A file with the bot's token; without it the token is read from BAILEY_DISCORD_TOKEN
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Another Discord than the real one: https://HOST, or http://127.0.0.1:PORT for `bailey sim`
    #[arg(long, value_name = "URL")]
    pub(crate) discord_url: Option<String>,
    /// A plugin of your own to install, with what its manifest asks for: a directory or a zip
    #[arg(long = "plugin", value_name = "DIR", requires = "servers")]
    pub(crate) install: Vec<PathBuf>,
    /// A server to install it on, by its id
    #[arg(long, value_name = "ID", group = "servers", requires = "install")]
    pub(crate) server: Vec<u64>,
    /// Install it on every server the bot is in, also those it joins later
    #[arg(long, group = "servers", requires = "install", conflicts_with = "server")]
    pub(crate) all_servers: bool,
    /// Over how many connections the bot's servers are spread; as many as Discord recommends if not given
    #[arg(long, env = "BAILEY_SHARDS", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(ShardPlan::MOST)))]
    pub(crate) shards: Option<u32>,
    /// Where Discord may send interactions by HTTP instead of the gateway, below /interactions; nowhere if not given
    #[arg(long, value_name = "ADDRESS", requires = "discord_public_key")]
    pub(crate) interactions_listen: Option<SocketAddr>,
    /// The application's public key, which shows that a request is Discord's
    #[arg(long, env = "BAILEY_DISCORD_PUBLIC_KEY", value_name = "HEX")]
    pub(crate) discord_public_key: Option<PublicKey>,
    /// A slash command's name that no plugin gets: it is registered as /PLUGIN-NAME; may be given several times
    #[arg(long, env = "BAILEY_RESERVE_COMMANDS", value_name = "NAME", value_delimiter = ',')]
    pub(crate) reserve_command: Vec<String>,
    /// How often a minute each plugin may change something on each server, and how often at once
    #[arg(long, env = "BAILEY_DISCORD_WRITES_PER_MINUTE", value_name = "NUMBER", default_value_t = DiscordConfig::WRITES_PER_MINUTE)]
    pub(crate) discord_writes_per_minute: NonZeroU32,
    #[command(flatten)]
    pub(crate) long_lived: LongLivedOptions,
    #[command(flatten)]
    pub(crate) outward: OutwardOptions,
    /// Write what becomes of each event to this file, a JSON object a line: with the text of messages
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sandbox: SandboxOptions,
    #[command(flatten)]
    pub(crate) plugins: PluginOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this plugin
    #[arg(long, value_name = "ID")]
    pub(crate) plugin: Option<PluginId>,
    /// Only this server
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey commands`
#[derive(Debug, Args)]
pub(crate) struct Commands {
    #[command(subcommand)]
    pub(crate) action: CommandsAction,
}

/// What to do with the commands servers are offered.
#[derive(Debug, Subcommand)]
pub(crate) enum CommandsAction {
    /// Show what each server was offered, what was left out and why, and what Discord said
    Status(CommandsStatus),
    /// Compare with Discord what the installed plugins offer, and write what differs
    Sync(SyncCommands),
}

/// `bailey commands status`
#[derive(Debug, Args)]
pub(crate) struct CommandsStatus {
    /// Only this server
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey commands sync`
#[derive(Debug, Args)]
pub(crate) struct SyncCommands {
    /// Only this server
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A file with the bot's token; without it the token is read from BAILEY_DISCORD_TOKEN
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Another Discord than the real one: https://HOST, or http://127.0.0.1:PORT for `bailey sim`
    #[arg(long, value_name = "URL")]
    pub(crate) discord_url: Option<String>,
    /// A slash command's name that no plugin gets; the same as given to `bailey serve`
    #[arg(long, env = "BAILEY_RESERVE_COMMANDS", value_name = "NAME", value_delimiter = ',')]
    pub(crate) reserve_command: Vec<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey dead-letters`
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    pub(crate) action: DeadLetterAction,
}

/// What to do with events that could not be delivered.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterAction {
    /// List them, the newest first
    List(ListDeadLetters),
    /// Show one whole, with what the plugin would see
    Show(ShowDeadLetter),
    /// Have them delivered once more, by the Bailey that runs the plugin or the next one that does
    Redrive(ChosenDeadLetters),
    /// Forget them
    Drop(ChosenDeadLetters),
}

impl DeadLetterAction {
    /// Where things lie.
    pub(crate) fn places(&self) -> &Places {
        match self {
            Self::List(options) => &options.places,
            Self::Show(options) => &options.places,
            Self::Redrive(options) | Self::Drop(options) => &options.places,
        }
    }
}

/// `bailey dead-letters list`
#[derive(Debug, Args)]
pub(crate) struct ListDeadLetters {
    /// Only those of this plugin
    #[arg(long, value_name = "ID")]
    pub(crate) plugin: Option<PluginId>,
    /// Only those of this server
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// Only those put aside since then: 90s, 15m, 2h, 1d ago, or a time like 2026-01-31T12:00:00 (UTC)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<Since>,
    /// How many at most
    #[arg(long, value_name = "LETTERS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey dead-letters show`
#[derive(Debug, Args)]
pub(crate) struct ShowDeadLetter {
    /// Its number, as the list has it
    #[arg(value_name = "NUMBER")]
    pub(crate) id: i64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Which dead letters: one, or those of a plugin.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["id", "plugin"]).required(true)))]
pub(crate) struct ChosenDeadLetters {
    /// Its number, as the list has it
    #[arg(value_name = "NUMBER", conflicts_with_all = ["server", "since"])]
    pub(crate) id: Option<i64>,
    /// All those of this plugin
    #[arg(long, value_name = "ID")]
    pub(crate) plugin: Option<PluginId>,
    /// Of these, only those of this server
    #[arg(long, value_name = "ID", requires = "plugin")]
    pub(crate) server: Option<u64>,
    /// Of these, only those put aside since then
    #[arg(long, value_name = "WHEN", requires = "plugin")]
    pub(crate) since: Option<Since>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey audit`
#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    /// Only what this plugin did
    #[arg(long, value_name = "ID")]
    pub(crate) plugin: Option<PluginId>,
    /// Only on this server
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// Only calls of this method, such as discord.ban_member
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<String>,
    /// Only what was refused or failed
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only since then: 90s, 15m, 2h, 1d ago, or a time like 2026-01-31T12:00:00 (UTC)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<Since>,
    /// How many entries at most, the newest
    #[arg(long, value_name = "ENTRIES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey cron`
#[derive(Debug, Args)]
pub(crate) struct Cron {
    #[command(subcommand)]
    pub(crate) action: CronAction,
}

/// What to do with plugins' schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum CronAction {
    /// Show each schedule, when it is due next, and when the plugin was told last
    List(ListSchedules),
}

/// `bailey cron list`
#[derive(Debug, Args)]
pub(crate) struct ListSchedules {
    /// Only this plugin
    #[arg(long, value_name = "ID")]
    pub(crate) plugin: Option<PluginId>,
    /// Only this server
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey secrets`
#[derive(Debug, Args)]
pub(crate) struct Secrets {
    #[command(subcommand)]
    pub(crate) action: SecretsAction,
}

/// What to do with plugins' secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsAction {
    /// Set a secret; its value is read from standard input
    Set(SetSecret),
    /// Show which secrets there are, never their values
    List(ListSecrets),
    /// Remove a secret
    Delete(DeleteSecret),
    /// Seal all secrets with a new key, and forget the old ones
    Rotate(RotateSecrets),
}

/// `bailey secrets set`
#[derive(Debug, Args)]
pub(crate) struct SetSecret {
    #[command(flatten)]
    pub(crate) which: WhichSecret,
    /// Send it to this host alone, when the plugin asks for that, and show it to nobody
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<Host>,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey secrets list`
#[derive(Debug, Args)]
pub(crate) struct ListSecrets {
    /// Only this plugin's
    #[arg(long, value_name = "ID")]
    pub(crate) plugin: Option<PluginId>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey secrets delete`
#[derive(Debug, Args)]
pub(crate) struct DeleteSecret {
    #[command(flatten)]
    pub(crate) which: WhichSecret,
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `bailey secrets rotate`
#[derive(Debug, Args)]
pub(crate) struct RotateSecrets {
    #[command(flatten)]
    pub(crate) keys: KeyOptions,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// One secret.
#[derive(Debug, Args)]
pub(crate) struct WhichSecret {
    /// The plugin's id, as its manifest.json has it
    #[arg(long, value_name = "ID")]
    pub(crate) plugin: PluginId,
    /// The server it is for; without it, it is the default on every server that has none of its own
    #[arg(long, value_name = "ID")]
    pub(crate) server: Option<u64>,
    /// Its name: letters, digits, _, - and .
    pub(crate) name: SecretName,
}
