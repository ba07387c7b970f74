//! What a program wrote, bounded.

use std::fmt::Display;
use std::io;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::limits;

/// How a program ended.
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: Vec<u8>,
    /// The end of stderr, trimmed; never empty after a failure.
    pub(crate) words: String,
}

impl Output {
    pub(crate) fn new(success: bool, ended: &dyn Display, stdout: Vec<u8>, stderr: &[u8]) -> Self {
        let words = match String::from_utf8_lossy(stderr).trim() {
            "" => format!("{ended}, without a word"),
            words => printable(words),
        };
        Self { success, stdout, words }
    }
}

/// Without what could move a cursor: the words go to a terminal or a page.
fn printable(words: &str) -> String {
    words.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// Runs a command to its end. Dropping the future kills it.
pub(crate) async fn run(command: &mut Command, most: usize) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let (stdout, stderr, status) =
        tokio::join!(first(stdout, most), last(stderr, limits::ERROR_BYTES), child.wait());
    let (status, stdout, stderr) = (status?, stdout?, stderr?);
    Ok(Output::new(status.success(), &status, stdout, &stderr))
}

/// The first `most` bytes; more is an error, told when the writer has ended.
pub(crate) async fn first(reader: Option<impl AsyncRead + Unpin>, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut reader) = reader {
        (&mut reader).take(most as u64 + 1).read_to_end(&mut bytes).await?;
        if bytes.len() > most {
            return Err(io::Error::other(format!("it wrote more than {most} bytes")));
        }
    }
    Ok(bytes)
}

/// The last `most` bytes; the rest is read and thrown away, so that the writer never waits.
pub(crate) async fn last(reader: Option<impl AsyncRead + Unpin>, most: usize) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut reader) = reader else { return Ok(kept) };
    let mut chunk = [0; 4096];
    loop {
        let read = reader.read(&mut chunk).await?;
        if read == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(most);
        kept.drain(..surplus);
    }
}
