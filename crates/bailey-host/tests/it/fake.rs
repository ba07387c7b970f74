//! A process without a process: the test holds the far ends of its pipes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailey_host::{Ended, RunningProcess, Signal, SpawnRequest, Spawner};
use futures_util::FutureExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Bytes a pipe holds, as on Linux.
const PIPE: usize = 64 * 1024;
pub(crate) const FIRST_LINE: &str = r#"{"jsonrpc":"2.0","method":"plugin.log","params":{"level":"info","message":"SDK plugin process started"}}"#;

/// The far end of one process.
pub(crate) struct Fake {
    pub(crate) request: SpawnRequest,
    /// Bytes of memory it seems to take.
    pub(crate) bytes: Arc<AtomicU64>,
    stdin: Option<BufReader<DuplexStream>>,
    stdout: Option<DuplexStream>,
    stderr: Option<DuplexStream>,
    exit: Option<oneshot::Sender<Ended>>,
    signals: mpsc::UnboundedReceiver<Signal>,
}

/// The processes as they are started.
pub(crate) struct Starts(mpsc::UnboundedReceiver<Fake>);

impl Starts {
    /// The next process.
    pub(crate) async fn next(&mut self) -> Fake {
        timeout(Duration::from_secs(200), self.0.recv()).await.expect("no process was started").unwrap()
    }

    /// The next process, past its boot.
    pub(crate) async fn next_ready(&mut self) -> Fake {
        let mut fake = self.next().await;
        fake.boot().await;
        fake
    }

    /// Whether none was started so far.
    pub(crate) fn none(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

/// A spawner of fakes. A fake dies when killed; other signals it only notes.
pub(crate) fn spawner() -> (Spawner, Starts) {
    let (sender, starts) = mpsc::unbounded_channel();
    let spawner: Spawner = Arc::new(move |request| {
        let (stdin, far_stdin) = tokio::io::duplex(PIPE);
        let (stdout, far_stdout) = tokio::io::duplex(PIPE);
        let (stderr, far_stderr) = tokio::io::duplex(PIPE);
        let (exit, ended) = oneshot::channel();
        let (noted, signals) = mpsc::unbounded_channel();
        let (kill, mut killed) = mpsc::unbounded_channel::<()>();
        let bytes = Arc::new(AtomicU64::new(0));
        let fake = Fake {
            request,
            bytes: Arc::clone(&bytes),
            stdin: Some(BufReader::new(far_stdin)),
            stdout: Some(far_stdout),
            stderr: Some(far_stderr),
            exit: Some(exit),
            signals,
        };
        let _ = sender.send(fake);
        let running = RunningProcess {
            pid: 0,
            memory: {
                let bytes = Arc::clone(&bytes);
                Some(Arc::new(move || Some(bytes.load(Ordering::SeqCst))))
            },
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            exit: async move {
                tokio::select! {
                    Ok(ended) = ended => ended,
                    _ = killed.recv() => Ended { code: None, description: "killed (signal 9)".to_owned() },
                }
            }
            .boxed(),
            signal: Box::new(move |signal| {
                let _ = noted.send(signal);
                if signal == Signal::Kill {
                    let _ = kill.send(());
                }
            }),
        };
        async move { Ok(running) }.boxed()
    });
    (spawner, Starts(starts))
}

impl Fake {
    /// Writes one line to the host.
    pub(crate) async fn say(&mut self, line: &str) {
        self.say_bytes(format!("{line}\n").as_bytes()).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.stdout.as_mut().unwrap().write_all(bytes).await.unwrap();
    }

    pub(crate) async fn say_stderr(&mut self, line: &str) {
        self.stderr.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The host's next line; `None` when it closed the input.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let stdin = self.stdin.as_mut().unwrap();
        let read = timeout(Duration::from_secs(200), stdin.read_line(&mut line)).await;
        read.expect("the host said nothing").unwrap();
        line.ends_with('\n').then(|| line.trim_end().to_owned())
    }

    pub(crate) async fn json(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.line().await.expect("the host closed the input")).unwrap()
    }

    /// Whether the host has written nothing that was not read. Only meaningful while time is
    /// paused: everything that can happen now has happened when a sleep returns.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        let stdin = self.stdin.as_mut().unwrap();
        timeout(Duration::from_millis(1), stdin.fill_buf()).await.is_err()
    }

    /// What every SDK does first.
    pub(crate) async fn boot(&mut self) {
        self.say(FIRST_LINE).await;
        let boot = self.json().await;
        assert_eq!((&boot["method"], &boot["id"]), (&"host.boot".into(), &"h-boot".into()));
        self.say(r#"{"jsonrpc":"2.0","id":"h-boot","result":null}"#).await;
    }

    /// The id of the next event.
    pub(crate) async fn event(&mut self) -> String {
        let event = self.json().await;
        assert!(event["method"].as_str().unwrap().starts_with("event."), "{event}");
        event["params"]["event_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn ack(&mut self, id: &str) {
        self.say(&format!(r#"{{"jsonrpc":"2.0","method":"event.ack","params":{{"event_ids":["{id}"]}}}}"#))
            .await;
    }

    /// Takes the next event and acknowledges it.
    pub(crate) async fn handle(&mut self) -> String {
        let id = self.event().await;
        self.ack(&id).await;
        id
    }

    /// Takes the next event, whose handler raises.
    pub(crate) async fn fail(&mut self) -> String {
        let id = self.event().await;
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","method":"event.fail","params":{{"event_id":"{id}","reason":"handler_exception"}}}}"#
        ))
        .await;
        self.ack(&id).await;
        id
    }

    /// Ends in good order as the host asks it to.
    pub(crate) async fn end(&mut self) {
        assert_eq!(self.json().await["method"], "host.shutdown");
        assert_eq!(self.line().await, None);
        self.exit(0);
    }

    /// A call and its answer.
    pub(crate) async fn call(&mut self, id: u32, method: &str, params: &str) -> serde_json::Value {
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)).await;
        let answer = self.json().await;
        assert_eq!(answer["id"], id);
        answer
    }

    /// Ends as a process does: its pipes close.
    pub(crate) fn exit(&mut self, code: i32) {
        self.stdin = None;
        self.stdout = None;
        self.stderr = None;
        let _ = self.exit.take().unwrap().send(Ended::with_code(code));
    }

    /// Closes the output while living on.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// The next signal that is not [`Signal::Started`].
    pub(crate) async fn signal(&mut self) -> Signal {
        loop {
            let signal = timeout(Duration::from_secs(200), self.signals.recv()).await;
            match signal.expect("no signal came").unwrap() {
                Signal::Started => {}
                signal => return signal,
            }
        }
    }
}
