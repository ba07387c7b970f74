//! `secrets.*`: credentials, sealed with a key that is not in the database.
//!
//! A server's own value goes before the developer's default. A secret that is bound to a host is sent there by
//! Bailey, and shown to nobody; the others a plugin may read. What a process has used is remembered, so that it can
//! be blotted out of logs, errors and whatever comes back.

mod blot;
mod keys;
mod records;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bailey_outbound::{Credential, Host};
use bailey_protocol::capability::StorageSecrets;
use bailey_protocol::method::Done;
use bailey_protocol::method::proxy::{Auth, AuthScheme};
use bailey_protocol::method::secrets::{GotSecret, SecretName, SecretNameOnly, SetSecret};
use bailey_protocol::{CallError, Clock, Grant, Tenant, limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_cache::sync::Cache;

use self::blot::Blotter;
pub use self::keys::{Keys, KeysError, OpenError, Sealed};
pub use self::records::{SecretRecord, SecretScope};
use crate::database::{Database, Failure, stored_guild};

/// Tenants whose used secrets are remembered.
const TENANTS: usize = 10_000;

/// The secrets. A cheap clone.
#[derive(Clone)]
pub struct Secrets {
    database: Database,
    keys: Keys,
    clock: Arc<dyn Clock>,
    used: Arc<Cache<Tenant, Arc<Used>>>,
}

/// What one tenant has used in this process.
#[derive(Debug, Default)]
struct Used {
    inner: Mutex<UsedInner>,
}

#[derive(Debug, Default)]
struct UsedInner {
    /// Value, and whether it is shown to nobody.
    values: BTreeMap<String, bool>,
    all: Option<Arc<Blotter>>,
    bound: Option<Arc<Blotter>>,
}

/// A stored secret, opened.
struct Stored {
    value: String,
    host: Option<String>,
}

impl Secrets {
    /// The secrets in a database, sealed with `keys`, with times from `clock`.
    pub fn new(database: Database, keys: Keys, clock: Arc<dyn Clock>) -> Self {
        Self { database, keys, clock, used: Arc::new(Cache::new(TENANTS)) }
    }

    /// The keys they are sealed with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// `secrets.get`: the server's value, else the developer's default, else nothing.
    ///
    /// # Errors
    /// [`CallError::Secret`] when it is bound to a host and so not shown.
    pub async fn get(
        &self,
        grant: &Grant<StorageSecrets>,
        params: &SecretNameOnly,
    ) -> Result<GotSecret, CallError> {
        let tenant = grant.tenant();
        let Some(stored) = self.find(tenant, &params.name).await? else {
            return Ok(GotSecret { value: None });
        };
        if let Some(host) = &stored.host {
            self.note(tenant, &stored.value, true);
            let reason = format!(
                "it is bound to {host}; name it in secret_auth, and it is sent there without being shown"
            );
            return Err(CallError::Secret { name: params.name.to_string(), reason });
        }
        self.note(tenant, &stored.value, false);
        Ok(GotSecret { value: Some(stored.value) })
    }

    /// `secrets.set`: the value on this server from now on. It stays bound to the host the secret was bound to,
    /// there or by default.
    ///
    /// # Errors
    /// [`CallError::Validation`] when the server has as many secrets as it may.
    pub async fn set(&self, grant: &Grant<StorageSecrets>, params: &SetSecret) -> Result<Done, CallError> {
        let tenant = grant.tenant();
        let bound = self.find(tenant, &params.name).await?.and_then(|stored| stored.host);
        let scope = SecretScope { plugin: tenant.plugin.clone(), guild: Some(tenant.guild) };
        let work = self.write(&scope, &params.name, bound.as_deref(), params.value.reveal());
        self.database.bounded("secrets.set", tenant, work).await?;
        self.note(tenant, params.value.reveal(), bound.is_some());
        Ok(Done::OK)
    }

    /// `secrets.del`: removes the server's own value; the default stays.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn delete(
        &self,
        grant: &Grant<StorageSecrets>,
        params: &SecretNameOnly,
    ) -> Result<Done, CallError> {
        let scope = SecretScope { plugin: grant.tenant().plugin.clone(), guild: Some(grant.tenant().guild) };
        self.remove(&scope, &params.name).await.map(|_| Done::OK)
    }

    /// What proves to `host` who asks, by a secret that is bound to it.
    ///
    /// # Errors
    /// [`CallError::Secret`] when there is no such secret, or it is bound to no host or another.
    pub async fn credential(
        &self,
        grant: &Grant<StorageSecrets>,
        auth: &Auth,
        host: &Host,
    ) -> Result<Credential, CallError> {
        let (tenant, name) = (grant.tenant(), &auth.secret);
        let refused = |reason: String| CallError::Secret { name: name.to_string(), reason };
        let Some(stored) = self.find(tenant, name).await? else {
            return Err(refused(
                "there is none of this name; whoever runs Bailey sets it with bailey secrets set".to_owned(),
            ));
        };
        let Some(bound) = &stored.host else {
            return Err(refused(format!(
                "it is bound to no host; bailey secrets set --host {host} binds it"
            )));
        };
        if bound.parse::<Host>().as_ref() != Ok(host) {
            return Err(refused(format!("it is bound to {bound} and never sent to {host}")));
        }
        self.note(tenant, &stored.value, true);
        let header = header(auth.scheme, &stored.value);
        Credential::new(&header, host.clone()).ok_or_else(|| {
            refused("it has line breaks or other characters that no header can have".to_owned())
        })
    }

    /// A text without any secret the tenant has used: for logs and everything else people read.
    pub fn blot<'a>(&self, tenant: &Tenant, text: &'a str) -> Cow<'a, str> {
        match self.blotter(tenant, |used| used.all.clone()) {
            Some(blotter) => blotter.text(text),
            None => Cow::Borrowed(text),
        }
    }

    /// The same for what goes back to the plugin, of which only bound secrets are kept. `cut` says that the end was
    /// cut off.
    pub(crate) fn blot_bound(&self, tenant: &Tenant, bytes: Vec<u8>, cut: bool) -> Vec<u8> {
        match self.blotter(tenant, |used| used.bound.clone()) {
            Some(blotter) => blotter.bytes(bytes, cut),
            None => bytes,
        }
    }

    pub(crate) fn blot_bound_text<'a>(&self, tenant: &Tenant, text: &'a str) -> Cow<'a, str> {
        match self.blotter(tenant, |used| used.bound.clone()) {
            Some(blotter) => blotter.text(text),
            None => Cow::Borrowed(text),
        }
    }

    fn blotter(
        &self,
        tenant: &Tenant,
        which: impl Fn(&UsedInner) -> Option<Arc<Blotter>>,
    ) -> Option<Arc<Blotter>> {
        let used = self.used.get(tenant)?;
        let inner = used.inner.lock().unwrap_or_else(PoisonError::into_inner);
        which(&inner)
    }

    /// Remembers a value the tenant used. Once shown to nobody, it stays so.
    fn note(&self, tenant: &Tenant, value: &str, bound: bool) {
        let none = || Ok::<_, std::convert::Infallible>(Arc::default());
        let Ok(used) = self.used.get_or_insert_with(tenant, none);
        let mut inner = used.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inner.values.get(value).copied();
        if known == Some(true) || known == Some(bound) {
            return;
        }
        // Values change; what was used long ago need not be searched for ever.
        if inner.values.len() >= 2 * limits::SECRETS as usize {
            inner.values.clear();
        }
        inner.values.insert(value.to_owned(), bound);
        let blotter = |bound_only: bool| {
            let values = inner.values.iter().filter(|(_, bound)| !bound_only || **bound);
            Blotter::new(values.map(|(value, _)| value.as_str())).map(Arc::new)
        };
        (inner.all, inner.bound) = (blotter(false), blotter(true));
    }

    async fn find(&self, tenant: &Tenant, name: &SecretName) -> Result<Option<Stored>, CallError> {
        const SQL: &str = "
            SELECT guild, host, key, sealed FROM secrets
            WHERE plugin = $1 AND (guild = $2 OR guild IS NULL) AND name = $3
            ORDER BY guild NULLS LAST LIMIT 1";
        let work = async {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(SQL).await?;
            let (plugin, guild, text) = (tenant.plugin.as_str(), stored_guild(tenant), name.as_str());
            let Some(row) = client.query_opt(&statement, &[&plugin, &guild, &text]).await? else {
                return Ok(None);
            };
            let scope = SecretScope {
                plugin: tenant.plugin.clone(),
                guild: row.get::<_, Option<i64>>("guild").map(|_| tenant.guild),
            };
            let host: Option<String> = row.get("host");
            let sealed = Sealed { key: row.get("key"), bytes: row.get("sealed") };
            let purpose = records::purpose(&scope, name.as_str(), host.as_deref());
            let value = self
                .keys
                .open_sealed(&purpose, &sealed)
                .map_err(|error| Failure::Unreadable(format!("secret {name}: {error}")))?;
            Ok(Some(Stored { value, host }))
        };
        self.database.bounded("a secret", tenant, work).await
    }
}

fn header(scheme: AuthScheme, value: &str) -> String {
    match scheme {
        AuthScheme::Bearer => format!("Bearer {value}"),
        AuthScheme::Token => format!("Token {value}"),
        AuthScheme::Basic if value.contains(':') => format!("Basic {}", STANDARD.encode(value)),
        AuthScheme::Basic => format!("Basic {value}"),
    }
}
