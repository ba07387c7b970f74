//! A file that says, line by line, what became of each event on this host: for tests and for those who
//! look for a fault. A line is written only when the host itself has seen what it says.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bailey_host::Observation;
use bailey_protocol::Event;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::error::CommandError;

/// An open trace. Clones write to the same file, each line in one piece.
#[derive(Debug, Clone)]
pub(crate) struct Trace(Arc<File>);

impl Trace {
    /// Opens the file to append to.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandError> {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.map(|file| Self(Arc::new(file))).map_err(|error| {
            CommandError::usage(format!("cannot write the trace {}: {error}", path.display()))
        })
    }

    /// The host takes an event in.
    pub(crate) fn taken(&self, event: &Event) {
        let content = event.payload.get("content").and_then(Value::as_str).unwrap_or_default();
        let kind = event.kind.as_str();
        self.write(&json!({"what": "taken", "event": event.id.as_str(), "server": event.guild.to_string(),
                           "kind": kind, "content": content}));
    }

    /// Writes what the host sees until it ends.
    pub(crate) async fn follow(self, mut observations: mpsc::UnboundedReceiver<Observation>) {
        while let Some(observation) = observations.recv().await {
            if let Some(line) = line(&observation) {
                self.write(&line);
            }
        }
    }

    fn write(&self, line: &Value) {
        let mut text = line.to_string();
        text.push('\n');
        if let Err(error) = (&*self.0).write_all(text.as_bytes()) {
            tracing::error!(%error, "a line of the trace could not be written");
        }
    }
}

fn line(observation: &Observation) -> Option<Value> {
    let (what, tenant, mut line) = match observation {
        Observation::SessionStarted { tenant, pid, .. } => ("started", tenant, json!({"pid": pid})),
        Observation::SessionEnded { tenant, reason } => ("ended", tenant, json!({"reason": reason})),
        Observation::EventDelivered { tenant, event, .. } => {
            ("delivered", tenant, json!({"event": event.as_str(), "attempt": 1}))
        }
        Observation::EventRedelivered { tenant, event, attempt } => {
            ("delivered", tenant, json!({"event": event.as_str(), "attempt": attempt}))
        }
        Observation::EventAcked { tenant, event, handled } => {
            ("acked", tenant, json!({"event": event.as_str(), "handled": handled}))
        }
        Observation::EventFailed { tenant, event, reason } => {
            ("failed", tenant, json!({"event": event.as_str(), "reason": reason}))
        }
        Observation::EventDeadLettered { tenant, event, reason } => {
            ("put_aside", tenant, json!({"event": event.as_str(), "reason": reason}))
        }
        Observation::EventRefused { tenant, event, reason } => {
            ("refused", tenant, json!({"event": event.as_str(), "reason": reason}))
        }
        _ => return None,
    };
    line["what"] = what.into();
    line["plugin"] = tenant.plugin.as_str().into();
    line["server"] = tenant.guild.to_string().into();
    Some(line)
}
