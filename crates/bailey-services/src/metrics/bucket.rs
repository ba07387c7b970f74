//! What is kept of the values of a stretch of time: enough for every aggregate, nothing more.

use bailey_protocol::method::metrics::Aggregate;

/// See the module. The default is a stretch without values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    pub(super) count: i64,
    pub(super) sum: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, least: f64::INFINITY, greatest: f64::NEG_INFINITY }
    }
}

impl Bucket {
    /// One value.
    pub(super) fn of(value: f64) -> Self {
        Self { count: 1, sum: value, least: value, greatest: value }
    }

    /// Takes in another stretch.
    pub(super) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }

    /// The aggregate; 0 without values.
    pub(super) fn aggregate(&self, aggregate: Aggregate) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        match aggregate {
            Aggregate::Sum => self.sum,
            Aggregate::Count => self.count as f64,
            Aggregate::Average => self.sum / self.count as f64,
            Aggregate::Least => self.least,
            Aggregate::Greatest => self.greatest,
        }
    }
}
