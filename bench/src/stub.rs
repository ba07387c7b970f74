//! The floor: the same plugin in a plain process, and a host that answers at once.
//!
//! Nothing of Bailey's is in the path: one thread, blocking pipes, the smallest answers the SDK
//! accepts.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::plugin::{BenchError, Measured};

/// What the stub does before it answers `kv.get`.
pub(crate) trait Answer {
    /// Called once per `kv.get`; the value to answer with, as JSON text.
    fn value(&mut self) -> Result<String, BenchError>;
}

/// Answers from nothing.
pub(crate) struct AtOnce;

impl Answer for AtOnce {
    fn value(&mut self) -> Result<String, BenchError> {
        Ok("{\"n\":1}".to_owned())
    }
}

/// A plugin in a plain process, booted.
pub(crate) struct Stub {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Stub {
    /// Starts `python -s __main__.py` with `packages` importable, as the sandbox would, without it.
    #[expect(clippy::disallowed_methods, reason = "the floor is a plain process")]
    pub(crate) fn start(python: &Path, plugin: &Path, packages: &Path) -> Result<Self, BenchError> {
        let mut child = Command::new(python)
            .args(["-s", "-S", "__main__.py"])
            .current_dir(plugin)
            .env_clear()
            .env("PYTHONPATH", packages)
            .env("PYTHONUTF8", "1")
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BenchError::Plugin("no pipes".to_owned()));
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line: the plugin has been imported and runs.
    pub(crate) fn first_line(&mut self) -> Result<(), BenchError> {
        self.read().map(drop)
    }

    /// Boots the plugin and waits until its handlers are registered.
    pub(crate) fn boot(&mut self) -> Result<(), BenchError> {
        self.first_line()?;
        self.write(&json!({"jsonrpc": "2.0", "id": "h-boot", "method": "host.boot", "params": {
            "mode": "pool", "discord_srv_id": "1", "plugin_id": "round_trip", "version": "1.0.0",
            "capabilities": ["storage:kv", "events:message_content"]}}))?;
        loop {
            if self.read()?["id"] == "h-boot" {
                return Ok(());
            }
        }
    }

    /// Has the plugin measure `count` calls and returns what it logged.
    pub(crate) fn measure(
        &mut self,
        call: &str,
        count: u32,
        answer: &mut impl Answer,
    ) -> Result<Measured, BenchError> {
        self.write(&json!({"jsonrpc": "2.0", "method": "event.message_create", "params": {
            "event_id": format!("bench-{call}-{count}"),
            "event": {"content": format!("!measure {call} {count}"), "channel_id": "1", "message_id": "1"},
            "discord_srv_id": "1", "plugin_id": "round_trip", "version": "1.0.0",
            "capabilities": ["storage:kv", "events:message_content"]}}))?;
        let mut measured = None;
        loop {
            let frame = self.read()?;
            match frame["method"].as_str() {
                Some("kv.get") => {
                    let value = answer.value()?;
                    let line = format!(
                        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"value\":{value}}}}}\n",
                        frame["id"]
                    );
                    self.stdin.write_all(line.as_bytes())?;
                }
                Some("plugin.log") => measured = Measured::from_log(&frame["params"]).or(measured),
                Some("event.ack") => {
                    return measured.ok_or_else(|| BenchError::Plugin("it measured nothing".to_owned()));
                }
                _ => {}
            }
        }
    }

    fn read(&mut self) -> Result<Value, BenchError> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(BenchError::Plugin("the plain process ended".to_owned()));
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn write(&mut self, frame: &Value) -> Result<(), BenchError> {
        Ok(self.stdin.write_all(format!("{frame}\n").as_bytes())?)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
