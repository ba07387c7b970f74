//! How a process ended, as a sentence a plugin's owner understands.

use std::fmt;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this code (0 = success).
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It reached its memory limit and the kernel ended it.
    OutOfMemory {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// The system lost track of it (it was collected by someone else).
    Unknown,
}

impl Exit {
    /// Whether it ended by itself with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(0) => write!(formatter, "ended normally"),
            Self::Code(code) => write!(formatter, "ended with code {code}"),
            Self::Signal(signal) => match meaning(signal) {
                Some((verb, meaning)) => write!(formatter, "{verb} (signal {signal}, {meaning})"),
                None => write!(formatter, "ended by signal {signal}"),
            },
            Self::OutOfMemory { limit_bytes } => {
                write!(formatter, "memory: reached {}", Bytes(limit_bytes))
            }
            Self::Unknown => write!(formatter, "ended, and how is not known"),
        }
    }
}

/// What ended a process, in the words of its author, for the signals that say something.
fn meaning(signal: i32) -> Option<(&'static str, &'static str)> {
    Some(match signal {
        libc::SIGKILL => ("killed", "by the host"),
        libc::SIGTERM => ("ended", "by the host"),
        libc::SIGSEGV => ("crashed", "invalid memory access"),
        libc::SIGBUS => ("crashed", "memory that is not there"),
        libc::SIGILL => ("crashed", "invalid instruction"),
        libc::SIGFPE => ("crashed", "impossible arithmetic"),
        libc::SIGABRT => ("crashed", "it gave up by itself"),
        libc::SIGPIPE => ("ended", "nobody reads what it writes"),
        libc::SIGXCPU => ("killed", "processor time"),
        libc::SIGSYS => ("killed", "a system call of a foreign architecture"),
        _ => return None,
    })
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (size, name) in UNITS {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(formatter, "{} {name}", self.0 / size);
            }
        }
        write!(formatter, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_sentence_with_its_numbers() {
        for (exit, sentence) in [
            (Exit::Code(0), "ended normally"),
            (Exit::Code(3), "ended with code 3"),
            (Exit::Signal(9), "killed (signal 9, by the host)"),
            (Exit::Signal(11), "crashed (signal 11, invalid memory access)"),
            (Exit::Signal(31), "killed (signal 31, a system call of a foreign architecture)"),
            (Exit::Signal(40), "ended by signal 40"),
            (Exit::OutOfMemory { limit_bytes: 128 << 20 }, "memory: reached 128 MiB"),
        ] {
            assert_eq!(exit.to_string(), sentence);
        }
    }
}
