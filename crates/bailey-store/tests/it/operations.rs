//! What operators look at: hosts and their sessions, and events that were put aside.

use std::time::Duration;

use bailey_protocol::{GuildId, Tenant, Timestamp, limits};
use bailey_store::testing::{shared_cluster, unique_schema};
use bailey_store::{
    DeadLetterFilter, DeadLetterStatus, HostId, NewDeadLetter, NewHost, Redriven, SessionReport, ShardReport,
    Store,
};
use tokio_postgres::NoTls;

/// A store of its own, and a way to say things to its tables that only time could say.
struct Bench {
    store: Store,
    schema: String,
}

impl Bench {
    async fn new() -> Self {
        let schema = unique_schema();
        let store = Store::connect_in(&shared_cluster().await.urls().platform, &schema).await.unwrap();
        Self { store, schema }
    }

    async fn host(&self, number: u128) -> HostId {
        let id = HostId::new(number);
        let host = NewHost { id: id.clone(), machine: "box".into(), pid: 7, version: "0.1.0".into() };
        self.store.host_started(&host).await.unwrap();
        id
    }

    /// As if a host had said nothing for so long.
    async fn silence(&self, host: &HostId, time: Duration) {
        let sql = format!(
            "UPDATE {}.hosts SET heartbeat_at = heartbeat_at - interval '{} s' WHERE id = '{host}'",
            self.schema,
            time.as_secs()
        );
        let (client, connection) = shared_cluster().await.urls().platform.connect(NoTls).await.unwrap();
        tokio::select! {
            done = client.batch_execute(&sql) => done.unwrap(),
            ended = connection => panic!("{ended:?}"),
        }
    }

    async fn runs(&self, host: &HostId, tenants: &[Tenant]) {
        let reports: Vec<_> = tenants.iter().map(|tenant| report(tenant, "ready")).collect();
        self.store.publish_sessions(host, &reports, &[]).await.unwrap();
    }

    async fn all(&self) -> Vec<bailey_store::DeadLetterRecord> {
        self.store.dead_letters(&DeadLetterFilter::default(), 10_000).await.unwrap()
    }
}

fn tenant(guild: u64) -> Tenant {
    Tenant { plugin: "demo".parse().unwrap(), guild: GuildId(guild) }
}

fn report(tenant: &Tenant, state: &str) -> SessionReport {
    SessionReport {
        tenant: tenant.clone(),
        state: state.to_owned(),
        reason: Some("exit code 1\0".to_owned()),
        since: Timestamp(1000),
        until: Some(Timestamp(2000)),
        pid: Some(42),
        memory: Some(1 << 20),
        queued: 1,
        in_flight: 2,
        dropped: 3,
        restarts: 4,
    }
}

fn letter(guild: u64, event: &str, at: i64) -> NewDeadLetter {
    NewDeadLetter {
        tenant: tenant(guild),
        event: event.to_owned(),
        kind: "message_create".to_owned(),
        payload: r#"{"z":1,"a":"\u0000"}"#.to_owned(),
        received_at: Timestamp(at - 5),
        attempts: 5,
        reason: "it died\0".to_owned(),
        at: Timestamp(at),
    }
}

#[tokio::test]
async fn a_letter_is_kept_as_it_is_and_a_second_one_takes_its_place() {
    let bench = Bench::new().await;
    let store = &bench.store;
    store.keep_dead_letters(&[letter(u64::MAX, "e1", 1000), letter(2, "e2", 1001)]).await.unwrap();
    // Twice in one batch: the last word counts.
    let again = NewDeadLetter { reason: "again".into(), attempts: 2, ..letter(2, "e2", 3000) };
    store.keep_dead_letters(&[letter(2, "e2", 2000), again.clone()]).await.unwrap();
    let letters = bench.all().await;
    assert_eq!(letters.len(), 2);
    assert_eq!(
        (letters[0].times, letters[0].first_at, &letters[0].letter.reason),
        (2, Timestamp(1001), &again.reason)
    );
    let expected = NewDeadLetter { reason: "it died\u{fffd}".into(), ..letter(u64::MAX, "e1", 1000) };
    assert_eq!(letters[1].letter, expected, "keys in order, whatever the text");
    let of = |guild| DeadLetterFilter { guild: Some(GuildId(guild)), ..DeadLetterFilter::default() };
    assert_eq!(store.dead_letters(&of(2), 10).await.unwrap().len(), 1);
    let since = DeadLetterFilter { since: Some(Timestamp(1500)), ..DeadLetterFilter::default() };
    assert_eq!(store.dead_letters(&since, 10).await.unwrap().len(), 1);
    assert_eq!(store.drop_dead_letters(&of(2)).await.unwrap(), 1);
    assert_eq!(bench.all().await.len(), 1);
    let swept = store.sweep_dead_letters(Timestamp(1_001_000), Duration::from_secs(1000)).await.unwrap();
    assert_eq!(swept, 0, "kept as long as promised");
    assert_eq!(store.sweep_dead_letters(Timestamp(1_001_001), Duration::from_secs(1000)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_tenant_keeps_so_many_and_takes_no_room_from_others() {
    let bench = Bench::new().await;
    let most = i64::from(limits::DEAD_LETTERS);
    bench.store.keep_dead_letters(&[letter(2, "other", 1)]).await.unwrap();
    let many: Vec<_> = (0..most).map(|number| letter(1, &format!("e{number}"), 10 + number)).collect();
    assert_eq!(bench.store.keep_dead_letters(&many).await.unwrap(), 0);
    let three: Vec<_> = (0..3).map(|number| letter(1, &format!("new{number}"), 5000 + number)).collect();
    assert_eq!(bench.store.keep_dead_letters(&three).await.unwrap(), 3);
    let letters = bench.all().await;
    assert_eq!(letters.len(), limits::DEAD_LETTERS as usize + 1);
    let has = |event: &str| letters.iter().any(|record| record.letter.event == event);
    assert!(has("other") && has("new2") && has("e3") && !has("e2"), "the oldest go");
}

#[tokio::test]
async fn a_letter_goes_to_one_host_that_runs_its_session_and_to_another_once_that_is_gone() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let interaction = NewDeadLetter { kind: "interaction_create".into(), ..letter(1, "i", 9) };
    let letters: Vec<_> =
        (0..40).map(|number| letter(1, &format!("e{number}"), 10)).chain([interaction]).collect();
    store.keep_dead_letters(&letters).await.unwrap();
    let everything = DeadLetterFilter::default();
    let (one, other) = (bench.host(1).await, bench.host(2).await);
    bench.runs(&other, &[tenant(7)]).await;
    let done = store.redrive_dead_letters(&everything).await.unwrap();
    assert_eq!(done, Redriven { marked: 40, waiting: 40, stopped: 0, interactions: 1, already: 0 });
    assert!(store.claim_dead_letters(&other, 64).await.unwrap().is_empty(), "it does not run that session");

    bench.runs(&one, &[tenant(1)]).await;
    bench.runs(&other, &[tenant(1)]).await;
    let (first, second) =
        tokio::join!(store.claim_dead_letters(&one, 30), store.claim_dead_letters(&other, 30));
    let (first, second) = (first.unwrap(), second.unwrap());
    let mut ids: Vec<i64> = first.iter().chain(&second).map(|record| record.id).collect();
    assert!(!first.is_empty() && !second.is_empty());
    ids.extend(store.claim_dead_letters(&one, 64).await.unwrap().iter().map(|record| record.id));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40, "each went to one of them, and no interaction to any");
    assert_eq!(store.redrive_dead_letters(&everything).await.unwrap().already, 40);

    // One is delivered, one given back, one put aside again; nobody else may say so.
    let [delivered, released, failed, ..] = &first[..] else { panic!("too few") };
    store.dead_letter_delivered(&other, delivered.id).await.unwrap();
    assert_eq!(bench.all().await.len(), 41);
    store.dead_letter_delivered(&one, delivered.id).await.unwrap();
    store.dead_letter_released(&one, released.id).await.unwrap();
    store.keep_dead_letters(std::slice::from_ref(&failed.letter)).await.unwrap();
    let status_of = async |id: i64| {
        bench.all().await.into_iter().find(|record| record.id == id).map(|record| record.status)
    };
    assert_eq!(status_of(delivered.id).await, None);
    assert_eq!(status_of(released.id).await, Some(DeadLetterStatus::Wanted));
    assert_eq!(status_of(failed.id).await, Some(DeadLetterStatus::Kept));

    let again = store.claim_dead_letters(&other, 64).await.unwrap();
    assert_eq!(again.len(), 1, "the released one; the others are claimed by a host that lives");
    bench.silence(&one, limits::HOST_GONE_AFTER + Duration::from_secs(1)).await;
    let orphans = store.claim_dead_letters(&other, 64).await.unwrap();
    assert_eq!(orphans.len(), 40 - second.len() - 3, "what the gone host had claimed");
}

#[tokio::test]
async fn a_host_is_shown_as_it_last_spoke_until_it_is_forgotten() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let host = bench.host(1).await;
    bench.runs(&host, &[tenant(1), tenant(2)]).await;
    store.publish_sessions(&host, &[report(&tenant(2), "backoff")], &[tenant(1)]).await.unwrap();
    let sessions = store.sessions().await.unwrap();
    let expected =
        SessionReport { reason: Some("exit code 1\u{fffd}".into()), ..report(&tenant(2), "backoff") };
    assert_eq!((sessions.len(), &sessions[0].report, &sessions[0].host), (1, &expected, &host));
    assert!(store.host_lives(&host, 3).await.unwrap());
    let shown = store.hosts().await.unwrap();
    assert_eq!((shown[0].gone, shown[0].letters_lost), (false, 3));

    bench.silence(&host, limits::HOST_GONE_AFTER).await;
    assert!(store.hosts().await.unwrap()[0].gone);
    bench.silence(&host, limits::HOST_SHOWN).await;
    assert!(store.hosts().await.unwrap().is_empty());
    let next = bench.host(2).await;
    assert!(store.sessions().await.unwrap().is_empty(), "forgotten with their host");
    assert!(!store.host_lives(&host, 0).await.unwrap(), "it must say that it started");
    store.host_ended(&next).await.unwrap();
    assert!(store.hosts().await.unwrap().is_empty());
}

/// A sweep meets as many letters as there are, and one that somebody holds; neither may keep it from its work.
#[tokio::test]
async fn old_letters_are_swept_a_few_at_a_time_and_around_those_in_use() {
    let bench = Bench::new().await;
    let (mut client, connection) = shared_cluster().await.urls().platform.connect(NoTls).await.unwrap();
    let work = async {
        let insert = format!(
            "INSERT INTO {}.dead_letters (plugin, guild, event_id, kind, payload, received_at, attempts, times,
                                          reason, first_at, last_at, status)
             SELECT 'demo', number, 'e', 'message_create', '{{}}', now(), 1, 1, 'r', now(),
                    to_timestamp(number / 1000.0), 'kept' FROM generate_series(1, 2500) AS number",
            bench.schema
        );
        client.batch_execute(&insert).await.unwrap();
        let held = client.transaction().await.unwrap();
        let hold = format!("SELECT FROM {}.dead_letters WHERE guild = 7 FOR UPDATE", bench.schema);
        held.batch_execute(&hold).await.unwrap();
        let store = &bench.store;
        let sweep = store.sweep_dead_letters(Timestamp(12_401), Duration::from_secs(10));
        assert_eq!(sweep.await.unwrap(), 2399);
        held.rollback().await.unwrap();
        assert_eq!(bench.all().await.len(), 101);
    };
    tokio::select! {
        () = work => {}
        ended = connection => panic!("{ended:?}"),
    }
}

/// A host with very many sessions says what each does when it starts: in pieces that the database takes in time.
#[tokio::test]
async fn very_many_sessions_are_published() {
    let bench = Bench::new().await;
    let host = bench.host(1).await;
    let many: Vec<Tenant> = (1..=12_000).map(tenant).collect();
    bench.runs(&host, &many).await;
    assert_eq!(bench.store.sessions().await.unwrap().len(), many.len());
    bench.store.publish_sessions(&host, &[], &many).await.unwrap();
    assert!(bench.store.sessions().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_letter_waits_until_its_plugin_may_be_tried_again() {
    let bench = Bench::new().await;
    let store = &bench.store;
    store.keep_dead_letters(&[letter(1, "e1", 10), letter(2, "e2", 10)]).await.unwrap();
    let host = bench.host(1).await;
    store
        .publish_sessions(&host, &[report(&tenant(1), "broken"), report(&tenant(2), "ready")], &[])
        .await
        .unwrap();
    let done = store.redrive_dead_letters(&DeadLetterFilter::default()).await.unwrap();
    assert_eq!(done, Redriven { marked: 2, waiting: 0, stopped: 1, interactions: 0, already: 0 });
    let claimed = store.claim_dead_letters(&host, 64).await.unwrap();
    assert_eq!(claimed.iter().map(|record| record.letter.event.as_str()).collect::<Vec<_>>(), ["e2"]);
    store.publish_sessions(&host, &[report(&tenant(1), "cold")], &[]).await.unwrap();
    assert_eq!(store.claim_dead_letters(&host, 64).await.unwrap().len(), 1);
}

#[tokio::test]
async fn connections_are_shown_as_their_host_last_said_and_go_with_it() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let shard = |shard, state: &str| ShardReport {
        shard,
        shards: 2,
        state: state.to_owned(),
        reason: None,
        guilds: 7,
        latency: Some(Duration::from_micros(45_678)),
        last_event_at: Some(Timestamp(1234)),
    };
    let nobody = HostId::new(9);
    store.publish_shards(&nobody, &[shard(0, "ready")]).await.unwrap();
    assert!(store.shards().await.unwrap().is_empty(), "of a host that is not known");
    let host = bench.host(1).await;
    store.publish_shards(&host, &[shard(1, "connecting"), shard(0, "ready")]).await.unwrap();
    let fresh =
        ShardReport { latency: None, last_event_at: None, reason: Some("why".into()), ..shard(1, "ended") };
    store.publish_shards(&host, std::slice::from_ref(&fresh)).await.unwrap();
    let shown: Vec<ShardReport> =
        store.shards().await.unwrap().into_iter().map(|record| record.report).collect();
    assert_eq!(shown, [shard(0, "ready"), fresh]);
    store.host_ended(&host).await.unwrap();
    assert!(store.shards().await.unwrap().is_empty());
}
