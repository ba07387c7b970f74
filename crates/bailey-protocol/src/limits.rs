//! Every number a plugin or its author can hit on the wire, once. Where each comes from is said
//! beside it: the SDKs and Discord fix some, the others are Bailey's choice.

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

/// Characters of one log message. From the SDKs; longer ones are cut.
pub const LOG_MESSAGE_CHARACTERS: usize = 4000;
/// Tags of one log line. From the SDKs.
pub const LOG_TAGS: usize = 10;
/// Extra keys of one log line. From the SDKs.
pub const LOG_EXTRA_KEYS: usize = 20;
/// Characters of one extra value. From the SDKs.
pub const LOG_EXTRA_CHARACTERS: usize = 500;
/// Log lines one tenant may write in a minute; what is over is counted and dropped. Bailey's choice.
pub const LOG_LINES_PER_MINUTE: u32 = 600;
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
/// Series (a metric with one set of tags) one tenant may have; a value that would begin one more is
/// refused. Bailey's choice.
pub const METRIC_SERIES: usize = 1000;
/// Values of a tag a grouped query shows; the rest is one series called `(other)`. Bailey's choice.
pub const METRIC_GROUPS: usize = 20;
/// Time by which minutes are kept. Bailey's choice, above the hour one can ask for.
pub const METRIC_MINUTES_KEPT: Duration = Duration::from_secs(48 * 3600);
/// Time by which hours are kept. From the SDKs.
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
/// Events sent to a process and not yet acknowledged. Bailey's choice, far below the SDK's queue of 2048.
pub const DELIVERY_WINDOW: usize = 16;
/// Events waiting for one process; the oldest that is no interaction is dropped first. Bailey's choice.
pub const DELIVERY_QUEUE: usize = 1024;
/// Attempts to deliver one event before it is put aside. Published by the SDKs.
pub const DELIVERY_ATTEMPTS: u32 = 5;
/// Time from the start of a process to its first line and its answer to `host.boot`.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(30);
/// Time a process may leave an event unacknowledged before it is replaced.
pub const EVENT_DEADLINE: Duration = Duration::from_secs(60);
/// Time given for outstanding acknowledgements at a shutdown, and again for the process to end.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Time between asking a process to end and killing it.
pub const KILL_GRACE: Duration = Duration::from_secs(2);
/// Levels of nesting a JSON value may have.
pub const JSON_DEPTH: usize = 120;
/// Characters of foreign text (from Discord, PostgreSQL, ...) kept in an error message.
pub const ERROR_DETAIL_CHARACTERS: usize = 300;
