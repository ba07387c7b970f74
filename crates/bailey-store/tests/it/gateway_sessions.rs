//! Where connections to Discord stand.

use bailey_protocol::ApplicationId;
use bailey_store::testing::{shared_cluster, unique_schema};
use bailey_store::{GatewaySessionKey, Store};
use serde_json::json;

#[tokio::test]
async fn each_shards_place_is_kept_with_the_directory_of_the_last_whole_account() {
    let store = Store::connect_in(&shared_cluster().await.urls().platform, &unique_schema()).await.unwrap();
    let key = GatewaySessionKey { application: ApplicationId(u64::MAX), shard: 1, shards: 2 };
    assert_eq!(store.gateway_session(key).await.unwrap(), None);
    store.save_gateway_session(key, &json!({"settled": 1}), None).await.unwrap();
    assert_eq!(store.gateway_session(key).await.unwrap(), None, "a point without a directory is of no use");
    store.save_gateway_session(key, &json!({"settled": 2}), Some(b"first")).await.unwrap();
    store.save_gateway_session(key, &json!({"settled": 3}), None).await.unwrap();
    let kept = store.gateway_session(key).await.unwrap().unwrap();
    assert_eq!((kept.point, kept.directory.as_slice()), (json!({"settled": 3}), b"first".as_slice()));
    assert!((0..60).contains(&kept.age_seconds));
    let other = GatewaySessionKey { shard: 0, ..key };
    assert_eq!(store.gateway_session(other).await.unwrap(), None);
    let another = GatewaySessionKey { shard: 2, shards: 3, ..key };
    store.save_gateway_session(another, &json!({}), Some(b"")).await.unwrap();
    let forgotten = store.forget_other_gateway_sessions(key.application, 2).await.unwrap();
    assert_eq!(forgotten.iter().map(|one| one.key).collect::<Vec<_>>(), [another]);
    assert!(store.gateway_session(key).await.unwrap().is_some());
    assert!(store.forget_other_gateway_sessions(ApplicationId(1), 9).await.unwrap().is_empty());
    assert!(store.gateway_session(key).await.unwrap().is_some(), "another bot's");
}
