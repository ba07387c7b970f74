//! Faults on order: the next so many requests that match a rule fail in a chosen way.

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Rules waiting at once.
const MOST_RULES: usize = 100;

/// What happens to a request that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Answered with this status and body, nothing done. Without a body: Discord's usual error, a page for 5xx.
    Status {
        /// HTTP status.
        status: u16,
        /// JSON body.
        #[serde(default)]
        body: Option<Value>,
    },
    /// Answered with 429, nothing done.
    RateLimit {
        /// Seconds to wait.
        retry_after: f64,
        /// `user`, `global` or `shared`.
        #[serde(default = "user_scope")]
        scope: String,
        /// Whether it says it is global.
        #[serde(default)]
        global: bool,
    },
    /// Done, but answered with this status: the answer got lost.
    AppliedBut {
        /// HTTP status, e.g. 502.
        status: u16,
    },
    /// Done and answered, but late.
    Delay {
        /// How late; at most a minute.
        milliseconds: u64,
    },
}

fn user_scope() -> String {
    "user".to_owned()
}

/// Which requests, how many of them, and what happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// HTTP method; any when absent.
    #[serde(default)]
    pub method: Option<String>,
    /// Beginning of the path after `/api/v10`, e.g. `/channels/`; `*` stands for one segment. Empty: every path.
    #[serde(default)]
    pub route: String,
    /// How many requests.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub fault: Fault,
}

fn once() -> u32 {
    1
}

/// Rules in order; the first that matches counts.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<FaultRule>,
}

impl Faults {
    /// False when too many rules wait.
    pub(crate) fn add(&mut self, mut rule: FaultRule) -> bool {
        if self.rules.len() >= MOST_RULES {
            return false;
        }
        match &mut rule.fault {
            Fault::Delay { milliseconds } => *milliseconds = (*milliseconds).min(60_000),
            Fault::RateLimit { retry_after, .. } if retry_after.is_finite() => {
                *retry_after = retry_after.clamp(0.0, 3600.0);
            }
            Fault::RateLimit { retry_after, .. } => *retry_after = 1.0,
            Fault::Status { status, .. } | Fault::AppliedBut { status } => {
                *status = (*status).clamp(200, 599)
            }
        }
        self.rules.push(rule);
        true
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn matching(&mut self, method: &Method, path: &str) -> Option<Fault> {
        let fits = |rule: &FaultRule| {
            rule.times > 0
                && rule.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
                && begins(path, &rule.route)
        };
        let rule = self.rules.iter_mut().find(|rule| fits(rule))?;
        rule.times -= 1;
        let fault = rule.fault.clone();
        self.rules.retain(|rule| rule.times > 0);
        Some(fault)
    }
}

fn begins(path: &str, route: &str) -> bool {
    let mut path = path.split('/').filter(|segment| !segment.is_empty());
    let mut route = route.split('/').filter(|segment| !segment.is_empty());
    route.all(|wanted| path.next().is_some_and(|segment| wanted == "*" || wanted == segment))
}
