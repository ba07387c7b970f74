//! A throwaway Redis: a real server in a folder of its own, gone when its owner or the test binary
//! ends, however that happens. It can be killed, frozen and started again, and its clock can be one
//! that a test moves.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Runs the server until our end of its standard input closes, and removes the folder then, unless
/// it was told to keep it.
const KEEPER: &str = r#"
    folder=$1
    shift
    env "$@" > "$folder/log" 2>&1 < /dev/null &
    echo $! > "$folder/pid"
    keep=$(cat)
    kill -KILL $! 2> /dev/null
    wait
    [ -n "$keep" ] || rm -rf "$folder"
"#;

/// No server takes longer to start, or it will not.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the server listens besides its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    None,
    Some(u16),
}

/// A server that runs, or was killed and can be started again.
#[derive(Debug)]
pub struct Redis {
    folder: PathBuf,
    port: Port,
    clock: Option<File>,
    keeper: Option<Child>,
}

impl Redis {
    /// Starts one on a Unix socket, by the machine's clock.
    ///
    /// # Panics
    /// When it cannot be had, as all functions here: without Redis these tests prove nothing.
    pub fn start() -> Self {
        Self::with(Port::None, None)
    }

    /// Starts one that also listens on a loopback port.
    pub fn start_on_port() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        drop(listener);
        Self::with(Port::Some(port), None)
    }

    /// Starts one whose clock stands still at `milliseconds` since 1970 until it is moved.
    pub fn start_with_hand_clock(milliseconds: i64) -> Self {
        Self::with(Port::None, Some(milliseconds))
    }

    fn with(port: Port, clock: Option<i64>) -> Self {
        let folder = tempfile::Builder::new().prefix("bailey-redis-").tempdir().expect("a folder").keep();
        let clock = clock.map(|milliseconds| {
            let file = File::options().create_new(true).read(true).write(true).open(folder.join("clock"));
            let file = file.expect("a file for the clock");
            set(&file, milliseconds);
            file
        });
        let mut redis = Self { folder, port, clock, keeper: None };
        redis.start_again();
        redis
    }

    /// The URL of its socket.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// The URL of its port, if it has one.
    pub fn port_url(&self) -> String {
        match self.port {
            Port::Some(port) => format!("redis://127.0.0.1:{port}"),
            Port::None => panic!("this Redis was started without a port"),
        }
    }

    /// Moves the clock.
    pub fn set_clock(&self, milliseconds: i64) {
        set(self.clock.as_ref().expect("a clock moved by hand"), milliseconds);
    }

    /// Kills it: connections break, nothing of what it held is left.
    pub fn kill(&mut self) {
        self.end("keep");
    }

    /// Starts it again, empty, where it was. It answers when this returns.
    pub fn start_again(&mut self) {
        assert!(self.keeper.is_none(), "it runs already");
        let _ = std::fs::remove_file(self.socket());
        let port = match self.port {
            Port::None => 0,
            Port::Some(port) => port,
        };
        let mut command = program("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&self.folder);
        if self.clock.is_some() {
            command.arg(format!("LD_PRELOAD={}", hand_clock().display()));
            command.arg(format!("HAND_CLOCK={}", self.folder.join("clock").display()));
        }
        command.args(["redis-server", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
        command.args(["--port", &port.to_string(), "--dir"]).arg(&self.folder);
        command.arg("--unixsocket").arg(self.socket());
        // An interrupt from the keyboard is for the tests.
        let keeper = command.current_dir("/").process_group(0).stdin(Stdio::piped()).spawn();
        self.keeper = Some(keeper.expect("a shell"));
        self.wait_until_it_answers();
    }

    /// Stops it without ending it: connections stay and nothing answers.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).expect("the server's process id");
        let sent = program("kill").args(["-s", name, pid.trim()]).status().expect("kill");
        assert!(sent.success(), "Redis could not be sent {name}");
    }

    fn wait_until_it_answers(&self) {
        let answers = || {
            let mut socket = UnixStream::connect(self.socket())?;
            socket.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            socket.read_exact(&mut answer).map(|()| answer == *b"+PONG\r\n")
        };
        let mut waited = Duration::ZERO;
        while !answers().unwrap_or(false) {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(waited < PATIENCE, "no Redis for the tests (apt-get install redis-server):\n{}", log());
            std::thread::sleep(Duration::from_millis(5));
            waited += Duration::from_millis(5);
        }
    }

    fn end(&mut self, word: &str) {
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut stdin) = keeper.stdin.take() {
                let _ = stdin.write_all(word.as_bytes());
            }
            let _ = keeper.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end("");
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn set(clock: &File, milliseconds: i64) {
    clock.write_all_at(&milliseconds.to_ne_bytes(), 0).expect("a clock that can be moved");
}

/// The library that moves a server's clock, compiled beside the test, once a binary.
fn hand_clock() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test = std::env::current_exe().expect("where this test is");
        let library = test.with_file_name("hand_clock.so");
        // Several binaries may be at it: each makes its own and puts it in place whole.
        let made = test.with_file_name(format!("hand_clock-{}.so", std::process::id()));
        let mut compiler = program("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-x", "c", "-", "-o"]).arg(&made);
        let compiling = compiler.stdin(Stdio::piped()).spawn();
        let mut compiling = compiling.expect("a C compiler (apt-get install build-essential)");
        let source = include_bytes!("hand_clock.c");
        compiling.stdin.take().expect("its input").write_all(source).expect("a compiler that reads");
        assert!(
            compiling.wait().is_ok_and(|ended| ended.success()),
            "the clock moved by hand could not be compiled"
        );
        std::fs::rename(made, &library).expect("the library in its place");
        library
    })
}

#[expect(clippy::disallowed_methods, reason = "starts what the tests need")]
fn program(name: &str) -> Command {
    Command::new(name)
}
