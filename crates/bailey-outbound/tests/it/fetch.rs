//! Requests and answers, between a plugin's words and a server's.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request as Asked;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, LOCATION};
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Json, Router};
use bailey_outbound::{
    Answer, Credential, FetchError, NameServers, Network, Outbound, OutboundConfig, Reach, Request, Trust,
    limits,
};
use bytes::Bytes;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::support::{NameServer, Server, outbound};

/// Names that are on loopback.
async fn names() -> NameServer {
    let here = || vec![vec!["127.0.0.1"]];
    NameServer::start(HashMap::from([
        ("one.example", here()),
        ("two.example", here()),
        ("deaf.example", here()),
    ]))
    .await
}

fn way(names: &NameServer, server: &Server) -> Outbound {
    let permits = ["one.example", "two.example"].map(|host| format!("{host}:{}=127.0.0.1", server.port()));
    outbound(names, &permits)
}

fn reach() -> Reach {
    Reach::new(["one.example", "two.example"], [])
}

async fn get(out: &Outbound, url: &str) -> Answer {
    out.fetch("demo on 1", &reach(), Request::new("GET", url, [], None).unwrap()).await.unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// Says what it was asked.
async fn mirror(request: Asked) -> Json<serde_json::Value> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers: HashMap<String, String> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Json(serde_json::json!({
        "method": parts.method.as_str(), "target": parts.uri.to_string(), "headers": headers, "body": body.to_vec(),
    }))
}

#[tokio::test]
async fn a_request_arrives_as_it_was_written() {
    let names = names().await;
    let server = Server::start("127.0.0.1:0", Router::new().fallback(any(mirror))).await;
    let out = way(&names, &server);
    let body = Bytes::from_static("q=größe&raw=\u{1F3B2}\0".as_bytes());
    let headers = [
        ("X-Own", "1"),
        ("Authorization", "Bearer own"),
        ("Host", "evil.example"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Proxy-Authorization", "x"),
        ("Connection", "upgrade"),
        ("Cookie", "a=b"),
    ];
    let url = format!("http://one.example:{}/a%20b?x=1&x=2&y=%F0%9F#gone", server.port());
    let request = Request::new("purge", &url, headers, Some(body.clone())).unwrap();
    let answer = out.fetch("demo on 1", &reach(), request).await.unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(seen["method"], "PURGE");
    assert_eq!(seen["target"], "/a%20b?x=1&x=2&y=%F0%9F");
    assert_eq!(seen["body"], serde_json::json!(body.to_vec()));
    assert_eq!(seen["headers"]["host"], format!("one.example:{}", server.port()));
    assert_eq!(seen["headers"]["content-length"], body.len().to_string());
    assert_eq!(
        (&seen["headers"]["x-own"], &seen["headers"]["authorization"]),
        (&"1".into(), &"Bearer own".into())
    );
    for absent in ["transfer-encoding", "proxy-authorization", "connection", "upgrade"] {
        assert_eq!(seen["headers"].get(absent), None, "{absent}");
    }
    assert!(seen["headers"]["user-agent"].as_str().unwrap().starts_with("Bailey/"));
}

#[test]
fn what_could_be_taken_for_two_requests_is_refused() {
    let asked =
        |headers: &[(&str, &str)]| Request::new("GET", "https://a.example/", headers.iter().copied(), None);
    for (name, value) in [
        ("X", "a\r\nHost: b"),
        ("X", "a\nb"),
        ("X\r\nY", "a"),
        ("X:", "a"),
        ("", "a"),
        ("X Y", "a"),
        ("X", "\0"),
    ] {
        assert_eq!(asked(&[(name, value)]).unwrap_err().part, "headers", "{name:?}: {value:?}");
    }
    assert_eq!(asked(&[("X", &"a".repeat(limits::REQUEST_HEADER_BYTES + 1))]).unwrap_err().part, "headers");
    let many: Vec<String> = (0..=limits::REQUEST_HEADERS).map(|number| format!("x-{number}")).collect();
    assert!(asked(&many.iter().map(|name| (name.as_str(), "1")).collect::<Vec<_>>()).is_err());
    for method in ["CONNECT", "trace", "GET /x HTTP/1.1\r\n", "", "G T"] {
        assert_eq!(
            Request::new(method, "https://a.example/", [], None).unwrap_err().part,
            "method",
            "{method:?}"
        );
    }
    let large = Bytes::from(vec![0; limits::REQUEST_BODY_BYTES + 1]);
    assert_eq!(Request::new("POST", "https://a.example/", [], Some(large)).unwrap_err().part, "body");
    let long = format!("https://a.example/{}", "a".repeat(limits::URL_BYTES));
    assert_eq!(Request::new("GET", &long, [], None).unwrap_err().part, "url");
}

/// The same text in every way a server may pack it, and one that says what it is not.
async fn packed(request: Asked) -> impl IntoResponse {
    let text = "packed ".repeat(1_000);
    let (encoding, body) = match request.uri().path() {
        "/gzip" => ("gzip", gzip(text.as_bytes())),
        "/deflate" => {
            let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            packed.write_all(text.as_bytes()).unwrap();
            ("deflate", packed.finish().unwrap())
        }
        "/zstd" => ("zstd", zstd::encode_all(text.as_bytes(), 1).unwrap()),
        "/bomb" => ("gzip", gzip(&vec![b'0'; 64 << 20])),
        "/lie" => ("gzip", b"this is not packed".to_vec()),
        _ => ("identity", vec![b'x'; limits::ANSWER_BODY_BYTES + 1]),
    };
    ([(CONTENT_ENCODING, encoding)], body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn an_answer_is_unpacked_no_further_than_it_may_be_long() {
    let names = names().await;
    let server = Server::start("127.0.0.1:0", Router::new().fallback(any(packed))).await;
    let out = way(&names, &server);
    let url = |path: &str| format!("http://one.example:{}{path}", server.port());
    for packing in ["/gzip", "/deflate", "/zstd"] {
        let answer = get(&out, &url(packing)).await;
        assert_eq!(&answer.body[..], "packed ".repeat(1_000).as_bytes(), "{packing}");
        assert_eq!((answer.truncated, header(&answer, "content-encoding")), (false, None), "{packing}");
    }
    for endless in ["/bomb", "/long"] {
        let answer = get(&out, &url(endless)).await;
        assert_eq!((answer.body.len(), answer.truncated), (limits::ANSWER_BODY_BYTES, true), "{endless}");
    }
    let lie = out.fetch("one", &reach(), Request::new("GET", &url("/lie"), [], None).unwrap()).await;
    assert!(matches!(lie, Err(FetchError::Broken(_))), "{lie:?}");
}

/// `/302/POST…` and so on: leads to `/end` on the host named in the query.
async fn leads(request: Asked) -> axum::response::Response {
    let path = request.uri().path().to_owned();
    if path == "/end" {
        return mirror(request).await.into_response();
    }
    let status: u16 = path.trim_start_matches('/').split('/').next().unwrap().parse().unwrap();
    let to = request.uri().query().unwrap_or("/end").to_owned();
    (StatusCode::from_u16(status).unwrap(), [(LOCATION, to)], Body::empty()).into_response()
}

#[tokio::test]
async fn a_redirect_takes_along_what_it_may() {
    let names = names().await;
    let server = Server::start("127.0.0.1:0", Router::new().fallback(any(leads))).await;
    let out = way(&names, &server);
    let port = server.port();
    let follow = async |method: &str, status: u16, to: &str| {
        let headers = [("Authorization", "Bearer own"), ("Cookie", "a=b"), ("Content-Type", "text/plain")];
        let url = format!("http://one.example:{port}/{status}?{to}");
        let request = Request::new(method, &url, headers, Some(Bytes::from_static(b"body"))).unwrap();
        let answer = out.fetch("one", &reach(), request).await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
    };
    let elsewhere = format!("http://two.example:{port}/end");
    for (method, status, becomes, body) in [
        ("POST", 302, "GET", 0),
        ("POST", 301, "GET", 0),
        ("PUT", 303, "GET", 0),
        ("POST", 307, "POST", 4),
        ("PATCH", 308, "PATCH", 4),
    ] {
        let here = follow(method, status, "/end").await;
        assert_eq!(
            (here["method"].as_str().unwrap(), here["body"].as_array().unwrap().len()),
            (becomes, body),
            "{status}"
        );
        assert_eq!(here["headers"]["authorization"], "Bearer own");
        assert_eq!(here["headers"].get("content-type").is_some(), body > 0);
        let there = follow(method, status, &elsewhere).await;
        assert_eq!(
            (there["headers"].get("authorization"), there["headers"].get("cookie")),
            (None, None),
            "{status}"
        );
        assert_eq!(there["headers"]["host"], format!("two.example:{port}"));
    }
    let url = format!("http://one.example:{port}/302?/302");
    let round = out.fetch("one", &reach(), Request::new("GET", &url, [], None).unwrap()).await;
    assert!(round.is_ok(), "the second leads to /end: {round:?}");
    let circle = Router::new().fallback(any(async || (StatusCode::FOUND, [(LOCATION, "/again")])));
    let circle = Server::start("127.0.0.1:0", circle).await;
    let out = way(&names, &circle);
    let url = format!("http://one.example:{}/", circle.port());
    let round = out.fetch("one", &reach(), Request::new("GET", &url, [], None).unwrap()).await;
    assert_eq!(round, Err(FetchError::TooManyRedirects));
    assert_eq!(circle.hits(), limits::REDIRECTS + 1);
}

#[tokio::test]
async fn a_credential_goes_to_its_host_and_nowhere_else() {
    let names = names().await;
    let server = Server::start("127.0.0.1:0", Router::new().fallback(any(leads))).await;
    let out = way(&names, &server);
    let port = server.port();
    let ask = async |url: String| {
        let credential = Credential::new("Bearer hidden", "one.example".parse().unwrap()).unwrap();
        let request =
            Request::new("GET", &url, [("authorization", "own")], None).unwrap().with_credential(credential);
        out.fetch("one", &reach(), request).await
    };
    let seen = |answer: Answer| serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
    let here = seen(ask(format!("http://one.example:{port}/302")).await.unwrap());
    assert_eq!(here["headers"]["authorization"], "Bearer hidden");
    let there =
        seen(ask(format!("http://one.example:{port}/307?http://two.example:{port}/end")).await.unwrap());
    assert_eq!(there["headers"].get("authorization"), None);
    // Back again is its host again.
    let back =
        format!("http://one.example:{port}/307?http://two.example:{port}/307?http://one.example:{port}/end");
    assert_eq!(seen(ask(back).await.unwrap())["headers"]["authorization"], "Bearer hidden");
    let other = ask(format!("http://two.example:{port}/end")).await;
    assert!(matches!(other, Err(FetchError::Credential { .. })), "{other:?}");
    // Where others can read along it is not sent, unless the operator answers for the host.
    let open = outbound(&names, &[]);
    let credential = Credential::new("Bearer hidden", "one.example".parse().unwrap()).unwrap();
    let request = Request::new("GET", "http://one.example/", [], None).unwrap().with_credential(credential);
    let readable = open.fetch("one", &reach(), request).await;
    assert!(matches!(readable, Err(FetchError::Credential { .. })), "{readable:?}");
}

#[tokio::test]
async fn connections_are_used_again_by_the_same_asker_only() {
    let names = names().await;
    let ports: Arc<std::sync::Mutex<Vec<u16>>> = Arc::default();
    let noted = Arc::clone(&ports);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let routes =
        Router::new().fallback(any(move |connection: axum::extract::ConnectInfo<std::net::SocketAddr>| {
            noted.lock().unwrap().push(connection.0.port());
            async { "ok" }
        }));
    let service = routes.into_make_service_with_connect_info::<std::net::SocketAddr>();
    TaskTracker::new().spawn(async move { axum::serve(listener, service).await });
    let out = outbound(&names, &[format!("one.example:{port}=127.0.0.1")]);
    for asker in ["one", "one", "two", "two", "one"] {
        let request = Request::new("GET", &format!("http://one.example:{port}/"), [], None).unwrap();
        out.fetch(asker, &reach(), request).await.unwrap();
    }
    let ports = ports.lock().unwrap();
    assert_eq!((ports[0], ports[0]), (ports[1], ports[4]));
    assert_eq!(ports[2], ports[3]);
    assert_ne!(ports[0], ports[2]);
}

/// A server with a certificate, for HTTP/1.1 and 2 (it only ever says one thing, by 1.1).
async fn with_certificate(name: &str) -> (u16, rustls::pki_types::CertificateDer<'static>) {
    let certified = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let certificate = certified.cert.der().clone();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    TaskTracker::new().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let told = String::from_utf8_lossy(&request[..length])
                .to_lowercase()
                .contains("authorization: bearer hidden");
            let body = if told { "believed" } else { "unknown" };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, certificate)
}

#[tokio::test]
async fn a_certificate_is_held_to_the_name_that_was_asked_for() {
    let names = names().await;
    let (port, certificate) = with_certificate("one.example").await;
    let open = |own| {
        Outbound::open(OutboundConfig {
            name_servers: NameServers::At(vec![names.address]),
            permits: ["one.example", "two.example"]
                .map(|host| format!("{host}:{port}=127.0.0.1").parse().unwrap())
                .into(),
            trust: Trust::of_this_machine(own).unwrap(),
            network: Network::Internet,
        })
        .unwrap()
    };
    let ask = async |out: &Outbound, host: &str| {
        let credential = Credential::new("Bearer hidden", host.parse().unwrap()).unwrap();
        let request = Request::new("GET", &format!("https://{host}:{port}/"), [], None)
            .unwrap()
            .with_credential(credential);
        out.fetch("one", &reach(), request).await
    };
    let trusting = open(vec![certificate]);
    assert_eq!(&ask(&trusting, "one.example").await.unwrap().body[..], b"believed");
    for (out, host) in [(&trusting, "two.example"), (&open(Vec::new()), "one.example")] {
        let refused = ask(out, host).await;
        assert!(matches!(refused, Err(FetchError::Broken(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_at_the_other_end_is_said_so() {
    let names = names().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let out = outbound(&names, &[format!("one.example:{free}=127.0.0.1")]);
    let request = Request::new("GET", &format!("http://one.example:{free}/"), [], None).unwrap();
    let error = out.fetch("one", &reach(), request).await.unwrap_err();
    assert!(error.to_string().starts_with("no connection"), "{error}");
}

/// A server that takes its time is left after the time there is.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let out = Outbound::open(OutboundConfig {
        name_servers: NameServers::At(Vec::new()),
        permits: vec![format!("127.0.0.1:{port}=127.0.0.1").parse().unwrap()],
        trust: Trust::of_this_machine(Vec::new()).unwrap(),
        network: Network::Internet,
    })
    .unwrap();
    let reach = Reach::new([], ["127.0.0.1".parse().unwrap()]);
    let request = Request::new("GET", &format!("http://127.0.0.1:{port}/"), [], None).unwrap();
    let began = tokio::time::Instant::now();
    let error = out.fetch("one", &reach, request).await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut(_)), "{error:?}");
    assert!(began.elapsed() <= limits::REQUEST_TIME + std::time::Duration::from_secs(1));
}

#[test]
fn headers_are_not_shown() {
    let credential = Credential::new("Bearer hidden", "a.example".parse().unwrap()).unwrap();
    assert!(!format!("{credential:?}").contains("hidden"));
}
