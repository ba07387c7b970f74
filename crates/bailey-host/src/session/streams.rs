//! The three pipes of a process: lines in with a limit, lines out with patience.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::slots::Slot;
use crate::quiet::Busy;

/// Reads lines of at most `limit` bytes. Cancelling [`Lines::next`] loses nothing.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
    discarding: bool,
}

/// A line without its newline.
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
    /// It was longer than the limit; this is its beginning.
    pub(crate) cut: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Self {
            reader: BufReader::with_capacity(16 * 1024, reader),
            line: Vec::new(),
            limit,
            discarding: false,
        }
    }

    /// The next line; `None` at the end. A line too long is handed out, cut, as soon as it is.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                let last = std::mem::take(&mut self.line);
                return Ok((!last.is_empty()).then_some(Line { bytes: last, cut: false }));
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let piece = newline.unwrap_or(available.len());
            let used = newline.map_or(available.len(), |at| at + 1);
            if self.discarding {
                self.discarding = newline.is_none();
                self.reader.consume(used);
                continue;
            }
            let room = self.limit - self.line.len();
            self.line.extend_from_slice(&available[..piece.min(room)]);
            let cut = piece > room;
            self.discarding = cut && newline.is_none();
            self.reader.consume(used);
            if cut || newline.is_some() {
                return Ok(Some(Line { bytes: std::mem::take(&mut self.line), cut }));
            }
        }
    }
}

/// A line for the plugin, with what its writing sets free.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) line: String,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) held: Option<(Slot, Busy)>,
}

/// Why writing ended.
#[derive(Debug)]
pub(crate) enum WriterEnd {
    /// Everything was written and stdin is closed.
    Closed,
    /// The plugin took no byte for as long as it may.
    Stalled,
    /// The pipe broke: the process is gone or closed its input.
    Broken,
}

/// Writes lines until there are no more, then closes the pipe by dropping it.
pub(crate) async fn write_lines(
    mut lines: mpsc::Receiver<Outgoing>,
    mut stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stall: Duration,
) -> WriterEnd {
    let mut batch = Vec::new();
    let mut bytes = Vec::new();
    while lines.recv_many(&mut batch, 32).await > 0 {
        bytes.clear();
        batch.iter().for_each(|outgoing| bytes.extend_from_slice(outgoing.line.as_bytes()));
        let mut written = 0;
        while written < bytes.len() {
            match timeout(stall, stdin.write(&bytes[written..])).await {
                Ok(Ok(0)) | Ok(Err(_)) => return WriterEnd::Broken,
                Ok(Ok(count)) => written += count,
                Err(_elapsed) => return WriterEnd::Stalled,
            }
        }
        match timeout(stall, stdin.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return WriterEnd::Broken,
            Err(_elapsed) => return WriterEnd::Stalled,
        }
        batch.clear(); // sets the calls' slots free
        bytes.shrink_to(1 << 20);
    }
    let _ = timeout(stall, stdin.shutdown()).await; // dropping closes it in any case
    WriterEnd::Closed
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines_of(input: &'static [u8], limit: usize) -> Vec<(String, bool)> {
        let mut lines = Lines::new(input, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push((String::from_utf8(line.bytes).unwrap(), line.cut));
        }
        all
    }

    fn whole(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[tokio::test]
    async fn lines_end_at_newlines_and_at_the_end() {
        assert_eq!(lines_of(b"a\n\nbc", 10).await, [whole("a"), whole(""), whole("bc")]);
        assert!(lines_of(b"", 10).await.is_empty());
        assert_eq!(lines_of(b"abcd\n", 4).await, [whole("abcd")]);
    }

    #[tokio::test]
    async fn a_line_too_long_is_cut_and_its_rest_skipped() {
        let cut = ("abcd".to_owned(), true);
        assert_eq!(lines_of(b"abcde\nx\n", 4).await, [cut.clone(), whole("x")]);
        static LONG: [u8; 100_000] = [b'a'; 100_000];
        assert_eq!(lines_of(&LONG, 4).await, [("aaaa".to_owned(), true)]);
    }
}
