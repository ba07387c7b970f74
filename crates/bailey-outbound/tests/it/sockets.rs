//! WebSocket connections to servers on loopback.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::routing::any;
use bailey_outbound::{
    Arrival, Credential, FetchError, Frame, NameError, Outbound, Reach, Socket, SocketAddress, limits,
};
use bytes::Bytes;

use crate::support::{NameServer, Server, outbound};

async fn names() -> NameServer {
    NameServer::start(HashMap::from([
        ("feed.example", vec![vec!["127.0.0.1"]]),
        ("sub.feed.example", vec![vec!["127.0.0.1"]]),
        ("inside.example", vec![vec!["127.0.0.1"]]),
    ]))
    .await
}

/// Says what it hears, and what it was asked with; large answers and a goodbye at a word.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(text) if text == "large" => {
                let _ = socket.send(Message::Binary(vec![0; limits::SOCKET_FRAME_BYTES + 1].into())).await;
            }
            Message::Text(text) if text == "leave" => return,
            Message::Text(_) | Message::Binary(_) => drop(socket.send(message).await),
            _ => {}
        }
    }
}

async fn server() -> (Server, Arc<Mutex<Vec<HeaderMap>>>) {
    let asked: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let routes = Router::new()
        .route(
            "/feed",
            any(move |headers: HeaderMap, upgrade: WebSocketUpgrade| {
                noted.lock().unwrap().push(headers);
                async { upgrade.on_upgrade(echo) }
            }),
        )
        .route("/page", any(async || "no WebSocket here"))
        .route("/away", any(async || axum::response::Redirect::temporary("/feed")));
    (Server::start("127.0.0.1:0", routes).await, asked)
}

fn way(names: &NameServer, server: &Server) -> Outbound {
    outbound(
        names,
        &["feed.example", "sub.feed.example"].map(|host| format!("{host}:{}=127.0.0.1", server.port())),
    )
}

async fn connect(out: &Outbound, url: &str, credential: Option<&Credential>) -> Result<Socket, FetchError> {
    let reach = Reach::new(["feed.example", "inside.example"], []);
    out.connect(&reach, &SocketAddress::new(url)?, credential).await
}

#[tokio::test]
async fn frames_go_to_and_fro_and_the_end_has_a_reason() {
    let (names, (server, asked)) = (names().await, server().await);
    let out = way(&names, &server);
    let url = format!("ws://feed.example:{}/feed", server.port());
    let credential = Credential::new("Bearer hidden", "feed.example".parse().unwrap()).unwrap();
    let mut socket = connect(&out, &url, Some(&credential)).await.unwrap();
    for frame in [Frame::Text("größe".to_owned()), Frame::Binary(Bytes::from_static(&[0, 255]))] {
        socket.send(frame.clone()).await.unwrap();
        assert_eq!(socket.next().await, Arrival::Frame(frame));
    }
    socket.ping().await.unwrap();
    assert_eq!(socket.next().await, Arrival::Alive);
    {
        let asked = asked.lock().unwrap();
        assert_eq!(asked[0]["authorization"], "Bearer hidden");
        assert_eq!(asked[0]["host"], format!("feed.example:{}", server.port()));
    }
    socket.send(Frame::Text("leave".to_owned())).await.unwrap();
    assert!(matches!(socket.next().await, Arrival::Closed(_)));
    let mut socket = connect(&out, &url, None).await.unwrap();
    socket.send(Frame::Text("large".to_owned())).await.unwrap();
    let Arrival::Closed(reason) = socket.next().await else { panic!("a frame of any size is taken") };
    assert!(reason.contains(&limits::SOCKET_FRAME_BYTES.to_string()), "{reason}");
    socket.close().await;
}

#[tokio::test]
async fn a_connection_has_the_rules_of_a_request_and_no_names_below() {
    let (names, (server, _)) = (names().await, server().await);
    let out = way(&names, &server);
    let port = server.port();
    let refused = async |url: &str| connect(&out, url, None).await.err().unwrap();
    let below = refused(&format!("ws://sub.feed.example:{port}/feed")).await;
    assert!(matches!(below, FetchError::NotListed { .. }), "{below:?}");
    let port_of_mail = refused("ws://feed.example:25/feed").await;
    assert!(matches!(port_of_mail, FetchError::OtherPort { .. }), "{port_of_mail:?}");
    let inside = refused("ws://inside.example/feed").await;
    assert!(matches!(inside, FetchError::Name(NameError::NotPublic { .. })), "{inside:?}");
    for no_socket in ["/page", "/away"] {
        let error = refused(&format!("ws://feed.example:{port}{no_socket}")).await;
        assert!(error.to_string().contains("instead of a WebSocket"), "{error}");
    }
    for wrong in
        ["https://feed.example/", "feed.example", "ws://user@feed.example/", "ws://", "wss://feed.example/\n"]
    {
        assert!(SocketAddress::new(wrong).is_err(), "{wrong}");
    }
    // What proves who asks does not travel where others read along.
    let open = outbound(&names, &[]);
    let credential = Credential::new("Bearer hidden", "feed.example".parse().unwrap()).unwrap();
    let readable = connect(&open, "ws://feed.example/feed", Some(&credential)).await.err().unwrap();
    assert!(matches!(readable, FetchError::Credential { .. }), "{readable:?}");
}
