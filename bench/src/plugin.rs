//! The plugin that is measured, and what it reports.

use serde::Deserialize;
use serde_json::Value;

/// Why a benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("unreadable frame: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the measured plugin: {0}")]
    Plugin(String),
    #[error("no row has `{part}` in its name; the rows are\n  {rows}")]
    NoSuchRow { part: String, rows: String },
    #[error("{what}: {why}")]
    Part { what: &'static str, why: String },
}

impl BenchError {
    /// Names the part that failed.
    pub(crate) fn part(what: &'static str) -> impl Fn(Box<dyn std::error::Error>) -> Self {
        move |error| Self::Part { what, why: error.to_string() }
    }
}

/// One measurement the plugin made of its own calls, microseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Measured {
    pub(crate) median_us: f64,
    pub(crate) p99_us: f64,
}

impl Measured {
    /// Reads the `plugin.log` line with the tag `measured`.
    pub(crate) fn from_log(params: &Value) -> Option<Self> {
        let tagged = params["tags"].as_array()?.iter().any(|tag| tag == "measured");
        tagged.then(|| serde_json::from_str(params["message"].as_str()?).ok()).flatten()
    }
}
