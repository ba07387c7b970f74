//! Writes down what happens, when somebody asked for that. Nothing here decides anything.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::Value;

use super::secrets::Secrets;
use super::{ADDRESS, MOST_BYTES, Record, VERSION, line};
use crate::clock::{Clock, Snowflake};
use crate::shared::lock;

/// One simulator's recorder, idle most of the time.
#[derive(Debug)]
pub(crate) struct Recorder {
    clock: Arc<Clock>,
    seed: u64,
    application: Snowflake,
    /// Whether it records, for those who would have to prepare something.
    on: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    secrets: Secrets,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    file: File,
    bytes: u64,
    requests: u64,
}

impl Recorder {
    pub(crate) fn new(clock: Arc<Clock>, seed: u64, application: Snowflake, http_base: &str) -> Self {
        let mut inner = Inner::default();
        inner.secrets.learn_as(http_base.trim_start_matches("http://"), ADDRESS.to_owned());
        Self { clock, seed, application, on: AtomicBool::new(false), inner: Mutex::new(inner) }
    }

    /// Remembers a secret that was given out, whether or not it records.
    pub(crate) fn learn(&self, kind: &'static str, secret: &str) {
        lock(&self.inner).secrets.learn(kind, secret);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::SeqCst)
    }

    /// Begins a recording in a file that does not exist yet; false when one is under way.
    pub(crate) fn start(&self, path: &Path) -> io::Result<bool> {
        let mut inner = lock(&self.inner);
        if inner.running.is_some() {
            return Ok(false);
        }
        inner.running = Some(Running { file: File::create_new(path)?, bytes: 0, requests: 0 });
        let (at_ms, seed, application) = (self.clock.steady_ms(), self.seed, self.application);
        self.on.store(true, Ordering::SeqCst);
        self.append(&mut inner, &Record::Began { version: VERSION, at_ms, seed, application });
        Ok(true)
    }

    /// Ends the recording; false when there is none.
    pub(crate) fn stop(&self) -> bool {
        self.on.store(false, Ordering::SeqCst);
        lock(&self.inner).running.take().is_some()
    }

    pub(crate) fn control(&self, operation: &str, fields: &impl Serialize) {
        if !self.is_on() {
            return;
        }
        let fields = serde_json::to_value(fields).unwrap_or(Value::Null);
        let mut inner = lock(&self.inner);
        let fields = inner.secrets.clean(&fields);
        let record =
            Record::Control { at_ms: self.clock.steady_ms(), operation: operation.to_owned(), fields };
        self.append(&mut inner, &record);
    }

    /// Writes a request down; gives its number for the answer.
    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> Option<u64> {
        let mut inner = lock(&self.inner);
        let running = inner.running.as_mut()?;
        running.requests += 1;
        let number = running.requests;
        let (path, body) = (inner.secrets.clean_path(path), inner.secrets.clean(body));
        let record =
            Record::Request { at_ms: self.clock.steady_ms(), number, method: method.to_owned(), path, body };
        self.append(&mut inner, &record);
        Some(number)
    }

    pub(crate) fn answer(&self, number: u64, status: u16, body: &Value) {
        let mut inner = lock(&self.inner);
        let body = inner.secrets.clean(body);
        self.append(&mut inner, &Record::Answer { at_ms: self.clock.steady_ms(), number, status, body });
    }

    pub(crate) fn received(&self, connection: u64, text: &[u8]) {
        if !self.is_on() {
            return;
        }
        let frame = serde_json::from_slice(text)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()));
        let mut inner = lock(&self.inner);
        let frame = inner.secrets.clean(&frame);
        self.append(&mut inner, &Record::Received { at_ms: self.clock.steady_ms(), connection, frame });
    }

    pub(crate) fn sent(&self, connection: u64, frame: &Value) {
        if !self.is_on() {
            return;
        }
        let mut inner = lock(&self.inner);
        let frame = inner.secrets.clean(frame);
        self.append(&mut inner, &Record::Sent { at_ms: self.clock.steady_ms(), connection, frame });
    }

    pub(crate) fn told(&self, session: &str, text: &str) {
        if !self.is_on() {
            return;
        }
        let mut inner = lock(&self.inner);
        let frame = inner.secrets.clean(&serde_json::from_str(text).unwrap_or(Value::Null));
        let record = Record::Told { at_ms: self.clock.steady_ms(), session: session.to_owned(), frame };
        self.append(&mut inner, &record);
    }

    pub(crate) fn cut(&self, session: &str, code: Option<u16>) {
        if !self.is_on() {
            return;
        }
        let record = Record::Cut { at_ms: self.clock.steady_ms(), session: session.to_owned(), code };
        self.append(&mut lock(&self.inner), &record);
    }

    fn append(&self, inner: &mut Inner, record: &Record) {
        let Some(running) = &mut inner.running else { return };
        let mut text = line(record);
        let full = line(&Record::Full { at_ms: self.clock.steady_ms() });
        let fits = running.bytes + (text.len() + full.len()) as u64 <= MOST_BYTES;
        if !fits {
            text = full;
        }
        running.bytes += text.len() as u64;
        let written = running.file.write_all(text.as_bytes());
        if let Err(error) = &written {
            tracing::warn!(%error, "the recording ends early: it cannot be written");
        } else if !fits {
            tracing::warn!("the recording ends early: it has {MOST_BYTES} bytes");
        }
        if !fits || written.is_err() {
            inner.running = None;
            self.on.store(false, Ordering::SeqCst);
        }
    }
}
