//! Every duration and rate the host keeps to, in one place. The defaults are what people meet;
//! tests and scenarios hand in shorter ones.

use std::time::Duration;

use bailey_protocol::limits;

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
    /// This many failed starts in a row...
    pub failed_starts: u32,
    /// ...within this time open the breaker...
    pub failed_starts_within: Duration,
    /// ...for this long; the next event after it is a new try.
    pub broken_for: Duration,
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
            failed_starts: 3,
            failed_starts_within: Duration::from_secs(300),
            broken_for: Duration::from_secs(60),
        }
    }
}

/// How much one process may ask and say.
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
        }
    }
}
