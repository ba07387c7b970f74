//! Writes down what other servers answer, as the steps of a script that has them answer so again. Without secrets.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bailey_outbound::fixtures::Fixture;
use serde_json::json;

/// Headers of an answer that are of no use the next time.
const PASSING: [&str; 5] = ["date", "set-cookie", "age", "expires", "content-length"];

/// A file of steps.
#[derive(Debug)]
pub struct Record(Mutex<File>);

/// One answer, as the plugin got it.
pub(super) struct Answered<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) status: u16,
    pub(super) headers: &'a std::collections::BTreeMap<String, String>,
    pub(super) body: &'a str,
    pub(super) body_b64: Option<&'a str>,
}

impl Record {
    /// Appends to a file, which is made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::options().append(true).create(true).open(path).map(|file| Self(Mutex::new(file)))
    }

    pub(super) fn note(&self, answered: &Answered<'_>) {
        let headers = answered.headers.iter().filter(|(name, _)| !PASSING.contains(&name.as_str()));
        let fixture = Fixture {
            method: Some(answered.method.to_owned()),
            url: answered.url.to_owned(),
            status: answered.status,
            headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: answered.body_b64.is_none().then(|| answered.body.to_owned()),
            json: None,
            body_b64: answered.body_b64.map(str::to_owned),
            times: None,
            fails: None,
        };
        let step = json!({ "http": fixture });
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{step}") {
            tracing::error!(%error, "an answer could not be written down");
        }
    }
}
