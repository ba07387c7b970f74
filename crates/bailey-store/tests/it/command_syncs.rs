//! The last sync of each server's commands, and the count of new ones.

use bailey_protocol::{GuildId, Timestamp};
use bailey_store::testing::{shared_cluster, unique_schema};
use bailey_store::{CommandRecord, CommandSyncRecord, Store};

fn sync(guild: u64, at: i64, error: Option<&str>) -> CommandSyncRecord {
    let command = |name: &str, problem: Option<&str>| CommandRecord {
        plugin: "demo".to_owned(),
        name: name.to_owned(),
        kind: 3,
        shown_as: problem.is_none().then(|| format!("demo-{name}")),
        problem: problem.map(str::to_owned),
    };
    CommandSyncRecord {
        guild: GuildId(guild),
        at: Timestamp(at),
        error: error.map(str::to_owned),
        commands: vec![command("a", None), command("b", Some("options.0: bad"))],
    }
}

#[tokio::test]
async fn the_last_sync_of_a_server_is_remembered() {
    let store = Store::connect_in(&shared_cluster().await.urls().platform, &unique_schema()).await.unwrap();
    let (first, other) = (sync(u64::MAX, 1000, None), sync(5, 2000, Some("not there")));
    store.record_command_sync(&first, 150).await.unwrap();
    store.record_command_sync(&other, 0).await.unwrap();
    assert_eq!(store.command_syncs(Some(first.guild)).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.command_syncs(None).await.unwrap().len(), 2);

    let again = sync(u64::MAX, 3000, Some("Discord refused"));
    store.record_command_sync(&again, 20).await.unwrap();
    assert_eq!(store.command_syncs(Some(first.guild)).await.unwrap(), [again]);
    assert_eq!(store.commands_created(first.guild).await.unwrap(), 170);
    assert_eq!(store.commands_created(other.guild).await.unwrap(), 0);

    store.forget_command_sync(first.guild).await.unwrap();
    assert_eq!(store.command_syncs(None).await.unwrap(), [other]);
    assert_eq!(store.commands_created(first.guild).await.unwrap(), 170, "Discord does not forget either");
}
