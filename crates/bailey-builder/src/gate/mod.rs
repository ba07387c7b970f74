//! The gate between a jail and the world: an HTTP proxy that leads to the configured index and to
//! nothing else, and counts who asked for something else.
//!
//! `serve` answers the jail; `way` makes the connections, also for the builder's own downloads, so that
//! there is one place that decides. What flows through a tunnel is between the jail and the index.

mod serve;
mod way;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hyper_util::client::proxy::matcher::Matcher;

use crate::index::{Index, Target};
use crate::limits;

pub(crate) use way::Connection;

/// Decides who is reached, and reaches them.
#[derive(Debug)]
pub(crate) struct Gate {
    index: Index,
    proxies: Matcher,
    refused: Mutex<BTreeMap<Target, u64>>,
    trouble: Mutex<Option<String>>,
}

/// Why a target was not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    #[error("`{0}` is not the configured index")]
    NotTheIndex(Target),
    #[error("the name `{0}` leads to {1}, an address no index has")]
    NoPlaceForAnIndex(String, IpAddr),
    #[error("`{0}` cannot be reached: {1}")]
    Unreachable(Target, String),
}

impl Gate {
    /// For an index, with the way out that the operator's environment prescribes.
    pub(crate) fn new(index: Index, environment: &[(String, String)]) -> Self {
        let variable = |name: &str| {
            let lower = name.to_ascii_lowercase();
            let named =
                |wanted: &str| environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
            named(&lower).or_else(|| named(name)).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let proxies = Matcher::builder()
            .all(variable("ALL_PROXY"))
            .http(variable("HTTP_PROXY"))
            .https(variable("HTTPS_PROXY"))
            .no(variable("NO_PROXY"))
            .build();
        Self { index, proxies, refused: Mutex::default(), trouble: Mutex::default() }
    }

    /// The index behind it.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// What was asked for and refused, as words; `None` if nothing was.
    pub(crate) fn refused(&self) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let named: Vec<String> = refused
            .iter()
            .take(limits::REFUSED_NAMED)
            .map(|(target, count)| match count {
                1 => format!("`{target}`"),
                count => format!("`{target}` ({count} times)"),
            })
            .collect();
        let more = if refused.len() > named.len() { " and others" } else { "" };
        (!named.is_empty()).then(|| named.join(", ") + more)
    }

    /// Why the index itself could not be reached, if so; the program in the jail is told little of it.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a refusal. The number of targets is bounded: a jail could ask for any number of names.
    fn refuse(&self, target: &Target) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.contains_key(target) || refused.len() <= limits::REFUSED_NAMED {
            let count = refused.entry(target.clone()).or_default();
            *count = count.saturating_add(1);
        }
        tracing::warn!(%target, "a build asked for something that is not the configured index");
    }
}
