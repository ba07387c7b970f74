//! From buckets read back to the answer a plugin gets. Pure: the time comes in.

use std::collections::HashMap;

use bailey_protocol::method::metrics::{Chart, Number, Query, Series};
use bailey_protocol::{Timestamp, limits};

use super::bucket::Bucket;
use super::table::{Found, width};

/// The name of what a grouped query finds without the tag.
const WITHOUT: &str = "(none)";
/// The name of the groups beyond those that are shown.
const OTHER: &str = "(other)";

/// A line while it is put together.
struct Line {
    name: String,
    buckets: Vec<Bucket>,
    whole: Bucket,
}

/// The answer to `query`, for a period that begins at `from`.
pub(super) fn chart(query: &Query, from: i64, found: Vec<Found>) -> Chart {
    let mut whole = Bucket::default();
    let mut lines: HashMap<String, Line> = HashMap::new();
    let empty = |name: String| Line {
        name,
        buckets: vec![Bucket::default(); query.period.buckets()],
        whole: Bucket::default(),
    };
    let metric = query.metric.as_str();
    if query.group_by.is_none() {
        lines.insert(metric.to_owned(), empty(metric.to_owned()));
    }
    for Found { group, place, bucket } in found {
        let name = match &query.group_by {
            None => metric.to_owned(),
            Some(_) => group.unwrap_or_else(|| WITHOUT.to_owned()),
        };
        whole.add(&bucket);
        let line = lines.entry(name).or_insert_with_key(|name| empty(name.clone()));
        line.add(place, &bucket);
    }
    let aggregate = query.aggregate;
    let mut lines: Vec<Line> = lines.into_values().collect();
    lines.sort_by(|one, other| {
        let by_size = other.whole.aggregate(aggregate).total_cmp(&one.whole.aggregate(aggregate));
        by_size.then_with(|| one.name.cmp(&other.name))
    });
    if lines.len() > limits::METRIC_GROUPS {
        let mut rest = empty(OTHER.to_owned());
        for line in lines.drain(limits::METRIC_GROUPS..) {
            line.buckets.iter().enumerate().for_each(|(place, bucket)| rest.add(place, bucket));
        }
        lines.push(rest);
    }
    let series = lines.into_iter().map(|Line { name, buckets, .. }| Series {
        name,
        data: buckets.iter().map(|bucket| Number(bucket.aggregate(aggregate))).collect(),
    });
    Chart { labels: labels(query, from), series: series.collect(), total: Number(whole.aggregate(aggregate)) }
}

impl Line {
    fn add(&mut self, place: usize, bucket: &Bucket) {
        if let Some(kept) = self.buckets.get_mut(place) {
            kept.add(bucket);
            self.whole.add(bucket);
        }
    }
}

/// The beginning of each bucket: a date for days, else a time.
fn labels(query: &Query, from: i64) -> Vec<String> {
    let width = width(query.period);
    let days = width >= 24 * 3600 * 1000;
    (0..query.period.buckets() as i64)
        .map(|place| {
            let text = Timestamp(from + place * width).to_string(); // 2026-01-31T12:00:00.000Z
            if days {
                text.get(..10).unwrap_or_default().to_owned()
            } else {
                format!("{}Z", text.get(..19).unwrap_or_default())
            }
        })
        .collect()
}
