//! Plugins, versions, installations and the tables' versions.

use bailey_protocol::{Capability, GuildId, Tenant, Timestamp};
use bailey_store::testing::{shared_cluster, unique_schema};
use bailey_store::{Install, InstallationRecord, Republish, Store, StoreError};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_767_225_600_123);
const LATER: Timestamp = Timestamp(1_767_225_700_456);

async fn store() -> Store {
    Store::connect_in(&shared_cluster().await.urls().platform, &unique_schema()).await.unwrap()
}

fn tenant(plugin: &str, guild: u64) -> Tenant {
    Tenant { plugin: plugin.parse().unwrap(), guild: GuildId(guild) }
}

fn install(tenant: &Tenant, version: &str, capabilities: &[Capability]) -> Install {
    Install {
        tenant: tenant.clone(),
        version: version.to_owned(),
        capabilities: capabilities.iter().copied().collect(),
        domains: vec!["api.example.com".to_owned()],
        enabled: true,
    }
}

async fn record(store: &Store, plugin: &str, version: &str, hash: &str) -> Result<i64, StoreError> {
    let plugin = plugin.parse().unwrap();
    store.record_version(&plugin, version, hash, &json!({}), Republish::Refuse, NOW).await
}

#[tokio::test]
async fn processes_that_start_together_do_not_trip_over_each_other() {
    let url = shared_cluster().await.urls().platform;
    let schema = unique_schema();
    let (first, second, third) = tokio::join!(
        Store::connect_in(&url, &schema),
        Store::connect_in(&url, &schema),
        Store::connect_in(&url, &schema)
    );
    for store in [first.unwrap(), second.unwrap(), third.unwrap()] {
        assert!(store.installations().await.unwrap().is_empty());
    }
    Store::connect_in(&url, &schema).await.unwrap(); // and once more with nothing to do
}

#[tokio::test]
async fn a_version_keeps_its_content_and_its_manifest_its_order() {
    let store = store().await;
    let plugin = "demo".parse().unwrap();
    let manifest: Value = serde_json::from_str(r#"{"z":1,"a":{"y":"\u0000","b":2}}"#).unwrap();
    let id = store.record_version(&plugin, "1.0.0", "aa", &manifest, Republish::Refuse, NOW).await.unwrap();

    let found = store.version(&plugin, "1.0.0").await.unwrap().unwrap();
    assert_eq!((found.id, found.created_at, found.package_hash.as_str()), (id, NOW, "aa"));
    assert_eq!(serde_json::to_string(&found.manifest).unwrap(), serde_json::to_string(&manifest).unwrap());

    let again = store.record_version(&plugin, "1.0.0", "aa", &manifest, Republish::Refuse, LATER).await;
    assert_eq!(again.unwrap(), id);
    let other = store.record_version(&plugin, "1.0.0", "bb", &manifest, Republish::Refuse, LATER).await;
    assert!(matches!(other, Err(StoreError::VersionExists { .. })));
    assert_eq!(store.version(&plugin, "1.0.0").await.unwrap().unwrap().package_hash, "aa");

    let replaced = store.record_version(&plugin, "1.0.0", "bb", &manifest, Republish::Replace, LATER).await;
    assert_eq!(replaced.unwrap(), id);
    assert_eq!(store.version(&plugin, "1.0.0").await.unwrap().unwrap().package_hash, "bb");
    assert_eq!(store.version(&plugin, "2.0.0").await.unwrap(), None);
}

#[tokio::test]
async fn an_installation_is_made_changed_listed_and_removed() {
    let store = store().await;
    record(&store, "demo", "1.0.0", "aa").await.unwrap();
    record(&store, "demo", "1.1.0", "bb").await.unwrap();
    let here = tenant("demo", u64::MAX); // the largest id keeps its bits
    let there = tenant("demo", 5);

    store.install(&install(&here, "1.0.0", &[Capability::StorageKv]), NOW).await.unwrap();
    store.install(&install(&there, "1.0.0", &[]), NOW).await.unwrap();
    let mut changed = install(&here, "1.1.0", &[Capability::StorageKv, Capability::DiscordSendMessage]);
    changed.enabled = false;
    store.install(&changed, LATER).await.unwrap();

    let expected = InstallationRecord {
        tenant: here.clone(),
        version: "1.1.0".to_owned(),
        package_hash: "bb".to_owned(),
        capabilities: changed.capabilities,
        domains: vec!["api.example.com".to_owned()],
        enabled: false,
        created_at: NOW,
        updated_at: LATER,
    };
    assert_eq!(store.installation(&here).await.unwrap(), Some(expected));
    let listed = store.installations().await.unwrap();
    assert_eq!(listed.iter().map(|record| &record.tenant).collect::<Vec<_>>(), [&here, &there]);

    assert!(store.uninstall(&here).await.unwrap());
    assert!(!store.uninstall(&here).await.unwrap());
    assert_eq!(store.installation(&here).await.unwrap(), None);
    assert!(store.installation(&there).await.unwrap().is_some());
}

#[tokio::test]
async fn a_version_nobody_recorded_cannot_be_installed() {
    let store = store().await;
    let error = store.install(&install(&tenant("demo", 1), "9.9.9", &[]), NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::UnknownVersion { .. }), "{error}");
    store.ping().await.unwrap();
}
