//! Which schedules were told.

use std::time::Duration;

use bailey_protocol::{GuildId, Tenant, Timestamp};
use bailey_store::{CronKey, Install, Republish, Store};
use serde_json::json;
use tokio::task::JoinSet;

use bailey_store::testing::{shared_cluster, unique_schema};

const MINUTE: Duration = Duration::from_secs(60);
const NINE: Timestamp = Timestamp(1_767_258_000_000);

fn key(guild: u64, schedule: &str) -> CronKey {
    let tenant = Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(guild) };
    CronKey { tenant, schedule: schedule.to_owned() }
}

async fn with_installations(guilds: std::ops::RangeInclusive<u64>) -> Store {
    let store = Store::connect_in(&shared_cluster().await.urls().platform, &unique_schema()).await.unwrap();
    let plugin = "demo".parse().unwrap();
    store.record_version(&plugin, "1.0.0", "aa", &json!({}), Republish::Refuse, NINE).await.unwrap();
    for guild in guilds {
        set_enabled(&store, guild, true).await;
    }
    store
}

async fn set_enabled(store: &Store, guild: u64, enabled: bool) {
    let install = Install {
        tenant: key(guild, "").tenant,
        version: "1.0.0".to_owned(),
        capabilities: Default::default(),
        domains: Vec::new(),
        enabled,
    };
    store.install(&install, NINE).await.unwrap();
}

#[tokio::test]
async fn a_minute_is_claimed_once_and_an_older_one_not_at_all() {
    let store = with_installations(1..=2).await;
    let keys = [key(1, "a"), key(1, "b"), key(2, "a"), key(3, "a")];
    let mut claimed = store.claim_cron(NINE, &keys).await.unwrap();
    claimed.sort_by_key(|key| (key.tenant.guild, key.schedule.clone()));
    assert_eq!(claimed, keys[..3], "server 3 has no such plugin");
    assert_eq!(store.claim_cron(NINE, &keys).await.unwrap(), []);
    assert_eq!(store.claim_cron(NINE - MINUTE, &keys).await.unwrap(), []);
    assert_eq!(store.claim_cron(NINE + MINUTE, &keys[..1]).await.unwrap(), keys[..1]);
    set_enabled(&store, 2, false).await;
    assert_eq!(store.claim_cron(NINE + MINUTE, &keys[2..]).await.unwrap(), [], "it is switched off");
    let told = store.cron_told(None, Some(GuildId(1))).await.unwrap();
    assert_eq!(told.iter().map(|told| told.last).collect::<Vec<_>>(), [Some(NINE + MINUTE), Some(NINE)]);
    store.uninstall(&key(1, "").tenant).await.unwrap();
    assert_eq!(
        store.cron_told(None, None).await.unwrap().len(),
        1,
        "what is removed leaves something behind"
    );
}

#[tokio::test]
async fn of_many_hosts_one_gets_each() {
    let store = with_installations(1..=50).await;
    let mut hosts = JoinSet::new();
    for host in 0..8 {
        let store = store.clone();
        hosts.spawn(async move {
            let mut keys: Vec<CronKey> =
                (1..=50).flat_map(|guild| [key(guild, "a"), key(guild, "b")]).collect();
            keys.rotate_left(host * 13);
            store.claim_cron(NINE, &keys).await.unwrap()
        });
    }
    let mut claimed: Vec<CronKey> = hosts.join_all().await.into_iter().flatten().collect();
    let all = claimed.len();
    claimed.sort_by_key(|key| (key.tenant.guild, key.schedule.clone()));
    claimed.dedup();
    assert_eq!((all, claimed.len()), (100, 100));
}

#[tokio::test]
async fn one_that_is_new_missed_nothing() {
    let store = with_installations(1..=1).await;
    let told = store.cron_told_until(NINE, &[key(1, "a"), key(9, "a")]).await.unwrap();
    assert_eq!((told.len(), told[0].until, told[0].last), (1, NINE, None));
    let later = store.cron_told_until(NINE + 60 * MINUTE, &[key(1, "a")]).await.unwrap();
    assert_eq!(later[0].until, NINE, "it is known since nine");
    assert_eq!(store.claim_cron(NINE, &[key(1, "a")]).await.unwrap(), [], "known since then is not due then");
    assert_eq!(store.claim_cron(NINE + MINUTE, &[key(1, "a")]).await.unwrap().len(), 1);
}
