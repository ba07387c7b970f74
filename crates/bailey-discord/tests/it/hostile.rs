//! A gateway and a REST server that answer what Discord never would.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use bailey_discord::{
    BotToken, Directory, DiscordConfig, DiscordError, Endpoints, Gateway, Rest, SessionStarts, ShardPlan,
    Shards,
};
use bailey_protocol::method::message::MessageParts;
use bailey_protocol::{ChannelId, EventKind};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, Still, next, reached};

fn config(listener: &TcpListener) -> DiscordConfig {
    DiscordConfig::new(BotToken::new("token"), Endpoints::simulator(listener.local_addr().unwrap()))
}

#[tokio::test]
async fn frames_that_cannot_be_read_are_counted_and_left_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&listener);
    let (sink, mut events) = mpsc::channel(8);
    let gateway = Gateway::start(&config, sink, Arc::new(Still), Directory::new());
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let message = |sequence: u64, data: serde_json::Value| {
        json!({"op": 0, "t": "MESSAGE_CREATE", "s": sequence, "d": data}).to_string()
    };
    let url = config.endpoints.gateway().unwrap();
    let ready = json!({"session_id": "s", "resume_gateway_url": url, "guilds": []});
    let frames = [
        json!({"op": 10, "d": {"heartbeat_interval": 40_000}}).to_string(),
        json!({"op": 0, "t": "READY", "s": 1, "d": ready}).to_string(),
        message(2, json!({"id": 5, "content": ["not", "a", "text"]})),
        "this is no JSON".to_owned(),
        "[]".to_owned(),
        json!({"op": 0, "t": "GUILD_CREATE", "s": 3, "d": {"id": "x"}}).to_string(),
        json!({"op": 0, "t": "SOMETHING_NEW", "s": 4, "d": null}).to_string(),
        json!({"op": 0, "t": "INTERACTION_CREATE", "s": 5, "d": {"token": "secret"}}).to_string(),
        message(6, json!({"id": "1", "channel_id": "2", "content": "a private one"})),
        message(7, json!({"id": "1", "channel_id": "2", "guild_id": "3", "content": "fine"})),
    ];
    for frame in frames {
        socket.send(Message::text(frame)).await.unwrap();
    }
    assert_eq!(next(&mut events, EventKind::MessageCreate).await.payload["content"], "fine");
    let mut status = gateway.status();
    let status = reached(&mut status, |status| status.processed_sequence == 7).await;
    assert_eq!((status.unparsable, status.direct_messages), (5, 1));
    assert!(matches!(socket.next().await, Some(Ok(_))), "the connection was kept");
}

/// Answers each connection's request with these bytes, and closes.
async fn answering(listener: TcpListener, answer: Vec<u8>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(&answer).await;
    }
}

async fn connecting_to(answer: Vec<u8>) -> DiscordError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&listener);
    let connect = async {
        tokio::select! {
            () = answering(listener, answer) => panic!("the server ended"),
            outcome = Rest::connect(&config) => outcome.unwrap_err(),
        }
    };
    tokio::time::timeout(PATIENCE, connect).await.unwrap()
}

#[tokio::test]
async fn endless_answers_are_not_read_to_the_end() {
    let size = 9 * 1024 * 1024;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b' ');
    let error = connecting_to(answer).await.to_string();
    assert!(error.contains("larger than"), "{error}");
}

#[tokio::test]
async fn answers_that_are_no_json_are_said_to_be() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_vec();
    assert!(matches!(connecting_to(answer).await, DiscordError::Malformed(_)));
}

#[tokio::test]
async fn answers_that_break_off_are_asked_for_again_and_then_given_up() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_vec();
    assert!(matches!(connecting_to(answer).await, DiscordError::Unreachable(_)));
}

#[tokio::test]
async fn nobody_there_is_said_without_the_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&listener);
    drop(listener);
    let error = Rest::connect(&config).await.unwrap_err();
    assert!(matches!(error, DiscordError::Unreachable(_)), "{error:?}");
    assert!(!error.to_string().contains("token"), "{error}");
}

fn json_answer(body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_its_turn_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&listener);
    let application = json_answer(&json!({"id": "1", "name": "bot"}));
    let (connected, ()) = tokio::join!(Rest::connect(&config), answer_one(&listener, &application));
    let (rest, _) = connected.unwrap();
    let text = MessageParts { content: Some("x".to_owned()), ..MessageParts::default() };
    // The first call holds the turn of its channel, and its request is never answered.
    let _unanswered = tokio::select! {
        outcome = rest.create_message(ChannelId(5), &text, &[]) => panic!("{outcome:?}"),
        accepted = listener.accept() => accepted.unwrap(),
    };
    let message = json_answer(&json!({"id": "6", "channel_id": "5"}));
    let both = async {
        tokio::join!(rest.create_message(ChannelId(5), &text, &[]), answer_one(&listener, &message))
    };
    let (sent, ()) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(sent.unwrap().message_id.0, 6);
}

async fn answer_one(listener: &TcpListener, answer: &[u8]) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await.unwrap();
    stream.write_all(answer).await.unwrap();
}

/// Long enough for whoever does not wait for its turn to show itself.
const A_MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_shard_connects_once_the_one_before_it_was_greeted_or_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sink, _events) = mpsc::channel(8);
    let starts = SessionStarts {
        total: 1000,
        remaining: 1000,
        reset_after: PATIENCE,
        max_concurrency: NonZeroU16::new(3).unwrap(),
    };
    let plan = ShardPlan { shards: NonZeroU32::new(3).unwrap(), starts };
    let clock = Arc::new(Still);
    let _shards = Shards::start(&config(&listener), &plan, sink, clock, &Directory::new(), Vec::new());
    let (first, _) = listener.accept().await.unwrap();
    let early = tokio::time::timeout(A_MOMENT, listener.accept()).await;
    assert!(early.is_err(), "another shard connects before the first was greeted");
    drop(first);
    let (second, _) = listener.accept().await.unwrap();
    let mut second = tokio_tungstenite::accept_async(second).await.unwrap();
    let hello = json!({"op": 10, "d": {"heartbeat_interval": 40_000}}).to_string();
    second.send(Message::text(hello)).await.unwrap();
    let identify = second.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(identify.contains(r#""shard":[1,3]"#), "the first waits before it tries again");
    assert!(tokio::time::timeout(PATIENCE, listener.accept()).await.is_ok(), "nobody else connects");
}
