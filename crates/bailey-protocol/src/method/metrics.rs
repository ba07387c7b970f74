//! `metrics.*`: parameters checked on arrival, results as the SDKs read them. How numbers are kept
//! and put together is the service's business.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::CallError;
use crate::limits;
use crate::params::Params;

/// What is measured: a letter or `_`, then letters, digits, `_` and dots, 128 characters in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Metric(String);

impl Metric {
    /// Checks a name.
    ///
    /// # Errors
    /// [`CallError::Validation`] saying how a name is made.
    pub fn new(text: String) -> Result<Self, CallError> {
        let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let goes_on = text.chars().all(|other| other.is_ascii_alphanumeric() || "_.".contains(other));
        if begins && goes_on && text.len() <= limits::METRIC_NAME_CHARACTERS {
            Ok(Self(text))
        } else {
            let most = limits::METRIC_NAME_CHARACTERS;
            let rule = format!(
                "a name of letters, digits, _ and dots that begins with a letter or _, at most {most} characters,"
            );
            Err(CallError::validation("metric", rule))
        }
    }

    fn parse(params: &Params) -> Result<Self, CallError> {
        Self::new(params.required("metric", "a string")?)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a point is told apart by: names and values, sorted by name so that equal sets are equal.
pub type Tags = BTreeMap<String, String>;

/// Parameters of `metrics.record`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What is measured.
    pub metric: Metric,
    /// How much; finite, and at most [`limits::METRIC_VALUE`] away from zero.
    pub value: f64,
    /// At most 10.
    pub tags: Tags,
}

impl Record {
    /// Reads the parameters. Without a value it is 1. Numbers and truth values as tags read as
    /// their text.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad name, a value that is no finite number (Python's NaN
    /// arrives as `null`), or bad tags.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let most = limits::METRIC_VALUE;
        let value = match params.raw_or_null("value") {
            Err(_) => 1.0,
            Ok(raw) => serde_json::from_str::<f64>(raw.get())
                .ok()
                .filter(|value| value.abs() <= most)
                .ok_or_else(|| CallError::validation("value", format!("a finite number up to {most:e}")))?,
        };
        Ok(Self { metric: Metric::parse(params)?, value, tags: tags(params)? })
    }
}

fn tags(params: &Params) -> Result<Tags, CallError> {
    let rule = "an object of names and texts";
    let given: IndexMap<String, &RawValue> = params.optional("tags", rule)?.unwrap_or_default();
    if given.len() > limits::METRIC_TAGS {
        let rule = format!("an object of at most {} tags", limits::METRIC_TAGS);
        return Err(CallError::validation("tags", rule));
    }
    given.into_iter().map(|(name, raw)| Ok((tag_name("tags", name)?, tag_value(raw)?))).collect()
}

fn tag_name(field: &str, name: String) -> Result<String, CallError> {
    let most = limits::METRIC_TAG_NAME_BYTES;
    if name.is_empty() || name.len() > most || name.contains('\0') {
        let rule = format!("a tag name of 1 to {most} bytes without NUL characters");
        return Err(CallError::validation(field, rule));
    }
    Ok(name)
}

fn tag_value(raw: &RawValue) -> Result<String, CallError> {
    let most = limits::METRIC_TAG_VALUE_BYTES;
    let text = match raw.get() {
        text if text.starts_with('"') => serde_json::from_str::<String>(text).ok(),
        text if text == "null" || text.starts_with(['{', '[']) => None,
        text => Some(text.to_owned()),
    };
    text.filter(|text| text.len() <= most && !text.contains('\0')).ok_or_else(|| {
        let rule = format!("a text of at most {most} bytes without NUL characters as the value of each tag");
        CallError::validation("tags", rule)
    })
}

/// How far back a question goes, in buckets of one width that end with the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// `1h`: 60 minutes.
    Hour,
    /// `24h`: 24 hours.
    Day,
    /// `7d`: 7 days of UTC.
    Week,
    /// `30d`: 30 days of UTC.
    Month,
    /// `90d`: 90 days of UTC, as long as numbers are kept.
    Quarter,
}

impl Period {
    /// Every period.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// The width of a bucket.
    pub fn bucket(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => 60,
            Self::Day => 3600,
            Self::Week | Self::Month | Self::Quarter => 24 * 3600,
        })
    }

    /// How many buckets there are.
    pub fn buckets(self) -> usize {
        match self {
            Self::Hour => 60,
            Self::Day => 24,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
        }
    }

    fn parse(params: &Params, default: Self) -> Result<Self, CallError> {
        let Some(text) = params.optional_text("period")? else { return Ok(default) };
        Self::ALL
            .into_iter()
            .find(|period| period.as_str() == text)
            .ok_or_else(|| CallError::validation("period", "1h, 24h, 7d, 30d or 90d"))
    }
}

/// What is made of the values in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// `sum`: them added up.
    Sum,
    /// `count`: how many there are.
    Count,
    /// `avg`: their mean.
    Average,
    /// `min`: the least.
    Least,
    /// `max`: the greatest.
    Greatest,
}

impl Aggregate {
    /// Every aggregate.
    pub const ALL: [Self; 5] = [Self::Sum, Self::Count, Self::Average, Self::Least, Self::Greatest];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Average => "avg",
            Self::Least => "min",
            Self::Greatest => "max",
        }
    }

    fn parse(params: &Params) -> Result<Self, CallError> {
        let Some(text) = params.optional_text("aggregate")? else { return Ok(Self::Sum) };
        Self::ALL
            .into_iter()
            .find(|aggregate| aggregate.as_str() == text)
            .ok_or_else(|| CallError::validation("aggregate", "sum, count, avg, min or max"))
    }
}

/// Parameters of `metrics.query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What was measured.
    pub metric: Metric,
    /// How far back; `7d` when the plugin names none.
    pub period: Period,
    /// What to make of the values; `sum` when the plugin names none.
    pub aggregate: Aggregate,
    /// The tag to tell series apart by; `None` for one series of everything.
    pub group_by: Option<String>,
}

impl Query {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad name, period, aggregate or tag name.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        let group_by = params.optional_text("group_by")?.filter(|name| !name.is_empty());
        Ok(Self {
            metric: Metric::parse(params)?,
            period: Period::parse(params, Period::Week)?,
            aggregate: Aggregate::parse(params)?,
            group_by: group_by.map(|name| tag_name("group_by", name)).transpose()?,
        })
    }
}

/// Parameters of `metrics.total`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// What was measured.
    pub metric: Metric,
    /// How far back; `30d` when the plugin names none.
    pub period: Period,
}

impl Total {
    /// Reads the parameters.
    ///
    /// # Errors
    /// [`CallError::Validation`] for a bad name or period.
    pub fn parse(params: &Params) -> Result<Self, CallError> {
        Ok(Self { metric: Metric::parse(params)?, period: Period::parse(params, Period::Month)? })
    }
}

/// A number of a result. Whole ones are written without a fraction: plugins print them to people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 9_007_199_254_740_992.0 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// Result of `metrics.query`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// The beginning of each bucket, oldest first: `2026-01-31` for days, else
    /// `2026-01-31T12:00:00Z`.
    pub labels: Vec<String>,
    /// Named after the metric, or one for each value of the tag.
    pub series: Vec<Series>,
    /// The aggregate of everything in the period.
    pub total: Number,
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The metric's name, or the tag's value.
    pub name: String,
    /// One number for each label; 0 where there was nothing.
    pub data: Vec<Number>,
}

/// Result of `metrics.total`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TotalOf {
    /// The sum of everything in the period.
    pub total: Number,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap()
    }

    fn refusal<T: fmt::Debug>(result: Result<T, CallError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn names_follow_both_generations_of_rules() {
        for good in ["a", "_x", "Commands.used_2", &"a".repeat(128)] {
            assert!(Metric::new(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "1a", ".a", "a-b", "a b", "é", &"a".repeat(129)] {
            assert!(refusal(Metric::new(bad.to_owned())).starts_with("invalid metric: "), "{bad}");
        }
    }

    #[test]
    fn a_value_is_a_finite_number_and_one_by_default() {
        let value = |text: &str| Record::parse(&params(&format!(r#"{{"metric":"m"{text}}}"#)));
        assert_eq!(value("").unwrap().value, 1.0);
        assert_eq!(value(r#","value":-2.5"#).unwrap().value, -2.5);
        for bad in ["null", "1e999", "1e101", "\"x\"", "true", "[]"] {
            let said = refusal(value(&format!(r#","value":{bad}"#)));
            assert_eq!(said, "invalid value: a finite number up to 1e100 is required", "{bad}");
        }
    }

    #[test]
    fn tags_are_texts_in_one_order() {
        let tags = |text: &str| Record::parse(&params(&format!(r#"{{"metric":"m","tags":{text}}}"#)));
        assert_eq!(tags(r#"{"b":"1","a":"2"}"#).unwrap(), tags(r#"{"a":2,"b":1}"#).unwrap());
        let eleven: IndexMap<String, String> = (0..11).map(|n| (n.to_string(), String::new())).collect();
        let eleven = serde_json::to_string(&eleven).unwrap();
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(limits::METRIC_TAG_VALUE_BYTES + 1));
        let all = [r#"{"":"x"}"#, r#"{"a":null}"#, r#"{"a":{}}"#, r#"{"a":"\u0000"}"#, "[]", &eleven, &long];
        for bad in all {
            assert!(refusal(tags(bad)).starts_with("invalid tags: "), "{bad}");
        }
    }

    #[test]
    fn questions_have_defaults_and_closed_choices() {
        let query = Query::parse(&params(r#"{"metric":"m"}"#)).unwrap();
        assert_eq!((query.period, query.aggregate, query.group_by), (Period::Week, Aggregate::Sum, None));
        assert_eq!(Total::parse(&params(r#"{"metric":"m"}"#)).unwrap().period, Period::Month);
        for (field, bad) in [("period", "1d"), ("aggregate", "median")] {
            let said = refusal(Query::parse(&params(&format!(r#"{{"metric":"m","{field}":"{bad}"}}"#))));
            assert!(said.starts_with(&format!("invalid {field}: ")), "{said}");
        }
    }

    #[test]
    fn whole_numbers_are_written_whole() {
        let written = |number| serde_json::to_string(&Number(number)).unwrap();
        assert_eq!([written(3.0), written(-0.0), written(2.5), written(1e20)], ["3", "0", "2.5", "1e+20"]);
    }
}
