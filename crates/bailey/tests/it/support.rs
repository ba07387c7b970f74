//! Runs the binary and reads what it says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bailey_testkit::Sdk;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// No test waits longer than this for one thing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// What the tests of this binary share and keep between runs: Python roots, packages, a fresh
/// PostgreSQL to copy.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bailey-cache")
}

/// The binary with a clean environment.
#[expect(clippy::disallowed_methods, reason = "the tests start the binary")]
pub(crate) fn bailey() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailey"));
    command
        .env_clear()
        .envs(bailey_testkit::environment())
        .env("BAILEY_UV", bailey_testkit::uv())
        .env("BAILEY_CACHE_DIR", cache())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A run of `bailey try` that has ended.
pub(crate) struct Transcript {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<Value>,
    pub(crate) stderr: String,
}

/// Plays a script, given as text.
pub(crate) async fn try_script(plugin: &Path, script: &str, arguments: &[&str]) -> Transcript {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    try_file(plugin, file.path(), arguments).await
}

/// Plays a script in a file.
pub(crate) async fn try_file(plugin: &Path, script: &Path, arguments: &[&str]) -> Transcript {
    let mut command = bailey();
    command.arg("try").arg(plugin).arg("--script").arg(script).args(arguments);
    let output =
        tokio::time::timeout(PATIENCE, command.output()).await.expect("bailey try did not end").unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    Transcript {
        code: output.status.code(),
        lines: stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Plays a script with one SDK version.
pub(crate) async fn try_with(sdk: Sdk, plugin: &Path, script: &str) -> Transcript {
    try_script(plugin, script, &["--sdk", &sdk.requirement()]).await
}

impl Transcript {
    /// Fails the test, showing everything, unless every expectation of the script held.
    pub(crate) fn must_pass(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self}");
        let result = self.lines.last().unwrap();
        assert!(result["kind"] == "result" && result["passed"] == true, "{self}");
        self
    }

    /// The lines of one kind.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["kind"] == kind).collect()
    }

    /// The texts of the bot's messages, in order.
    pub(crate) fn said(&self) -> Vec<&str> {
        let messages = self.of("message").into_iter().filter(|message| message["bot"] == true);
        messages.map(|message| message["content"].as_str().unwrap()).collect()
    }
}

impl std::fmt::Display for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit code {:?}; stderr:\n{}\ntranscript:", self.code, self.stderr)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A `bailey dev` that runs until it is dropped or killed.
pub(crate) struct Dev {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// `http://127.0.0.1:port`
    pub(crate) base: String,
}

impl Dev {
    /// Starts it on a free port and waits until it takes visitors.
    pub(crate) async fn start(plugin: &Path, data: &Path, arguments: &[&str]) -> Self {
        let mut command = bailey();
        command.arg("dev").arg(plugin).args(["--bind", "127.0.0.1:0"]).args(arguments);
        let mut child = command.env("BAILEY_DATA_DIR", data).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut dev = Self { child, lines, base: String::new() };
        let line = dev.line_with("simulated Discord is at http://").await;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
        dev.base = format!("http://{address}");
        dev
    }

    /// Reads on until a line holds `text`, and gives that line.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        let mut before = String::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(text) {
                    return line;
                }
                before.push_str(&line);
                before.push('\n');
            }
            panic!("bailey dev ended without saying {text:?}; it said:\n{before}");
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("bailey dev did not say what was awaited")
    }

    /// Says something in the simulated Discord, over its control side.
    pub(crate) async fn say(&self, content: &str) {
        let answer = http_client()
            .post(format!("{}/sim/api/say", self.base))
            .json(&serde_json::json!({"content": content}))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn end_by(mut self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("bailey dev did not end").unwrap()
    }
}

/// A client for the simulator's control side and page; it speaks plain HTTP, but wants to know whose
/// TLS it would speak.
pub(crate) fn http_client() -> reqwest::Client {
    bailey_discord::install_tls_provider();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A data directory that the account PostgreSQL runs as can reach.
pub(crate) fn data_directory() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap()
}
