//! The hosts an administrator of a server added to what a plugin may reach there.

use std::sync::Arc;
use std::time::Duration;

use bailey_outbound::{Host, NameError, Outbound, Reach};
use bailey_protocol::event::{Interaction, InteractionKind};
use bailey_protocol::method::proxy::{HostChanged, HostOnly};
use bailey_protocol::{CallError, Clock, Tenant, UserId, limits};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::database::{Database, Failure, durable, stored_guild};

/// Tenants whose hosts are remembered.
const TENANTS: usize = 10_000;
/// How long; another Bailey on the same database may change them.
const REMEMBERED: Duration = Duration::from_secs(10);

/// For which kind of connection a host was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// `proxy.request`
    Http,
    /// `ws.ensure`
    Websocket,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Websocket => "websocket",
        }
    }
}

/// The hosts that were added. A cheap clone.
#[derive(Clone)]
pub struct AllowedHosts {
    database: Database,
    outbound: Outbound,
    clock: Arc<dyn Clock>,
    known: Arc<Cache<(Tenant, Way), Known>>,
}

#[derive(Clone)]
struct Known {
    hosts: Arc<[Host]>,
    until: Instant,
}

impl AllowedHosts {
    /// The hosts in a database; what is added is tried on `outbound`.
    pub fn new(database: Database, outbound: Outbound, clock: Arc<dyn Clock>) -> Self {
        Self { database, outbound, clock, known: Arc::new(Cache::new(TENANTS)) }
    }

    /// What a tenant may reach: the domains that were agreed to, and what an administrator added.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn reach(&self, tenant: &Tenant, way: Way, domains: &[String]) -> Result<Reach, CallError> {
        let hosts = self.hosts(tenant, way).await?;
        Ok(Reach::new(domains.iter().map(String::as_str), hosts.iter().cloned()))
    }

    /// Adds a host for one server, at the word of an administrator who used a command of the plugin.
    ///
    /// # Errors
    /// [`CallError::Validation`] when nobody who may has asked, or the host is none or is not on the internet.
    pub async fn allow(
        &self,
        tenant: &Tenant,
        way: Way,
        invoked: Option<&Interaction>,
        params: &HostOnly,
    ) -> Result<HostChanged, CallError> {
        const COUNT: &str =
            "SELECT count(*) FROM allowed_hosts WHERE plugin = $1 AND guild = $2 AND way = $3 AND host <> $4";
        const SQL: &str = "
            INSERT INTO allowed_hosts (plugin, guild, way, host, allowed_by, allowed_at) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT DO NOTHING";
        let administrator = administrator(invoked)?;
        let host = typed(params)?;
        if let Err(error) = self.outbound.try_host(&host).await {
            let rule = match error {
                NameError::NotPublic { .. } => format!("a host on the internet ({error})"),
                NameError::Unknown(_) | NameError::Silent(_) => format!("a host that can be found ({error})"),
            };
            return Err(CallError::validation("host", rule));
        }
        let work = async {
            let mut client = self.database.client().await?;
            let (plugin, guild, text) = (tenant.plugin.as_str(), stored_guild(tenant), host.to_string());
            let transaction = durable(&mut client).await?;
            let others: i64 =
                transaction.query_one(COUNT, &[&plugin, &guild, &way.as_str(), &text]).await?.get(0);
            if others >= i64::from(limits::ALLOWED_HOSTS) {
                let rule = format!(
                    "one of the {} hosts there are already (revoke one first)",
                    limits::ALLOWED_HOSTS
                );
                return Err(CallError::validation("host", rule).into());
            }
            let (by, now) = (administrator.0.cast_signed(), self.clock.now().0);
            transaction.execute(SQL, &[&plugin, &guild, &way.as_str(), &text, &by, &now]).await?;
            Ok(transaction.commit().await?)
        };
        self.database.bounded("allowing a host", tenant, work).await?;
        self.known.remove(&(tenant.clone(), way));
        tracing::info!(%tenant, %host, %administrator, way = way.as_str(), "an administrator allowed a host");
        Ok(HostChanged { ok: true, host: host.to_string() })
    }

    /// Takes a host back, at the word of an administrator. One that is not there is fine.
    ///
    /// # Errors
    /// As [`AllowedHosts::allow`].
    pub async fn revoke(
        &self,
        tenant: &Tenant,
        way: Way,
        invoked: Option<&Interaction>,
        params: &HostOnly,
    ) -> Result<HostChanged, CallError> {
        const SQL: &str =
            "DELETE FROM allowed_hosts WHERE plugin = $1 AND guild = $2 AND way = $3 AND host = $4";
        let administrator = administrator(invoked)?;
        let host = typed(params)?;
        let work = async {
            let mut client = self.database.client().await?;
            let (plugin, guild, text) = (tenant.plugin.as_str(), stored_guild(tenant), host.to_string());
            let transaction = durable(&mut client).await?;
            transaction.execute(SQL, &[&plugin, &guild, &way.as_str(), &text]).await?;
            Ok(transaction.commit().await?)
        };
        self.database.bounded("revoking a host", tenant, work).await?;
        self.known.remove(&(tenant.clone(), way));
        tracing::info!(%tenant, %host, %administrator, way = way.as_str(), "an administrator revoked a host");
        Ok(HostChanged { ok: true, host: host.to_string() })
    }

    async fn hosts(&self, tenant: &Tenant, way: Way) -> Result<Arc<[Host]>, CallError> {
        const SQL: &str = "SELECT host FROM allowed_hosts WHERE plugin = $1 AND guild = $2 AND way = $3";
        let key = (tenant.clone(), way);
        let now = Instant::now();
        if let Some(known) = self.known.get(&key).filter(|known| known.until > now) {
            return Ok(known.hosts);
        }
        let work = async {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(SQL).await?;
            let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
            let rows = client.query(&statement, &[&plugin, &guild, &way.as_str()]).await?;
            let read =
                |text: String| text.parse::<Host>().map_err(|error| Failure::Unreadable(error.to_string()));
            rows.iter().map(|row| read(row.get(0))).collect::<Result<Arc<[Host]>, _>>()
        };
        let hosts = self.database.bounded("the allowed hosts", tenant, work).await?;
        self.known.insert(key, Known { hosts: Arc::clone(&hosts), until: now + REMEMBERED });
        Ok(hosts)
    }
}

fn typed(params: &HostOnly) -> Result<Host, CallError> {
    Host::typed(&params.host).map_err(|error| CallError::validation("host", format!("a host ({error})")))
}

/// The administrator who used the command the plugin is handling.
fn administrator(invoked: Option<&Interaction>) -> Result<UserId, CallError> {
    let rule = |what: &str| CallError::validation("call", format!("{what} (Manage Server or Administrator)"));
    let interaction = invoked
        .filter(|interaction| {
            matches!(interaction.kind, InteractionKind::Command | InteractionKind::ModalSubmit)
        })
        .ok_or_else(|| rule("to be handling a slash command of an administrator of this server"))?;
    let user = interaction.invoker.user.filter(|_| interaction.invoker.manages_server());
    user.ok_or_else(|| rule("a command used by an administrator of this server"))
}
