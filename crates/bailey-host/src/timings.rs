//! Every duration and rate the host keeps to, in one place. The defaults are what people meet;
//! tests and scenarios hand in shorter ones.

use std::time::Duration;

use bailey_protocol::limits;

use crate::cron::CronTimings;

/// How long the host waits for what.
#[derive(Debug, Clone)]
pub struct HostTimings {
    /// From the start of a process to its answer to `host.boot`.
    pub boot_deadline: Duration,
    /// Wait for the answer to `host.boot` before it is sent again as a notification.
    pub boot_answer: Duration,
    /// Wait after that notification before the plugin counts as ready.
    pub boot_settle: Duration,
    /// A call is answered within this.
    pub call_deadline: Duration,
    /// An event not acknowledged within this gets its process replaced.
    pub event_deadline: Duration,
    /// After `event.fail`, wait for the `event.ack` that should follow.
    pub fail_settle: Duration,
    /// Wait for the answer to a lifecycle message.
    pub announce_deadline: Duration,
    /// A plugin that takes no byte of its input for this long is replaced.
    pub write_stall: Duration,
    /// At a shutdown: wait for acknowledgements, then again for the process to end.
    pub shutdown_grace: Duration,
    /// Between asking a process to end and killing it.
    pub kill_grace: Duration,
    /// After a process ended: wait for what it wrote last.
    pub last_words: Duration,
    /// Waits before a restart, by the number of crashes so far; the last one repeats.
    pub back_off: Vec<Duration>,
    /// A process that lived this long clears the count of crashes.
    pub stable_after: Duration,
    /// A process without work for this long is ended until it is needed again; `None` for never.
    pub idle_after: Option<Duration>,
    /// A process that is late with an event must answer a request within this.
    pub ping_patience: Duration,
    /// From the wish to stop until [`crate::Host::shutdown`] returns, whatever is still going on.
    pub drain_deadline: Duration,
    /// How plugins are told the time.
    pub cron: CronTimings,
    /// When deliveries are stopped because they do harm.
    pub breakers: BreakerLimits,
}

impl Default for HostTimings {
    fn default() -> Self {
        Self {
            boot_deadline: limits::BOOT_DEADLINE,
            boot_answer: Duration::from_secs(5),
            boot_settle: Duration::from_secs(1),
            call_deadline: limits::CALL_DEADLINE,
            event_deadline: limits::EVENT_DEADLINE,
            fail_settle: Duration::from_secs(2),
            announce_deadline: Duration::from_secs(10),
            write_stall: Duration::from_secs(10),
            shutdown_grace: limits::SHUTDOWN_GRACE,
            kill_grace: limits::KILL_GRACE,
            last_words: Duration::from_secs(1),
            back_off: [1, 2, 5, 15, 60].map(Duration::from_secs).to_vec(),
            stable_after: Duration::from_secs(60),
            idle_after: Some(limits::IDLE_UNLOAD),
            ping_patience: limits::PING_PATIENCE,
            drain_deadline: limits::DRAIN_DEADLINE,
            cron: CronTimings::default(),
            breakers: BreakerLimits::default(),
        }
    }
}

/// When deliveries to a plugin are stopped, on one server and everywhere.
#[derive(Debug, Clone)]
pub struct BreakerLimits {
    /// On a server: this many failed events...
    pub failures: usize,
    /// ...among so many latest...
    pub outcomes: usize,
    /// ...that were handled within this time.
    pub within: Duration,
    /// On a server: this many crashes within `crashes_within`.
    pub crashes: usize,
    /// On a server: this many failed starts within `crashes_within`.
    pub failed_starts: usize,
    /// How long crashes, failed starts and stops are remembered.
    pub crashes_within: Duration,
    /// The first stop lasts this long, each next one twice as long until a trial succeeds...
    pub open_for: Duration,
    /// ...but no longer than this.
    pub open_for_most: Duration,
    /// Everywhere: deliveries were stopped on this many servers within `crashes_within`.
    pub plugin_servers: usize,
    /// Everywhere: this many crashes within `crashes_within`...
    pub plugin_crashes: usize,
    /// ...on at least this many servers.
    pub plugin_crash_servers: usize,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            failures: limits::BREAKER_FAILURES,
            outcomes: limits::BREAKER_OUTCOMES,
            within: limits::BREAKER_WITHIN,
            crashes: limits::BREAKER_CRASHES,
            failed_starts: limits::BREAKER_FAILED_STARTS,
            crashes_within: limits::BREAKER_CRASHES_WITHIN,
            open_for: limits::BREAKER_OPEN,
            open_for_most: limits::BREAKER_OPEN_MOST,
            plugin_servers: limits::PLUGIN_BREAKER_SERVERS,
            plugin_crashes: limits::PLUGIN_BREAKER_CRASHES,
            plugin_crash_servers: limits::PLUGIN_BREAKER_CRASH_SERVERS,
        }
    }
}

/// What all processes of a host may take together.
#[derive(Debug, Clone)]
pub struct RoomLimits {
    /// Bytes of memory for all processes; `None` for as many as there are.
    pub memory_bytes: Option<u64>,
    /// Bytes a process counts as until it is measured.
    pub reservation_bytes: u64,
    /// Processes that start at the same time: a start takes a processor. One plugin takes at most all but one.
    pub starts_at_once: usize,
    /// A start that takes longer does not keep others from theirs.
    pub turn: Duration,
    /// Processes that may wait for their turn.
    pub waiting: usize,
    /// How long one waits.
    pub patience: Duration,
    /// When to ask again after that.
    pub again_after: Duration,
    /// How often processes are measured.
    pub measure_every: Duration,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            memory_bytes: None,
            reservation_bytes: limits::START_MEMORY_BYTES,
            starts_at_once: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            turn: limits::START_TURN,
            waiting: limits::STARTS_WAITING,
            patience: limits::START_PATIENCE,
            again_after: limits::START_AGAIN,
            measure_every: Duration::from_secs(5),
        }
    }
}

/// How much one process may ask and say, and all of them may take.
#[derive(Debug, Clone)]
pub struct HostRates {
    /// Calls a second, sustained; what is over is answered RATE_LIMITED.
    pub calls_per_second: f64,
    /// Calls at once.
    pub call_burst: f64,
    /// Bytes a second of output that is no call and no acknowledgement (prints, log lines, refused
    /// calls), sustained; beyond it the output is read no faster.
    pub chatter_bytes_per_second: f64,
    /// Bytes of it at once.
    pub chatter_burst: f64,
    /// Lines of stray output kept a minute; the rest is counted in one line.
    pub noise_lines_per_minute: u32,
    /// Partitions of the bus.
    pub bus_partitions: usize,
    /// Events one partition holds.
    pub bus_capacity: usize,
    /// Calls one plugin may have in flight, all its servers together.
    pub plugin_calls_in_flight: usize,
    /// What all processes may take together.
    pub room: RoomLimits,
}

impl Default for HostRates {
    fn default() -> Self {
        Self {
            calls_per_second: limits::CALLS_PER_SECOND,
            call_burst: limits::CALLS_AT_ONCE,
            chatter_bytes_per_second: 4.0 * 1024.0 * 1024.0,
            chatter_burst: 16.0 * 1024.0 * 1024.0,
            noise_lines_per_minute: limits::LOG_LINES_PER_MINUTE,
            bus_partitions: 4,
            bus_capacity: 1024,
            plugin_calls_in_flight: limits::PLUGIN_CALLS_IN_FLIGHT,
            room: RoomLimits::default(),
        }
    }
}
