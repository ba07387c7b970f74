//! The connections plugins want kept, as rows.

use bailey_protocol::method::proxy::{Auth, AuthScheme};
use bailey_protocol::method::websocket::{Ensure, SocketName};
use bailey_protocol::{CallError, Tenant};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;

use super::Shared;
use crate::database::{Failure, durable, stored_guild};

#[derive(Debug, Serialize, Deserialize)]
struct StoredAuth {
    scheme: AuthScheme,
    secret: String,
}

impl Shared {
    /// Remembers that a connection is wanted.
    pub(super) async fn remember(&self, tenant: &Tenant, wanted: &Ensure) -> Result<(), CallError> {
        const SQL: &str = r#"
            INSERT INTO websockets (plugin, guild, name, url, auth, subscribe, "binary", ensured_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (plugin, guild, name) DO UPDATE
                SET url = excluded.url, auth = excluded.auth, subscribe = excluded.subscribe,
                    "binary" = excluded."binary", ensured_at = excluded.ensured_at"#;
        let auth = wanted
            .auth
            .as_ref()
            .map(|auth| Json(StoredAuth { scheme: auth.scheme, secret: auth.secret.to_string() }));
        let work = async {
            let mut client = self.database.client().await?;
            let (plugin, guild, name) = (tenant.plugin.as_str(), stored_guild(tenant), wanted.name.as_str());
            let (subscribe, now) = (Json(&wanted.subscribe), self.clock.now().0);
            let transaction = durable(&mut client).await?;
            transaction
                .execute(SQL, &[&plugin, &guild, &name, &wanted.url, &auth, &subscribe, &wanted.binary, &now])
                .await?;
            Ok(transaction.commit().await?)
        };
        self.database.bounded("ws.ensure", tenant, work).await
    }

    /// Forgets a connection of a tenant, or all of them.
    pub(super) async fn forget(&self, tenant: &Tenant, name: Option<&SocketName>) -> Result<(), CallError> {
        const SQL: &str = "
            DELETE FROM websockets WHERE plugin = $1 AND guild = $2 AND ($3::text IS NULL OR name = $3)";
        let work = async {
            let mut client = self.database.client().await?;
            let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
            let transaction = durable(&mut client).await?;
            transaction.execute(SQL, &[&plugin, &guild, &name.map(SocketName::as_str)]).await?;
            Ok(transaction.commit().await?)
        };
        self.database.bounded("ws.close", tenant, work).await
    }

    /// The connections of a tenant, by name.
    pub(super) async fn remembered(&self, tenant: &Tenant) -> Result<Vec<Ensure>, CallError> {
        const SQL: &str = r#"
            SELECT name, url, auth, subscribe, "binary" FROM websockets
            WHERE plugin = $1 AND guild = $2 ORDER BY name"#;
        let work = async {
            let client = self.database.client().await?;
            let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
            let rows = client.query(SQL, &[&plugin, &guild]).await?;
            rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()
        };
        self.database.bounded("the connections of a plugin", tenant, work).await
    }
}

fn read(row: &tokio_postgres::Row) -> Result<Ensure, Failure> {
    let unreadable = |what: &str| Failure::Unreadable(format!("a connection's {what}"));
    let auth: Option<Json<StoredAuth>> = row.try_get("auth")?;
    let auth = auth.map(|Json(StoredAuth { scheme, secret })| {
        Ok::<_, Failure>(Auth { scheme, secret: secret.parse().map_err(|_| unreadable("secret"))? })
    });
    let Json(subscribe): Json<Vec<String>> = row.try_get("subscribe")?;
    Ok(Ensure {
        name: SocketName::new(row.get("name")).map_err(|_| unreadable("name"))?,
        url: row.get("url"),
        auth: auth.transpose()?,
        subscribe,
        binary: row.get("binary"),
    })
}
