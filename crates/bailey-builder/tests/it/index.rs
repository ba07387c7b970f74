//! A package index of the test's own: pages and wheels made to order, on the host's loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What is answered at a path: the status line, further headers, the body.
type Answer = (String, String, Vec<u8>);

/// A running index. Its thread ends with the test's process.
pub(crate) struct Index {
    pub(crate) port: u16,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Index {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answers, asked) = (Arc::default(), Arc::default());
        let index = Self { port, answers: Arc::clone(&answers), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                std::thread::spawn(move || serve(&stream, &answers, &asked));
            }
        });
        let sdk = [("yourbot_sdk/__init__.py", "VERSION = 1\n")]
            .map(|(name, text)| json!({"name": name, "text": text}));
        index.wheel("yourbot-sdk", "0.10.1", &sdk);
        index
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/simple", self.port)
    }

    /// Everything anybody asked for: path and headers.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn answer(&self, path: &str, status: &str, headers: &str, body: impl Into<Vec<u8>>) {
        let answer = (status.to_owned(), headers.to_owned(), body.into());
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// A page that leads to one file.
    pub(crate) fn page(&self, name: &str, href: &str, file: &str, attributes: &str) {
        let page =
            format!("<!DOCTYPE html><html><body><a href=\"{href}\" {attributes}>{file}</a></body></html>");
        self.answer(&format!("/simple/{name}/"), "200 OK", "Content-Type: text/html\r\n", page);
    }

    /// A wheel with proper descriptions and these further entries (see `wheel.py`), and its page.
    pub(crate) fn wheel(&self, name: &str, version: &str, entries: &[Value]) {
        let (file, bytes) = wheel(name, version, entries);
        self.serve_wheel(name, &file, bytes);
    }

    pub(crate) fn serve_wheel(&self, name: &str, file: &str, bytes: Vec<u8>) {
        let hash = hex::encode(Sha256::digest(&bytes));
        self.page(name, &format!("/files/{file}#sha256={hash}"), file, "");
        self.answer(&format!("/files/{file}"), "200 OK", "", bytes);
    }
}

/// A wheel's file name and content.
pub(crate) fn wheel(name: &str, version: &str, entries: &[Value]) -> (String, Vec<u8>) {
    let plain = name.replace('-', "_");
    let information = format!("{plain}-{version}.dist-info");
    let mut all = vec![
        json!({"name": format!("{information}/METADATA"), "text": metadata(name, version)}),
        json!({"name": format!("{information}/WHEEL"), "text": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}),
        json!({"name": format!("{information}/RECORD"), "text": ""}),
    ];
    let replaced = |entry: &Value| entries.iter().any(|other| other["name"] == entry["name"]);
    all.retain(|entry| !replaced(entry));
    all.extend(entries.iter().cloned());
    (format!("{plain}-{version}-py3-none-any.whl"), zip(&json!(all)))
}

pub(crate) fn metadata(name: &str, version: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n")
}

#[expect(
    clippy::disallowed_methods,
    reason = "Python's zipfile writes what a well-behaved library would not"
)]
fn zip(entries: &Value) -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/wheel.py");
    let mut python = Command::new("/usr/bin/python3")
        .args(["-I", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(entries.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn serve(mut stream: &TcpStream, answers: &Mutex<BTreeMap<String, Answer>>, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    asked.lock().unwrap().push(format!("{first}\n{}", headers.join("\n")));
    let path = first.split(' ').nth(1).unwrap_or_default();
    let authorized =
        headers.iter().any(|line| line.eq_ignore_ascii_case("authorization: Basic bWU6cEBzcy13b3Jk"));
    let (path, free) = match path.strip_prefix("/private") {
        Some(path) => (path, authorized),
        None => (path, true),
    };
    let nothing = ("404 Not Found".to_owned(), String::new(), Vec::new());
    let locked = ("401 Unauthorized".to_owned(), "WWW-Authenticate: Basic\r\n".to_owned(), Vec::new());
    let found = answers.lock().unwrap().get(path).cloned();
    let (status, more, body) = if free { found.unwrap_or(nothing) } else { locked };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n", body.len());
    let body = if first.starts_with("HEAD ") { &[] } else { body.as_slice() };
    let _the_client_may_have_gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
