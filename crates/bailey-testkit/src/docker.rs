//! A Docker daemon of a test binary's own: in a private folder, with no bridge and no firewall rules,
//! gone with all its containers, processes and mounts when the binary ends, however that happens.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

/// Runs the daemon until our end of its standard input closes. Then the containers go first, so that
/// the daemon need not wait for those that do not listen; then the daemon, what it may have left
/// running or mounted, and the folder.
const KEEPER: &str = r#"
    folder=$1
    shift
    "$@" > "$folder/log" 2>&1 < /dev/null &
    daemon=$!
    cat > /dev/null
    left() { grep -l -s -z -e "$folder/exec" /proc/[0-9]*/cmdline | cut -d/ -f3 | grep -v -x -e $$ -e $daemon; }
    for shim in $(pgrep -f "containerd-shim.* -address $folder/exec"); do pkill -KILL -P $shim; done
    kill -TERM $daemon 2> /dev/null
    wait $daemon
    for process in $(left); do kill -KILL $process 2> /dev/null; done
    cut -d' ' -f5 /proc/self/mountinfo | grep -e "^$folder/" | sort -r | xargs -r -n1 umount -l
    rm -rf "$folder"
"#;

/// No daemon takes longer to start, or it will not.
const PATIENCE: Duration = Duration::from_secs(60);
/// Set to `1`: a daemon that cannot be had fails the test.
const REQUIRED: &str = "BAILEY_REQUIRE_DOCKER";

/// Where gVisor's runtime is, if it is installed.
const GVISOR: &str = "/usr/bin/runsc";
/// Runtimes of every daemon here that are told to put up a wall and do not, and the wall's name.
pub const LEAKY: &[(&str, &str)] = &[
    ("without-seccomp", "Seccomp"),
    ("without-dropping-capabilities", "Capabilities"),
    ("without-read-only-root", "FileSystem"),
    ("without-read-only-plugin", "FileSystem"),
    ("without-limited-files", "Tmp"),
    ("without-network-namespace", "Namespaces"),
    ("without-resource-limits", "ResourceLimits"),
    ("without-user", "Identity"),
    ("without-clean-environment", "Program"),
];

/// A running daemon.
#[derive(Debug)]
pub struct Docker {
    folder: PathBuf,
    keeper: Child,
}

/// The daemon of this binary, started by the first test that asks. `None`, said loudly, where there
/// can be none: the test then has nothing to try and is passed over.
///
/// # Panics
/// When there can be none and the environment says `BAILEY_REQUIRE_DOCKER=1`.
pub fn shared() -> Option<&'static Docker> {
    static DAEMON: OnceLock<Result<Docker, String>> = OnceLock::new();
    match DAEMON.get_or_init(Docker::start) {
        Ok(daemon) => Some(daemon),
        Err(reason) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            assert!(!required(), "{test} needs Docker, and {REQUIRED}=1 forbids to pass it over: {reason}");
            // Not `eprintln`, which is only shown when the test fails.
            let _ = writeln!(std::io::stderr(), "PASSED OVER without Docker: {test}: {reason}");
            None
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how strict the tests are is decided outside")]
fn required() -> bool {
    std::env::var(REQUIRED).is_ok_and(|value| value == "1")
}

impl Docker {
    /// Starts one. It answers when this returns.
    pub fn start() -> Result<Self, String> {
        if !is_root() {
            return Err("a Docker daemon has to be started by root".to_owned());
        }
        if !["/usr/bin/dockerd", "/usr/sbin/dockerd"].iter().any(|path| Path::new(path).exists()) {
            return Err("dockerd is not installed (apt-get install docker.io)".to_owned());
        }
        let folder =
            tempfile::Builder::new().prefix("bailey-docker-").tempdir().map_err(|error| error.to_string())?;
        let folder = folder.keep();
        configure(&folder).map_err(|error| error.to_string())?;
        let mut command = program("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&folder).arg("dockerd");
        command.arg("--config-file").arg(folder.join("config.json"));
        command.arg("--host").arg(format!("unix://{}", folder.join("docker.sock").display()));
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "docker.pid")]
        {
            command.arg(option).arg(folder.join(name));
        }
        // No word about the machine's network: it stays as it is.
        command.args(["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none"]);
        // An interrupt from the keyboard is for the tests.
        let keeper = command.current_dir("/").process_group(0).stdin(Stdio::piped()).spawn();
        let mut daemon = Self { folder, keeper: keeper.map_err(|error| error.to_string())? };
        daemon.wait_until_it_answers()?;
        Ok(daemon)
    }

    /// Whether it can start containers under gVisor.
    pub fn has_gvisor(&self) -> bool {
        Path::new(GVISOR).exists()
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let mut waited = Duration::ZERO;
        while UnixStream::connect(self.socket()).is_err() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let gave_up = log.contains("failed to start daemon");
            if gave_up || waited >= PATIENCE {
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                return Err(format!("dockerd does not start here: {}", last.join(" / ")));
            }
            std::thread::sleep(Duration::from_millis(20));
            waited += Duration::from_millis(20);
        }
        Ok(())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The daemon's configuration: runtimes that leave something out, and gVisor where it is installed: on
/// the platform that needs nothing of the machine, told to use the list of system calls it is given.
fn configure(folder: &Path) -> std::io::Result<()> {
    let mut runtimes = serde_json::Map::new();
    for (name, _) in LEAKY {
        let path = folder.join(name);
        std::fs::write(&path, include_str!("leaky_runtime.py"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        runtimes.insert((*name).to_owned(), json!({ "path": path }));
    }
    if Path::new(GVISOR).exists() {
        let arguments = ["--platform=ptrace", "--network=none", "--oci-seccomp"];
        runtimes.insert("runsc".to_owned(), json!({ "path": GVISOR, "runtimeArgs": arguments }));
    }
    std::fs::write(folder.join("config.json"), json!({ "runtimes": runtimes }).to_string())
}

fn is_root() -> bool {
    program("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[expect(clippy::disallowed_methods, reason = "starts what the tests need")]
fn program(name: &str) -> Command {
    Command::new(name)
}
