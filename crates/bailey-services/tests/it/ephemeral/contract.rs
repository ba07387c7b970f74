//! What both backends promise, word for word: results as the wire carries them, edges of time,
//! tenants, concurrency, bounds.

use bailey_protocol::limits;
use serde_json::json;
use tokio::task::JoinSet;

use super::desk::Desk;
use crate::support::tenant;

/// Makes of each function a test in this process and one in a real Redis.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(super::Desk::in_process()).await;
            })*
        }

        mod in_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let desk = super::Desk::in_redis();
                super::$name(desk.clone()).await;
                desk.must_have_been_in_redis();
            })*
        }
    };
}

on_both!(
    a_counter_counts_the_trailing_window_exactly,
    a_counter_can_be_read_with_several_windows,
    a_counter_remembers_its_widest_window_until_it_is_empty,
    many_hits_leave_one_by_one,
    a_clock_set_back_takes_no_hit_away,
    a_cooldown_lasts_its_time_and_starts_anew,
    a_repeat_is_remembered_no_longer_for_being_repeated,
    a_flag_is_set_for_a_time,
    times_out_of_range_are_brought_within,
    the_four_kinds_do_not_share_keys,
    keys_are_taken_as_they_are,
    tenants_never_meet,
    a_hundred_at_once_count_as_one_after_the_other,
    a_counter_stops_at_its_most_and_goes_on_when_hits_leave,
    the_soonest_to_expire_makes_room_for_a_new_key,
    many_hits_make_room_at_the_cost_of_the_soonest_to_expire,
    what_has_expired_is_absent_before_it_is_cleared_away,
);

async fn a_counter_counts_the_trailing_window_exactly(desk: Desk) {
    desk.counts(60, 1).await; // at 0
    desk.pass(30_000);
    desk.counts(60, 2).await; // at 30 s
    desk.pass(29_999);
    desk.counts(60, 3).await; // at 59.999 s: the first is still within
    desk.pass(1);
    desk.counts(60, 3).await; // at 60 s: it has just left
    desk.pass(30_000);
    desk.counts(60, 3).await; // at 90 s: so has the second; 59.999, 60 and 90 are left
    desk.pass(60_000);
    desk.counts(60, 1).await;
}

async fn a_counter_can_be_read_with_several_windows(desk: Desk) {
    desk.counts(3600, 1).await;
    desk.pass(600_000);
    desk.counts(60, 1).await;
    desk.counts(3600, 3).await;
    desk.pass(59_999);
    desk.counts(60, 3).await;
    desk.pass(1);
    desk.counts(60, 2).await;
    desk.counts(3600, 6).await;
}

async fn a_cooldown_lasts_its_time_and_starts_anew(desk: Desk) {
    let over = json!({"active": false, "remaining_seconds": 0.0});
    let key = json!({"key": "a"});
    desk.check("cooldown_check", key.clone(), over.clone()).await;
    desk.check("cooldown_set", json!({"key": "a", "ttl_seconds": 90}), json!({"ok": true})).await;
    desk.check("cooldown_check", key.clone(), json!({"active": true, "remaining_seconds": 90.0})).await;
    desk.pass(89_500);
    desk.check("cooldown_check", key.clone(), json!({"active": true, "remaining_seconds": 1.0})).await;
    desk.check("cooldown_set", json!({"key": "a", "ttl_seconds": 5}), json!({"ok": true})).await;
    desk.pass(4_999);
    desk.check("cooldown_check", key.clone(), json!({"active": true, "remaining_seconds": 1.0})).await;
    desk.pass(1);
    desk.check("cooldown_check", key.clone(), over).await;
    desk.call("cooldown_set", key.clone()).await; // a minute, as the SDKs have it
    desk.check("cooldown_check", key, json!({"active": true, "remaining_seconds": 60.0})).await;
}

async fn a_repeat_is_remembered_no_longer_for_being_repeated(desk: Desk) {
    let seen = json!({"key": "a", "ttl_seconds": 10});
    desk.check("dedup", seen.clone(), json!({"is_new": true})).await;
    desk.pass(9_999);
    desk.check("dedup", seen.clone(), json!({"is_new": false})).await;
    desk.pass(1);
    desk.check("dedup", seen.clone(), json!({"is_new": true})).await;
    desk.check("dedup", seen, json!({"is_new": false})).await;
}

async fn a_flag_is_set_for_a_time(desk: Desk) {
    let key = json!({"key": "a"});
    desk.check("flag_check", key.clone(), json!({"active": false})).await;
    desk.check("flag_set", json!({"key": "a", "ttl_seconds": 10}), json!({"ok": true})).await;
    desk.pass(9_000);
    desk.call("flag_set", json!({"key": "a", "ttl_seconds": 2})).await;
    desk.pass(1_999);
    desk.check("flag_check", key.clone(), json!({"active": true})).await;
    desk.pass(1);
    desk.check("flag_check", key, json!({"active": false})).await;
}

async fn times_out_of_range_are_brought_within(desk: Desk) {
    desk.call("flag_set", json!({"key": "a", "ttl_seconds": 0})).await;
    desk.pass(999);
    desk.check("flag_check", json!({"key": "a"}), json!({"active": true})).await;
    desk.pass(1);
    desk.check("flag_check", json!({"key": "a"}), json!({"active": false})).await;
    desk.call("cooldown_set", json!({"key": "a", "ttl_seconds": i64::MAX})).await;
    let day = json!({"active": true, "remaining_seconds": 86_400.0});
    desk.check("cooldown_check", json!({"key": "a"}), day).await;
}

async fn the_four_kinds_do_not_share_keys(desk: Desk) {
    let key = json!({"key": "x"});
    desk.call("flag_set", key.clone()).await;
    desk.check("cooldown_check", key.clone(), json!({"active": false, "remaining_seconds": 0.0})).await;
    desk.check("dedup", key.clone(), json!({"is_new": true})).await;
    desk.check("counter", key.clone(), json!({"count": 1})).await;
    desk.check("flag_check", key.clone(), json!({"active": true})).await;
    let other = json!({"key": "y"});
    desk.call("cooldown_set", other.clone()).await;
    desk.call("dedup", other.clone()).await;
    desk.call("counter", other.clone()).await;
    desk.check("flag_check", other, json!({"active": false})).await;
}

async fn tenants_never_meet(desk: Desk) {
    let key = json!({"key": "x"});
    for method in ["flag_set", "cooldown_set", "dedup", "counter"] {
        desk.call(method, key.clone()).await;
    }
    // So many that some of them surely lie behind the same lock.
    let servers = (9002..9066).map(|guild| tenant("demo", guild));
    let plugins = (0..64).map(|number| tenant(&format!("other{number}"), 9001));
    for other in servers.chain(plugins) {
        let other = desk.of(other);
        other.check("flag_check", key.clone(), json!({"active": false})).await;
        other.check("cooldown_check", key.clone(), json!({"active": false, "remaining_seconds": 0.0})).await;
        other.check("dedup", key.clone(), json!({"is_new": true})).await;
        other.check("counter", key.clone(), json!({"count": 1})).await;
    }
    desk.check("counter", key, json!({"count": 2})).await;
}

async fn a_hundred_at_once_count_as_one_after_the_other(desk: Desk) {
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let desk = desk.clone();
        tasks.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..20 {
                told.push(desk.call("counter", json!({"key": "a"})).await);
            }
            (told, desk.call("dedup", json!({"key": "a"})).await)
        });
    }
    let (told, sightings): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    let mut told: Vec<String> = told.into_iter().flatten().collect();
    told.sort();
    let mut expected: Vec<String> = (1..=2000).map(|count| format!("{{\"count\":{count}}}")).collect();
    expected.sort();
    assert!(told == expected, "a number was told twice, or not at all");
    assert_eq!(sightings.iter().filter(|sighting| sighting.contains("true")).count(), 1);
}

async fn a_counter_stops_at_its_most_and_goes_on_when_hits_leave(desk: Desk) {
    for count in 1..=limits::EPHEMERAL_HITS {
        desk.counts(60, count).await;
    }
    desk.pass(1_000);
    for _ in 0..3 {
        desk.counts(60, limits::EPHEMERAL_HITS).await;
    }
    desk.pass(59_000); // those of the beginning leave, the last three stay
    desk.counts(60, 4).await;
}

async fn a_counter_remembers_its_widest_window_until_it_is_empty(desk: Desk) {
    desk.counts(60, 1).await;
    desk.pass(59_000);
    desk.counts(1, 1).await; // the first is kept all the same: a minute was asked for once
    desk.counts(60, 3).await;
    desk.pass(60_000);
    desk.counts(1, 1).await; // all have left, and the minute is forgotten with them
    desk.pass(1_000);
    desk.counts(60, 1).await;
}

async fn many_hits_leave_one_by_one(desk: Desk) {
    for count in 1..=50 {
        desk.counts(60, count).await;
        desk.pass(100);
    }
    desk.pass(55_000); // 60 s after the first
    for _ in 0..49 {
        // One comes, one has left; the narrower window sees the new ones alone.
        desk.counts(60, 50).await;
        desk.pass(100);
    }
    desk.counts(60, 50).await;
    desk.counts(1, 11).await;
}

async fn a_clock_set_back_takes_no_hit_away(desk: Desk) {
    desk.counts(60, 1).await; // at 0
    desk.set_back(30_000);
    desk.counts(60, 2).await; // counts as if it came at 0
    desk.pass(61_000);
    desk.counts(60, 3).await; // at 31 s
    desk.pass(28_999);
    desk.counts(60, 4).await; // at 59.999 s
    desk.pass(1);
    desk.counts(60, 3).await; // at 60 s the first two leave
}

async fn keys_are_taken_as_they_are(desk: Desk) {
    let longest = "\u{1F600}".repeat(256);
    let keys = ["a", "A", " a", "a ", "}{:", "c", "ca", "hits:a", "a\r\nb", "\u{0}b", "\u{e9}", "e\u{301}"];
    let keys: Vec<&str> = keys.into_iter().filter(|key| !key.contains('\0')).chain([&*longest]).collect();
    for key in &keys {
        let given = json!({ "key": key });
        desk.check("counter", given.clone(), json!({"count": 1})).await;
        desk.check("dedup", given.clone(), json!({"is_new": true})).await;
        desk.check("flag_check", given.clone(), json!({"active": false})).await;
        desk.call("flag_set", given.clone()).await;
        desk.call("cooldown_set", given.clone()).await;
    }
    for key in &keys {
        let given = json!({ "key": key });
        desk.check("counter", given.clone(), json!({"count": 2})).await;
        desk.check("dedup", given.clone(), json!({"is_new": false})).await;
        desk.check("flag_check", given.clone(), json!({"active": true})).await;
        let cooling = json!({"active": true, "remaining_seconds": 60.0});
        desk.check("cooldown_check", given, cooling).await;
    }
}

async fn the_soonest_to_expire_makes_room_for_a_new_key(desk: Desk) {
    for number in 0..limits::EPHEMERAL_KEYS {
        let seconds = if number == 77 { 100 } else { 3600 };
        desk.call("flag_set", json!({"key": format!("k{number}"), "ttl_seconds": seconds})).await;
    }
    desk.call("flag_set", json!({"key": "k5"})).await; // known already: nobody has to go
    desk.check("flag_check", json!({"key": "k77"}), json!({"active": true})).await;
    desk.of(tenant("other", 9001)).call("flag_set", json!({"key": "k"})).await; // has its own room
    desk.check("flag_check", json!({"key": "k77"}), json!({"active": true})).await;
    desk.call("cooldown_set", json!({"key": "new", "ttl_seconds": 1})).await;
    let new = json!({"active": true, "remaining_seconds": 1.0});
    desk.check("cooldown_check", json!({"key": "new"}), new).await;
    desk.check("flag_check", json!({"key": "k77"}), json!({"active": false})).await;
    desk.check("flag_check", json!({"key": "k5"}), json!({"active": true})).await;
}

async fn many_hits_make_room_at_the_cost_of_the_soonest_to_expire(desk: Desk) {
    // Keys of a kilobyte: nine megabytes of them are more than there is room for.
    let key = |number: usize| format!("{number:04}{}", "\u{1F600}".repeat(250));
    for number in 0..limits::EPHEMERAL_KEYS - 1 {
        desk.call("flag_set", json!({"key": key(number), "ttl_seconds": 1000 + number})).await;
    }
    desk.check("flag_check", json!({"key": key(0)}), json!({"active": false})).await;
    let last = json!({"key": key(limits::EPHEMERAL_KEYS - 2)});
    desk.check("flag_check", last.clone(), json!({"active": true})).await;
    let first_left = desk.first_set(key).await;
    for count in 1..=2000 {
        desk.counts(86_400, count).await;
    }
    let left_then = desk.first_set(key).await;
    assert!((5..50).contains(&(left_then - first_left)), "{first_left} to {left_then} had to go");
    desk.check("flag_check", last, json!({"active": true})).await;
    desk.counts(86_400, 2001).await;
}

async fn what_has_expired_is_absent_before_it_is_cleared_away(desk: Desk) {
    for number in 0..1000 {
        desk.call("flag_set", json!({"key": number.to_string(), "ttl_seconds": 10})).await;
        desk.call("dedup", json!({"key": number.to_string(), "ttl_seconds": 10})).await;
        desk.call("counter", json!({"key": number.to_string(), "window_seconds": 10})).await;
    }
    desk.call("flag_set", json!({"key": "stays"})).await;
    desk.pass(10_000);
    // The last to be cleared away, should calls clear in order.
    desk.check("flag_check", json!({"key": "999"}), json!({"active": false})).await;
    desk.check("counter", json!({"key": "999", "window_seconds": 10}), json!({"count": 1})).await;
    desk.check("dedup", json!({"key": "999"}), json!({"is_new": true})).await;
    desk.check("dedup", json!({"key": "999"}), json!({"is_new": false})).await;
    desk.check("counter", json!({"key": "999", "window_seconds": 10}), json!({"count": 2})).await;
    desk.check("flag_check", json!({"key": "stays"}), json!({"active": true})).await;
}
