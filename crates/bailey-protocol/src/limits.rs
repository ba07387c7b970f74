//! Every number a plugin or its author can hit on the wire, once. Where each comes from is said
//! beside it: the SDKs and Discord fix some, the others are Bailey's choice.

use std::num::NonZeroU32;
use std::time::Duration;

/// Keys one tenant may keep. Published by the SDKs.
pub const KV_KEYS: u32 = 10_000;
/// Bytes of compact JSON one key may hold. Published by the SDKs.
pub const KV_VALUE_BYTES: usize = 64 * 1024;
/// Bytes a key may have. Bailey's choice: the SDKs publish none.
pub const KV_KEY_BYTES: usize = 512;
/// Keys one `kv.mget` may ask for. From the SDKs.
pub const KV_MGET_KEYS: usize = 50;
/// Entries one `kv.mput` may write. From the SDKs.
pub const KV_MPUT_ENTRIES: usize = 25;
/// Keys one `kv.list` returns at most. SDKs before 0.9 document 1000, later ones ask for 100.
pub const KV_LIST_KEYS: u32 = 1000;
/// Keys one `kv.list` or `kv.list_values` returns when the plugin names no number.
pub const KV_LIST_DEFAULT: u32 = 100;
/// Entries one `kv.list_values` returns at most. From the SDKs.
pub const KV_LIST_VALUES: u32 = 100;
/// Seconds a key may be asked to live at most: ten years. Bailey's choice.
pub const KV_TTL_SECONDS: u64 = 10 * 366 * 24 * 3600;
/// Levels a `kv.increment` path may have. Bailey's choice.
pub const KV_PATH_DEPTH: usize = 32;
/// Bits a whole number may have that `kv.increment` and `kv.decr` add to, and its sum, sign included. Bailey's choice.
pub const KV_INTEGER_BITS: u32 = 128;

/// Characters of a secret's name. From the SDKs.
pub const SECRET_NAME_CHARACTERS: usize = 64;
/// Characters of a secret's value. From the SDKs.
pub const SECRET_VALUE_CHARACTERS: usize = 4096;
/// Secrets one plugin may keep on one server; the developer's defaults count apart. Bailey's choice.
pub const SECRETS: u32 = 100;
/// Characters of a secret from which on it is found and blotted out in what comes back and in logs; shorter ones would blot out half of every text. Bailey's choice.
pub const SECRET_BLOTTED_CHARACTERS: usize = 6;
/// `proxy.request` calls one plugin on one server may make in a minute: so many at once, and then one every two seconds. From the SDKs' platform; the operator may change it.
pub const PROXY_REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Hosts an administrator may add for one plugin on one server. Bailey's choice.
pub const ALLOWED_HOSTS: u32 = 50;

/// Schedules one plugin may have. From the SDKs.
pub const CRON_SCHEDULES: usize = 5;
/// Characters of a schedule's name. Bailey's choice: long function names are shorter.
pub const CRON_NAME_CHARACTERS: usize = 128;
/// Least time from one due minute of a schedule to the next, as its minute field alone tells. From the SDKs.
pub const CRON_EVERY: Duration = Duration::from_secs(5 * 60);
/// How old a missed time may be that is made up for (`"missed": "run_once"`). Bailey's choice.
pub const CRON_MADE_UP: Duration = Duration::from_secs(24 * 3600);
/// Time over which what is due in one minute is spread when it is much. Bailey's choice: well within the minute.
pub const CRON_SPREAD: Duration = Duration::from_secs(30);
/// How late a due minute may be told after Bailey was held up (a machine that slept, say); older ones are missed. Bailey's choice.
pub const CRON_LATE: Duration = Duration::from_secs(3 * 60);

/// WebSocket connections one plugin may keep on one server. Bailey's choice.
pub const SOCKETS: usize = 5;
/// WebSocket connections all plugins together may keep on one server. Bailey's choice.
pub const SOCKETS_PER_SERVER: usize = 25;
/// WebSocket connections one Bailey keeps. Bailey's choice: each takes some 50 KiB.
pub const SOCKETS_IN_ALL: usize = 10_000;
/// Characters of a connection's name. Bailey's choice.
pub const SOCKET_NAME_CHARACTERS: usize = 64;
/// Frames `ws.ensure` may have sent after every connect. Bailey's choice.
pub const SOCKET_SUBSCRIBE_FRAMES: usize = 50;
/// Bytes of these together. Bailey's choice.
pub const SOCKET_SUBSCRIBE_BYTES: usize = 64 * 1024;
/// Frames of one connection that wait for the plugin; past it the oldest are dropped and counted. From the SDKs' platform.
pub const SOCKET_QUEUE: usize = 256;
/// Frames of one connection that wait for the server; past it `ws.send` is refused. Bailey's choice.
pub const SOCKET_SEND_QUEUE: usize = 64;
/// Time the plugin may take with one frame before the next of its connection comes. Bailey's choice.
pub const SOCKET_FRAME_TIME: Duration = Duration::from_secs(30);

/// Bytes of one SQL statement's text. Bailey's choice: the parser's time and memory grow with it.
pub const SQL_TEXT_BYTES: usize = 64 * 1024;
/// Values for the placeholders of one SQL statement. Bailey's choice: hundreds of rows in one `VALUES`.
pub const SQL_PARAMETERS: usize = 1000;
/// Rows one `sql.query` returns, also when the plugin names no number; if there were more, `truncated` says so. From the SDKs.
pub const SQL_ROWS: usize = 1000;
/// Bytes of JSON all rows of one `sql.query` may have together; past it the call fails. Bailey's choice.
pub const SQL_RESULT_BYTES: usize = 8 * 1024 * 1024;
/// Time one SQL statement may run, waiting for locks included. Bailey's choice, well below `CALL_DEADLINE`.
pub const SQL_STATEMENT_TIME: Duration = Duration::from_secs(5);
/// Sizes of two values, multiplied, that one call of a function may have which PostgreSQL cannot cancel (`strpos`, `LIKE`, `@>` and others). Bailey's choice: about two seconds.
pub const SQL_WORK: u64 = 500_000_000;
/// Changes to tables and indexes one tenant may make in an hour; those that change nothing do not count. Bailey's choice: a plugin with 20 tables sets up several times over.
pub const SQL_SCHEMA_CHANGES_PER_HOUR: u32 = 200;
/// Bytes on disk one tenant's tables and indexes may have; past it, what writes fails until there is room again. Bailey's choice.
pub const SQL_DISK_BYTES: u64 = 64 * 1024 * 1024;
/// Time one SQL statement waits for rows or tables others use. Bailey's choice.
pub const SQL_LOCK_TIME: Duration = Duration::from_secs(2);
/// Memory one SQL statement sorts and hashes in before it goes to temporary files. Bailey's choice.
pub const SQL_WORK_MEMORY_BYTES: u64 = 8 * 1024 * 1024;
/// Temporary files one SQL session may have. Bailey's choice: a statement that never ends fills no disk.
pub const SQL_TEMPORARY_BYTES: u64 = 256 * 1024 * 1024;
/// Connections one plugin's SQL has at most on one host, for all its servers; with dedicated isolation `SQL_CONNECTIONS_PER_SERVER` on each server. Bailey's choice: writes that wait for the disk wait together.
pub const SQL_CONNECTIONS: usize = 8;
/// Of these, connections one server uses at once. Bailey's choice: a busy server leaves some to the others.
pub const SQL_CONNECTIONS_PER_SERVER: usize = 2;
/// Connections of all plugins' SQL on one host; past it, those of the longest unused plugins (with dedicated isolation: plugins on servers) are closed. Bailey's choice, within PostgreSQL's `max_connections`.
pub const SQL_CONNECTIONS_IN_ALL: usize = 192;
/// Time to wait for an SQL connection. Bailey's choice.
pub const SQL_CONNECTION_PATIENCE: Duration = Duration::from_secs(5);
/// Tables one plugin may have; with dedicated isolation, on each server. Bailey's choice.
pub const SQL_TABLES: usize = 200;

/// Characters of a key of `ephemeral.*`. From the SDKs.
pub const EPHEMERAL_KEY_CHARACTERS: usize = 256;
/// Seconds a window or a time to live of `ephemeral.*` may have; what is outside 1 to this is brought within. From the SDKs.
pub const EPHEMERAL_SECONDS: u64 = 86_400;
/// Hits one `ephemeral.counter` keeps: it counts no further. Bailey's choice, far above any rate limit.
pub const EPHEMERAL_HITS: usize = 10_000;
/// Keys of `ephemeral.*` one tenant may hold; for one more, the soonest to expire is forgotten. Bailey's choice.
pub const EPHEMERAL_KEYS: usize = 10_000;
/// Memory of `ephemeral.*` one tenant may hold, hits of counters included; past it, as with the keys. Bailey's choice.
pub const EPHEMERAL_BYTES: usize = 8 * 1024 * 1024;
/// Memory of `ephemeral.*` all tenants together may hold; past it, those who hold most forget first. Bailey's choice.
pub const EPHEMERAL_TOTAL_BYTES: usize = 256 * 1024 * 1024;
/// Time a call of `ephemeral.*` waits for Redis; then the host answers from its own memory. Bailey's choice.
pub const EPHEMERAL_REDIS_PATIENCE: Duration = Duration::from_millis(500);
/// Time between two attempts to get back to a Redis that is away, and between two looks at one that is not. Bailey's choice.
pub const EPHEMERAL_REDIS_RETRY: Duration = Duration::from_secs(1);

/// Characters of one log message. From the SDKs; longer ones are cut.
pub const LOG_MESSAGE_CHARACTERS: usize = 4000;
/// Tags of one log line. From the SDKs.
pub const LOG_TAGS: usize = 10;
/// Extra keys of one log line. From the SDKs.
pub const LOG_EXTRA_KEYS: usize = 20;
/// Characters of one extra value. From the SDKs.
pub const LOG_EXTRA_CHARACTERS: usize = 500;
/// Changes a plugin may make on one server of Discord in a minute, and at once, unless the operator says otherwise; more
/// waits up to ten seconds. Answers to interactions and reading do not count. Bailey's choice.
pub const DISCORD_WRITES_PER_MINUTE: u32 = 60;
/// Time the audit of what plugins did on Discord is kept, by whole days of UTC. Bailey's choice.
pub const AUDIT_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Log lines one tenant may write in a minute, and as many again its process may print beside the protocol;
/// what is over is counted and dropped. Bailey's choice.
pub const LOG_LINES_PER_MINUTE: u32 = 60;
/// Bytes of either kind in a minute, with 256 for each line; what is over is counted and dropped. Bailey's choice:
/// nobody can push everybody else's lines out of the log.
pub const LOG_BYTES_PER_MINUTE: usize = 256 * 1024;
/// Time log lines are kept, by whole days of UTC, unless the operator says otherwise. Bailey's choice.
pub const LOG_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// Bytes all log lines may take on disk, unless the operator says otherwise; past it the oldest day goes first. Bailey's choice.
pub const LOG_TOTAL_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Log lines one question returns at most; more come page by page. Bailey's choice.
pub const LOG_PAGE_LINES: u32 = 1000;
/// Bytes kept of one line of a plugin's stderr or stray stdout. Bailey's choice.
pub const NOISE_LINE_BYTES: usize = 8 * 1024;

/// Characters of a metric's name. The longest any SDK documents.
pub const METRIC_NAME_CHARACTERS: usize = 128;
/// Tags of one recorded value. From the SDKs.
pub const METRIC_TAGS: usize = 10;
/// Bytes of a tag's name. Bailey's choice.
pub const METRIC_TAG_NAME_BYTES: usize = 64;
/// Bytes of a tag's value. Bailey's choice.
pub const METRIC_TAG_VALUE_BYTES: usize = 128;
/// How far from zero a recorded value may be. Bailey's choice: sums of such values stay finite.
pub const METRIC_VALUE: f64 = 1e100;
/// Sets of tags one metric may have on one server, none at all being one; a value that would begin one more
/// is refused. Bailey's choice.
pub const METRIC_TAG_SETS: usize = 100;
/// Series (a metric with one set of tags) one tenant may have; a value that would begin one more is
/// refused. Bailey's choice.
pub const METRIC_SERIES: usize = 1000;
/// Values of a tag a grouped query shows; the rest is one series called `(other)`. Bailey's choice.
pub const METRIC_GROUPS: usize = 20;
/// Time by which minutes are kept, by whole days of UTC. Bailey's choice, above the hour one can ask for.
pub const METRIC_MINUTES_KEPT: Duration = Duration::from_secs(48 * 3600);
/// Time by which hours are kept, by whole weeks. From the SDKs.
pub const METRIC_HOURS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Characters of a message. Discord's.
pub const MESSAGE_CHARACTERS: usize = 2000;
/// Embeds of a message. Discord's.
pub const MESSAGE_EMBEDS: usize = 10;
/// Rows of components of a message. Discord's.
pub const MESSAGE_ACTION_ROWS: usize = 5;
/// Files of a message. From the SDKs.
pub const MESSAGE_FILES: usize = 3;
/// Bytes of all files of a message together, decoded. From the SDKs.
pub const MESSAGE_FILE_BYTES: usize = 8 * 1024 * 1024;
/// Messages deleted at once at most; two at least. Discord's.
pub const BULK_DELETE_MESSAGES: usize = 100;
/// Users of a bulk call. From the SDKs.
pub const BULK_USERS: usize = 25;
/// Characters of a reason in the audit log. Discord's.
pub const AUDIT_REASON_CHARACTERS: usize = 512;
/// Characters of a channel's or thread's name. Discord's.
pub const CHANNEL_NAME_CHARACTERS: usize = 100;
/// Characters of a channel's topic. From the SDKs.
pub const CHANNEL_TOPIC_CHARACTERS: usize = 1024;
/// People in a voice channel, where it is limited. Discord's.
pub const CHANNEL_USER_LIMIT: u64 = 99;
/// Characters of a nickname. Discord's.
pub const NICKNAME_CHARACTERS: usize = 32;
/// Characters of a webhook's name. Discord's.
pub const WEBHOOK_NAME_CHARACTERS: usize = 80;
/// Seconds of a timeout, 28 days. Discord's.
pub const TIMEOUT_SECONDS: u64 = 2_419_200;
/// Seconds of messages a ban deletes, 7 days. Discord's.
pub const BAN_DELETE_SECONDS: u64 = 604_800;
/// Members of one `discord.list_members`. From the SDKs.
pub const LIST_MEMBERS: u64 = 100;
/// Members of one `discord.search_members`. From the SDKs.
pub const SEARCH_MEMBERS: u64 = 25;
/// Messages of one `discord.get_messages`. From the SDKs.
pub const GET_MESSAGES: u64 = 50;
/// Characters of a form's title. Discord's.
pub const MODAL_TITLE_CHARACTERS: usize = 45;
/// Characters of a `custom_id`. Discord's.
pub const CUSTOM_ID_CHARACTERS: usize = 100;
/// Rows of a form. Discord's.
pub const MODAL_ROWS: usize = 5;
/// Time for the first answer to an interaction. Discord's.
pub const INTERACTION_FIRST_ANSWER: Duration = Duration::from_secs(3);
/// Time after which the host answers "thinking" in the plugin's place. Bailey's choice, below Discord's.
pub const INTERACTION_AUTO_DEFER: Duration = Duration::from_secs(2);
/// Life of an interaction's token. Discord's.
pub const INTERACTION_TOKEN: Duration = Duration::from_secs(15 * 60);
/// How far the time of a signature may be from ours, for an interaction that comes by HTTP. Bailey's choice.
pub const INTERACTION_SIGNATURE_AGE: Duration = Duration::from_secs(5 * 60);
/// Bytes of an interaction that comes by HTTP. Bailey's choice: a form holds at most 5 texts of 4000 characters.
pub const INTERACTION_BODY_BYTES: usize = 1024 * 1024;
/// Slash commands all plugins of a server have together; past it, those of the plugin installed last are left out. Discord's limit.
pub const COMMANDS_PER_SERVER: usize = 100;
/// Commands in the menu of a person, and of a message, that all plugins of a server have together. Discord's limit.
pub const CONTEXT_COMMANDS_PER_SERVER: usize = 15;
/// New commands one server gets in 24 hours; past it, nothing is written until there is room again. Discord's limit.
pub const COMMAND_CREATIONS_PER_DAY: u32 = 200;
/// Characters of a command's or an option's name. Discord's limit.
pub const COMMAND_NAME_CHARACTERS: usize = 32;
/// Characters of the description of a command or an option, and of a choice's name or text. Discord's limit.
pub const COMMAND_DESCRIPTION_CHARACTERS: usize = 100;
/// Characters of one command: names, descriptions and choices together. Discord's limit.
pub const COMMAND_CHARACTERS: usize = 8000;
/// Options of a command, a group or a subcommand. Discord's limit.
pub const COMMAND_OPTIONS: usize = 25;
/// Choices of an option, and suggestions shown at once. Discord's limit.
pub const COMMAND_CHOICES: usize = 25;

/// Time the host takes to answer a call at most. The SDKs give up after 30 s; below that the
/// plugin is told why instead.
pub const CALL_DEADLINE: Duration = Duration::from_secs(25);
/// Bytes of one line from a plugin: 8 MB of files as base64, with room. Bailey's choice.
pub const LINE_BYTES: usize = 16 * 1024 * 1024;
/// Calls a second one process may make, sustained. Bailey's choice: a loop over a few thousand keys
/// passes, a runaway one does not take the database from its neighbours.
pub const CALLS_PER_SECOND: f64 = 1000.0;
/// Calls one process may make at once before that rate counts. Bailey's choice.
pub const CALLS_AT_ONCE: f64 = 2000.0;
/// Calls one process may have in flight. Bailey's choice; the SDKs use four threads.
pub const CALLS_IN_FLIGHT: usize = 64;
/// Bytes of parameters one process may have in flight: two of the largest lines. Bailey's choice.
pub const CALL_BYTES_IN_FLIGHT: usize = 2 * 16 * 1024 * 1024;
/// Calls one plugin may have in flight on one host, all its servers together. Bailey's choice: what is installed
/// everywhere leaves the database to the others.
pub const PLUGIN_CALLS_IN_FLIGHT: usize = 256;
/// Events sent to a process and not yet acknowledged. Bailey's choice, far below the SDK's queue of 2048.
pub const DELIVERY_WINDOW: usize = 16;
/// Events waiting for one process; the oldest that is no interaction is dropped first. Bailey's choice.
pub const DELIVERY_QUEUE: usize = 1024;
/// Attempts to deliver one event before it is put aside. Published by the SDKs.
pub const DELIVERY_ATTEMPTS: u32 = 5;
/// Events put aside that are kept for one tenant; past it the oldest are forgotten. Bailey's choice.
pub const DEAD_LETTERS: u32 = 1000;
/// Time an event that was put aside is kept, counted from the last time. Bailey's choice.
pub const DEAD_LETTERS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Events put aside that wait in a host's memory while the database is away; past it they are counted and
/// lost. Bailey's choice.
pub const DEAD_LETTERS_WAITING: usize = 10_000;
/// Bytes these may take; past it they are counted and lost. Bailey's choice.
pub const DEAD_LETTERS_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// Events put aside that one host delivers once more at the same time. Bailey's choice.
pub const DEAD_LETTERS_REDRIVEN: u32 = 64;
/// Time after which a host that says nothing counts as gone, and another may take over what it had claimed.
/// Bailey's choice: five heartbeats.
pub const HOST_GONE_AFTER: Duration = Duration::from_secs(15);
/// Time a host that has gone is still shown. Bailey's choice.
pub const HOST_SHOWN: Duration = Duration::from_secs(3600);
/// Time from the start of a process to its first line and its answer to `host.boot`.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(30);
/// Time a process may leave an event unacknowledged before it is replaced.
pub const EVENT_DEADLINE: Duration = Duration::from_secs(60);
/// Time by which that may grow while the process waits for answers of ours that are slow. Bailey's choice.
pub const EVENT_DEADLINE_EXTENSION: Duration = Duration::from_secs(300);
/// Time in which an answer of ours counts as quick: waiting longer for it is not held against a plugin. Bailey's choice.
pub const QUICK_ANSWER: Duration = Duration::from_secs(1);
/// Time a process that is late with an event gets to answer a request of the host, before it is replaced. Bailey's choice.
pub const PING_PATIENCE: Duration = Duration::from_secs(5);
/// Failed events that stop deliveries to a plugin on a server, among the `BREAKER_OUTCOMES` latest of the last
/// `BREAKER_WITHIN`. Bailey's choice: the SDKs tell of a breaker, and publish no numbers.
pub const BREAKER_FAILURES: usize = 10;
/// Handled events that are looked at for that. As above.
pub const BREAKER_OUTCOMES: usize = 20;
/// Time within which they were handled. As above.
pub const BREAKER_WITHIN: Duration = Duration::from_secs(60);
/// Crashes within `BREAKER_CRASHES_WITHIN` that stop deliveries to a plugin on a server. As above.
pub const BREAKER_CRASHES: usize = 3;
/// Failed starts within `BREAKER_CRASHES_WITHIN` that do the same. Bailey's choice.
pub const BREAKER_FAILED_STARTS: usize = 3;
/// Time within which crashes and failed starts add up. As above.
pub const BREAKER_CRASHES_WITHIN: Duration = Duration::from_secs(300);
/// Time deliveries are stopped before one event is tried; doubled each time the trial fails. As above.
pub const BREAKER_OPEN: Duration = Duration::from_secs(60);
/// Time they are stopped at most. As above.
pub const BREAKER_OPEN_MOST: Duration = Duration::from_secs(15 * 60);
/// Servers on which deliveries to a plugin were stopped within `BREAKER_CRASHES_WITHIN`: then it is not started
/// anywhere on this host until one server tried it again. As above.
pub const PLUGIN_BREAKER_SERVERS: usize = 5;
/// Crashes of a plugin within `BREAKER_CRASHES_WITHIN` that do the same, if on `PLUGIN_BREAKER_CRASH_SERVERS`. Bailey's choice.
pub const PLUGIN_BREAKER_CRASHES: usize = 20;
/// Servers these crashes must be on: one server alone stops nobody else. Bailey's choice.
pub const PLUGIN_BREAKER_CRASH_SERVERS: usize = 3;
/// Time without events and calls after which a process is ended until it is needed again. Bailey's choice.
pub const IDLE_UNLOAD: Duration = Duration::from_secs(10 * 60);
/// Memory a process counts as until it has started and is measured. Bailey's choice: a plugin with the SDK takes less.
pub const START_MEMORY_BYTES: u64 = 32 * 1024 * 1024;
/// Time a start may take before others start beside it. Bailey's choice: the work of a start is done sooner.
pub const START_TURN: Duration = Duration::from_secs(5);
/// Processes that may wait for memory or for their turn to start, on one host; of one plugin at most half. Bailey's choice.
pub const STARTS_WAITING: usize = 1024;
/// Time one waits for that. Bailey's choice.
pub const START_PATIENCE: Duration = Duration::from_secs(30);
/// Time after which a process that got no place asks for one again, if events still wait. Bailey's choice.
pub const START_AGAIN: Duration = Duration::from_secs(5);
/// Time given for outstanding acknowledgements at a shutdown, and again for the process to end.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Time between asking a process to end and killing it.
pub const KILL_GRACE: Duration = Duration::from_secs(2);
/// Time plugins have, when Bailey is told to stop, to finish what has reached it; what is left is put aside.
/// Bailey's choice.
pub const DRAIN_PATIENCE: Duration = Duration::from_secs(20);
/// Time stopping may take in all; then Bailey ends at once. Bailey's choice.
pub const STOP_PATIENCE: Duration = Duration::from_secs(90);
/// Time from the wish to stop until Bailey's host ends, whatever is still going on. Bailey's choice.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// Levels of nesting a JSON value may have.
pub const JSON_DEPTH: usize = 120;
/// Characters of foreign text (from Discord, PostgreSQL, ...) kept in an error message.
pub const ERROR_DETAIL_CHARACTERS: usize = 300;
