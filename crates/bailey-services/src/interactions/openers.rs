//! Which plugins answer which commands with a form. A form must be the first answer, so the host
//! must not say "thinking" in their place. Learned from what plugins did; the first time, a plugin
//! has the two seconds everybody has. Forgotten at a restart.

use std::collections::{HashSet, VecDeque};

use bailey_protocol::{PluginId, Tenant};

/// Pairs remembered at most; past this, the one learned first is forgotten.
const MOST: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Openers {
    known: HashSet<(PluginId, String)>,
    order: VecDeque<(PluginId, String)>,
}

impl Openers {
    /// Notes that a plugin opened a form on a command.
    pub(super) fn learn(&mut self, plugin: &PluginId, command: &str) {
        let pair = (plugin.clone(), command.to_owned());
        if !self.known.insert(pair.clone()) {
            return;
        }
        self.order.push_back(pair);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether one of the tenants may be about to open a form.
    pub(super) fn any(&self, tenants: &[Tenant], command: &str) -> bool {
        tenants.iter().any(|tenant| self.known.contains(&(tenant.plugin.clone(), command.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_latest_and_stays_bounded() {
        let mut openers = Openers::default();
        let plugin: PluginId = "demo".parse().unwrap();
        let tenants = [Tenant { plugin: plugin.clone(), guild: bailey_protocol::GuildId(1) }];
        for number in 0..=MOST {
            openers.learn(&plugin, &number.to_string());
            openers.learn(&plugin, &number.to_string());
        }
        assert_eq!(openers.known.len(), MOST);
        assert!(!openers.any(&tenants, "0"));
        assert!(openers.any(&tenants, "1"));
        assert!(!openers.any(&[], "1"));
    }
}
