//! What the tests share: a clock moved by hand, a database of one's own, calls as a plugin writes them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bailey_protocol::capability::Held;
use bailey_protocol::{Clock, Grant, Grants, GuildId, Params, Tenant, Timestamp};
use bailey_services::kv::Recount;
use bailey_services::{Database, DatabaseOptions, Kv, Logs, Sql, SqlOptions};
use bailey_store::testing::{shared_cluster, unique_schema};
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::sync::watch;
use tokio_postgres::NoTls;

/// When every manual clock starts.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000);

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<watch::Sender<Timestamp>>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(START)))
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.0.send_modify(|now| *now = *now + time);
    }

    pub(crate) fn set_back(&self, time: Duration) {
        self.0.send_modify(|now| *now = *now - time);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            if now.wait_for(|now| *now >= deadline).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// A schema of one's own in the shared cluster.
pub(crate) struct Scratch {
    pub(crate) database: Database,
    pub(crate) clock: ManualClock,
    pub(crate) options: DatabaseOptions,
}

impl Scratch {
    pub(crate) async fn new() -> Self {
        Self::with(DatabaseOptions::default()).await
    }

    pub(crate) async fn with(options: DatabaseOptions) -> Self {
        let options = DatabaseOptions { schema: unique_schema(), ..options };
        let database = Database::connect(&shared_cluster().await.urls().plugins, &options).await.unwrap();
        Self { database, clock: ManualClock::new(), options }
    }

    pub(crate) fn kv(&self) -> Kv {
        Kv::new(self.database.clone(), Arc::new(self.clock.clone()))
    }

    pub(crate) fn logs(&self) -> Logs {
        Logs::new(self.database.clone(), Arc::new(self.clock.clone()))
    }

    /// A recount of the keys in `kv`, due or not.
    pub(crate) async fn recount_now(&self) -> Recount {
        self.side_door().await.execute("UPDATE kv_recount SET counted_at = 0", &[]).await.unwrap();
        self.kv().recount().await.unwrap().expect("somebody else is counting")
    }

    /// A connection beside the services', to look and to meddle.
    pub(crate) async fn side_door(&self) -> tokio_postgres::Client {
        let mut config = shared_cluster().await.urls().plugins;
        config.options(format!("-c search_path={}", self.options.schema));
        let (client, connection) = config.connect(NoTls).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(connection);
        client
    }
}

pub(crate) fn tenant(plugin: &str, guild: u64) -> Tenant {
    Tenant { plugin: plugin.parse().unwrap(), guild: GuildId(guild) }
}

/// The grant of capability `C` for a tenant that holds exactly that.
pub(crate) fn grant<C: Held>(tenant: &Tenant) -> Grant<C> {
    Grants::new(tenant.clone(), [C::CAPABILITY].into_iter().collect()).require().unwrap()
}

/// Parameters as they arrive on the wire.
pub(crate) fn params(value: Value) -> Params {
    Params::parse(Some(&to_raw_value(&value).unwrap())).unwrap()
}

/// A result as it leaves on the wire.
pub(crate) fn wire(result: impl serde::Serialize) -> String {
    serde_json::to_string(&result).unwrap()
}

/// The service of plugins' own tables on the shared cluster. Tests keep apart by plugins of their own.
pub(crate) async fn sql(clock: &ManualClock) -> Sql {
    sql_with(clock, &SqlOptions::default()).await
}

/// As [`sql`], with other bounds.
pub(crate) async fn sql_with(clock: &ManualClock, options: &SqlOptions) -> Sql {
    static CLOSED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let cluster = shared_cluster().await;
    let close = async || cluster.administer_sql(&bailey_services::sql::hardening()).await.unwrap();
    CLOSED.get_or_init(close).await;
    let config = cluster.urls().sql.unwrap();
    Sql::connect(&config, options, Arc::new(clock.clone()), rand::make_rng::<rand::rngs::StdRng>())
        .await
        .unwrap()
}

/// A plugin's id no other test gets.
pub(crate) fn unique_plugin(name: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
