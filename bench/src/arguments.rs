//! What a run is asked for: which rows, and how much of each is measured.

use clap::{Args, Parser};

/// Ratios of Bailey to a floor or a peer, measured in the same run.
#[derive(Debug, Parser)]
#[command(name = "bailey-bench")]
pub(crate) struct Arguments {
    /// Measure the rows whose names hold one of these; without any, all
    pub(crate) rows: Vec<String>,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Sizes {
    /// Raw points beneath the chart of the metrics row
    #[arg(long, default_value_t = 10_000_000, default_value_if("quick", "true", "100000"),
          value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) points: i64,
    /// Lines the logs row writes
    #[arg(long, default_value_t = 100_000, default_value_if("quick", "true", "10000"))]
    pub(crate) lines: usize,
    /// Small servers of a bot that is spread over many connections
    #[arg(long, default_value_t = 150_000, default_value_if("quick", "true", "5000"),
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) servers: u64,
    /// Schedules of plugins on servers the cron rows look at
    #[arg(long, default_value_t = 100_000, default_value_if("quick", "true", "5000"))]
    pub(crate) schedules: usize,
    /// Length of one measurement of calls a second or of their latency
    #[arg(long, default_value_t = 3, default_value_if("quick", "true", "1"),
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Small sizes, and one round where there are several: whether it works, not how fast
    #[arg(long)]
    quick: bool,
}

impl Sizes {
    /// How often both sides are measured in turn.
    pub(crate) fn rounds(self, usually: usize) -> usize {
        if self.quick { 1 } else { usually }
    }
}
