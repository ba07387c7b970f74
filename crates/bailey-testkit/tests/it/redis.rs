//! The throwaway Redis leaves nothing behind, and its clock obeys.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use bailey_testkit::Redis;

/// One command on a connection of its own; the lines of a short answer.
fn ask(redis: &Redis, command: &str, lines: usize) -> Vec<String> {
    let mut socket = UnixStream::connect(socket(redis)).unwrap();
    socket.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    BufReader::new(socket).lines().take(lines).map(Result::unwrap).collect()
}

fn socket(redis: &Redis) -> PathBuf {
    redis.url().replace("redis+unix://", "").into()
}

#[test]
fn it_starts_again_empty_and_is_gone_when_dropped() {
    let mut redis = Redis::start();
    assert_eq!(ask(&redis, "SET a 1", 1), ["+OK"]);
    redis.kill();
    assert!(UnixStream::connect(socket(&redis)).is_err(), "it was killed");
    redis.start_again();
    assert_eq!(ask(&redis, "GET a", 1), ["$-1"]);
    let socket = socket(&redis);
    drop(redis);
    assert!(!socket.parent().unwrap().exists(), "its folder is left");
}

#[test]
fn a_clock_moved_by_hand_is_the_one_it_tells_and_expires_keys_by() {
    let redis = Redis::start_with_hand_clock(1_767_225_600_123);
    assert_eq!(ask(&redis, "TIME", 5)[1..], ["$10", "1767225600", "$6", "123000"]);
    assert_eq!(ask(&redis, "SET a 1 PX 1000", 1), ["+OK"]);
    redis.set_clock(1_767_225_601_123);
    assert_eq!(ask(&redis, "GET a", 2), ["$1", "1"]);
    redis.set_clock(1_767_225_601_124);
    assert_eq!(ask(&redis, "GET a", 1), ["$-1"]);
}
