//! What the host knows of each plugin beyond its servers: its breaker and its share of the calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bailey_protocol::{PluginId, Tenant};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::breaker::{Opened, Passage};
use super::plugin_breaker::PluginBreaker;
use crate::session::lock;
use crate::timings::BreakerLimits;

/// Plugins of which something is known before those that no longer matter are forgotten.
const TIDY_AT: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Plugins {
    limits: BreakerLimits,
    calls_in_flight: usize,
    /// By version: what one does says nothing of the next.
    breakers: Mutex<HashMap<(PluginId, String), PluginBreaker>>,
    calls: Mutex<HashMap<PluginId, Arc<Semaphore>>>,
}

impl Plugins {
    pub(crate) fn new(limits: BreakerLimits, calls_in_flight: usize) -> Self {
        let (breakers, calls) = Default::default();
        Self { limits, calls_in_flight, breakers, calls }
    }

    /// The places for calls that all processes of a plugin share.
    pub(crate) fn calls(&self, plugin: &PluginId) -> Arc<Semaphore> {
        let mut all = lock(&self.calls);
        if all.len() >= TIDY_AT {
            all.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let places = || Arc::new(Semaphore::new(self.calls_in_flight));
        Arc::clone(all.entry(plugin.clone()).or_insert_with(places))
    }

    /// Whether a process of this version may start on this server.
    pub(crate) fn passage(&self, tenant: &Tenant, version: &str) -> Passage {
        let known = lock(&self.breakers);
        let breaker = known.get(&(tenant.plugin.clone(), version.to_owned()));
        breaker.map_or(Passage::Free, |breaker| breaker.passage(tenant.guild, Instant::now()))
    }

    /// The same; a trial is then this server's.
    pub(crate) fn claim(&self, tenant: &Tenant, version: &str) -> Passage {
        let claimed = self.known(tenant, version, |breaker| breaker.claim(tenant.guild, Instant::now()));
        claimed.unwrap_or(Passage::Free)
    }

    /// This server does not try it any more.
    pub(crate) fn release(&self, tenant: &Tenant, version: &str) {
        self.known(tenant, version, |breaker| breaker.release(tenant.guild));
    }

    /// This server handled an event well; true if the plugin may now start everywhere.
    pub(crate) fn succeeded(&self, tenant: &Tenant, version: &str) -> bool {
        self.known(tenant, version, |breaker| breaker.succeeded(tenant.guild)).unwrap_or(false)
    }

    /// Deliveries were stopped on this server.
    pub(crate) fn stopped(&self, tenant: &Tenant, version: &str) -> Option<Opened> {
        self.of(tenant, version, |breaker, now, limits| breaker.stopped(tenant.guild, now, limits))
    }

    /// A process ended without being asked, or did not start.
    pub(crate) fn crashed(&self, tenant: &Tenant, version: &str) -> Option<Opened> {
        self.of(tenant, version, |breaker, now, limits| breaker.crashed(tenant.guild, now, limits))
    }

    /// Asks a breaker, if there is one.
    fn known<T>(
        &self,
        tenant: &Tenant,
        version: &str,
        ask: impl FnOnce(&mut PluginBreaker) -> T,
    ) -> Option<T> {
        lock(&self.breakers).get_mut(&(tenant.plugin.clone(), version.to_owned())).map(ask)
    }

    /// Tells a breaker, which is made for it if need be.
    fn of<T>(
        &self,
        tenant: &Tenant,
        version: &str,
        tell: impl FnOnce(&mut PluginBreaker, Instant, &BreakerLimits) -> T,
    ) -> T {
        let now = Instant::now();
        let mut all = lock(&self.breakers);
        if all.len() >= TIDY_AT {
            all.retain(|_, breaker| !breaker.is_forgotten(now, &self.limits));
        }
        tell(all.entry((tenant.plugin.clone(), version.to_owned())).or_default(), now, &self.limits)
    }
}
