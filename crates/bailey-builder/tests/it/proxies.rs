//! The way out of the machine that the operator's environment prescribes is the gate's way out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bailey_builder::{Builder, BuilderConfig};

use crate::config;
use crate::index::Index;

/// A proxy that leads anywhere and remembers what it was asked.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let asked = Arc::clone(&proxy.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || lead(stream, &asked));
            }
        });
        proxy
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn lead(mut client: TcpStream, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(client.try_clone().ok()?).lines().map_while(Result::ok);
    let first = lines.next()?;
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    asked.lock().unwrap().push(format!("{first}\n{}", headers.join("\n")));
    let target = first.split(' ').nth(1)?;
    let mut server;
    if first.starts_with("CONNECT") {
        server = TcpStream::connect(target).ok()?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    } else {
        let (host, path) = target.strip_prefix("http://")?.split_once('/')?;
        server = TcpStream::connect(host).ok()?;
        let kept: Vec<_> = headers.iter().filter(|line| !line.to_lowercase().starts_with("proxy-")).collect();
        let kept: String = kept.into_iter().map(|line| format!("{line}\r\n")).collect();
        let method = first.split(' ').next()?;
        server.write_all(format!("{method} /{path} HTTP/1.1\r\n{kept}\r\n").as_bytes()).ok()?;
    }
    let (from, to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || copy(from, to));
    copy(server, client)
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> Option<()> {
    let mut chunk = [0; 1 << 14];
    loop {
        let read = from.read(&mut chunk).ok()?;
        if read == 0 {
            return to.shutdown(std::net::Shutdown::Write).ok();
        }
        to.write_all(&chunk[..read]).ok()?;
    }
}

/// A builder with these variables and no other proxies.
fn builder(cache: &std::path::Path, variables: &[(&str, String)]) -> Builder {
    let mut config = BuilderConfig { ..config(cache) };
    config.environment.retain(|(name, _)| !name.to_lowercase().ends_with("_proxy"));
    config.environment.retain(|(name, _)| !variables.iter().any(|(other, _)| name == other));
    config.environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Builder::new(config).unwrap()
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_of_the_configured_proxy() {
    let (proxy, cache) = (Proxy::start(), tempfile::tempdir().unwrap());
    let variables = [("HTTPS_PROXY", format!("http://me:secret@127.0.0.1:{}", proxy.port))];
    builder(cache.path(), &variables).build(None, None).await.unwrap();
    let asked = proxy.asked();
    assert!(asked.len() >= 2, "the pages, then the files: {asked:?}");
    for asked in asked {
        assert!(
            asked.starts_with("CONNECT ") && asked.to_lowercase().contains("proxy-authorization: basic "),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn plain_http_is_asked_of_the_configured_proxy() {
    let (proxy, index, cache) = (Proxy::start(), Index::start(), tempfile::tempdir().unwrap());
    let variables =
        [("http_proxy", format!("http://127.0.0.1:{}", proxy.port)), ("UV_DEFAULT_INDEX", index.url())];
    builder(cache.path(), &variables).build(None, None).await.unwrap();
    let asked = proxy.asked();
    let begins = |beginning: String| asked.iter().any(|asked| asked.starts_with(&beginning));
    assert!(begins(format!("GET {}/yourbot-sdk/ ", index.url())), "{asked:?}");
    assert!(begins(format!("GET http://127.0.0.1:{}/files/yourbot_sdk-0.10.1", index.port)), "{asked:?}");
    assert_eq!(index.asked().len(), asked.len(), "nothing went past it");
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_named_without_its_password_and_can_be_excepted() {
    let (index, cache) = (Index::start(), tempfile::tempdir().unwrap());
    let dead = ("HTTP_PROXY", "http://me:secret@127.0.0.1:9".to_owned());
    let there = ("UV_DEFAULT_INDEX", index.url());
    let error = builder(cache.path(), &[dead.clone(), there.clone()])
        .build(None, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("the package index (") && error.contains(") cannot be reached: "), "{error}");
    assert!(error.contains("the configured proxy: ") && !error.contains("secret"), "{error}");
    let except = ("NO_PROXY", "127.0.0.1".to_owned());
    builder(cache.path(), &[dead, there, except]).build(None, None).await.unwrap();
}
