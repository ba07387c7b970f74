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
            Self::Signal(9) => write!(formatter, "killed (signal 9)"),
            Self::Signal(11) => write!(formatter, "crashed (signal 11, invalid memory access)"),
            Self::Signal(31) => {
                write!(formatter, "killed for a system call of a foreign architecture (signal 31)")
            }
            Self::Signal(signal) => write!(formatter, "ended by signal {signal}"),
            Self::OutOfMemory { limit_bytes } => {
                write!(formatter, "memory: reached {}", Bytes(limit_bytes))
            }
            Self::Unknown => write!(formatter, "ended, and how is not known"),
        }
    }
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
