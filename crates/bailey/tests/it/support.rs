//! Runs the binary and reads what it says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bailey_store::Cluster;
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
    try_file_with(plugin, script, arguments, |_| {}).await
}

/// Plays a script, given as text, in an environment with something more in it.
pub(crate) async fn try_script_with(
    plugin: &Path,
    script: &str,
    arguments: &[&str],
    set: impl FnOnce(&mut Command),
) -> Transcript {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    try_file_with(plugin, file.path(), arguments, set).await
}

async fn try_file_with(
    plugin: &Path,
    script: &Path,
    arguments: &[&str],
    set: impl FnOnce(&mut Command),
) -> Transcript {
    let mut command = bailey();
    command.arg("try").arg(plugin).arg("--script").arg(script).args(arguments);
    set(&mut command);
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

/// A `bailey` that runs until it is dropped or killed.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().unwrap() as i32
    }

    /// Reads on until a line holds `text`, and gives that line.
    pub(crate) async fn line_with(&mut self, text: &str) -> String {
        self.lines_until(text).await.pop().unwrap()
    }

    /// The lines up to the one that holds `text`.
    pub(crate) async fn lines_until(&mut self, text: &str) -> Vec<String> {
        let mut said = Vec::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let awaited = line.contains(text);
                said.push(line);
                if awaited {
                    return said;
                }
            }
            panic!("bailey ended without saying {text:?}; it said:\n{}", said.join("\n"));
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("bailey did not say what was awaited")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> std::process::ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("bailey did not end").unwrap()
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn end_by(self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        self.signal(signal);
        self.ended().await
    }
}

/// A `bailey dev` that runs until it is dropped or killed.
pub(crate) struct Dev {
    running: Running,
    people: People,
}

impl Dev {
    /// Starts it on a free port and waits until it takes visitors.
    pub(crate) async fn start(plugin: &Path, data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(plugin, data, arguments, Stdio::inherit()).await.0
    }

    /// The same, with what it said until then; what it says on standard error goes to `stderr`.
    pub(crate) async fn start_with(
        plugin: &Path,
        data: &Path,
        arguments: &[&str],
        stderr: impl Into<Stdio>,
    ) -> (Self, Vec<String>) {
        let mut command = bailey();
        command.arg("dev").arg(plugin).args(["--bind", "127.0.0.1:0"]).args(arguments);
        let mut running = Running::start(command.env("BAILEY_DATA_DIR", data).stderr(stderr));
        let said = running.lines_until("simulated Discord is at http://").await;
        let people = People::of_line(&said[said.len() - 1]);
        (Self { running, people }, said)
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn end_by(self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        self.running.end_by(signal).await
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn base(&self) -> &str {
        &self.people.base
    }

    /// Says something in the simulated Discord, over its control side.
    pub(crate) async fn say(&self, content: &str) {
        self.people.say(serde_json::json!({"content": content})).await;
    }
}

impl std::ops::Deref for Dev {
    type Target = Running;
    fn deref(&self) -> &Running {
        &self.running
    }
}

impl std::ops::DerefMut for Dev {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

/// A `bailey sim`, in a process that outlives the hosts that connect to it.
pub(crate) struct Sim {
    _running: Running,
    pub(crate) people: People,
    pub(crate) token: String,
}

impl Sim {
    /// Starts it on a free port.
    pub(crate) async fn start(servers: u16) -> Self {
        let mut command = bailey();
        command.args(["sim", "--bind", "127.0.0.1:0", "--servers", &servers.to_string()]);
        let mut running = Running::start(command.stderr(Stdio::inherit()));
        let people = People::of_line(&running.line_with("simulated Discord is at http://").await);
        let token = running.line_with("token is ").await.rsplit_once(' ').unwrap().1.to_owned();
        Self { _running: running, people, token }
    }
}

/// The people in a simulated Discord, over its control side.
pub(crate) struct People {
    /// `http://127.0.0.1:port`
    pub(crate) base: String,
    http: reqwest::Client,
}

impl People {
    fn of_line(line: &str) -> Self {
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(['/', ' ']).next()).unwrap();
        Self { base: format!("http://{address}"), http: http_client() }
    }

    /// Says something; the message's id.
    pub(crate) async fn say(&self, what: Value) -> String {
        let url = format!("{}/sim/api/say", self.base);
        let answer = self.http.post(url).json(&what).send().await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
        let receipt: Value = answer.json().await.unwrap();
        receipt["message_id"].as_str().unwrap().to_owned()
    }

    /// Runs a command.
    pub(crate) async fn command(&self, what: Value) {
        let url = format!("{}/sim/api/command", self.base);
        let answer = self.http.post(url).json(&what).send().await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    /// How many requests of this method Discord did as it was asked.
    pub(crate) async fn done(&self, method: &str) -> usize {
        let requests = self.get("requests").await;
        requests
            .as_array()
            .unwrap()
            .iter()
            .filter(|request| request["method"] == method && request["status"] == 200)
            .count()
    }

    /// The ids of the servers, in the order they were made.
    pub(crate) async fn servers(&self) -> Vec<String> {
        let overview: Value = self.get("overview").await;
        let guilds = overview["guilds"].as_array().unwrap();
        guilds.iter().map(|guild| guild["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the bot has said this for the `times`th time.
    pub(crate) async fn hear(&self, content: &str, times: usize) {
        let listening = async {
            let mut looks = tokio::time::interval(Duration::from_millis(50));
            loop {
                looks.tick().await;
                if self.heard(content).await >= times {
                    return;
                }
            }
        };
        let heard = tokio::time::timeout(PATIENCE, listening).await;
        assert!(heard.is_ok(), "the bot did not say {content:?} {times} times");
    }

    /// How often the bot has said this so far.
    pub(crate) async fn heard(&self, content: &str) -> usize {
        let observed = self.get("observed?since=0").await;
        let messages = observed.as_array().unwrap().iter().map(|item| &item["message"]);
        messages.filter(|message| message["bot"] == true && message["content"] == content).count()
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}/sim/api/{path}", self.base)).send().await.unwrap().json().await.unwrap()
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

/// A cluster as an operator would name theirs.
pub(crate) fn database_url(cluster: &Cluster) -> String {
    url_of(&cluster.urls().plugins)
}

/// Its database of plugins' tables.
pub(crate) fn sql_database_url(cluster: &Cluster) -> String {
    url_of(&cluster.urls().sql.unwrap())
}

fn url_of(config: &tokio_postgres::Config) -> String {
    use tokio_postgres::config::Host;
    let [Host::Unix(sockets)] = config.get_hosts() else { panic!("the cluster has no socket") };
    let sockets = sockets.to_str().unwrap().replace('/', "%2F");
    let (role, database) = (config.get_user().unwrap(), config.get_dbname().unwrap());
    format!("postgresql://{role}@{sockets}:5432/{database}")
}
