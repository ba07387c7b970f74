//! One root for the whole binary, small plugins in temporary folders, and a `run` that gives back
//! all a process said.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use bailey_sandbox::{
    BareConfig, BareSandbox, Exit, Launcher, NativeConfig, NativeSandbox, Process, ProcessSpec, PythonRoot,
    Sandbox,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Debian's Python; what stands first on PATH may be anything.
pub(crate) const PYTHON: &str = "/usr/bin/python3";
/// No single step of a test takes longer, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Most that is read of a process's output.
const OUTPUT_BYTES: u64 = 1024 * 1024;

/// The shared cache of roots, kept between runs.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots")
}

/// The root all tests share.
pub(crate) fn root() -> PythonRoot {
    static ROOT: OnceLock<PythonRoot> = OnceLock::new();
    ROOT.get_or_init(|| PythonRoot::build(Path::new(PYTHON), &cache()).unwrap()).clone()
}

/// The configuration all tests share.
pub(crate) fn config() -> NativeConfig {
    NativeConfig {
        launcher: Launcher::program(env!("CARGO_BIN_EXE_bailey-sandbox-launcher")),
        ..NativeConfig::new(root())
    }
}

/// An opened native sandbox.
pub(crate) async fn native() -> NativeSandbox {
    within(NativeSandbox::open(config())).await.unwrap()
}

/// No sandbox.
pub(crate) fn bare() -> Sandbox {
    Sandbox::Bare(BareSandbox::new(BareConfig { python: PYTHON.into() }))
}

/// The answer within the deadline.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("the deadline passed")
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let look = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, look).await.is_ok(), "never happened: {what}");
}

/// A plugin folder that other users can read, with this program.
pub(crate) struct Plugin {
    folder: tempfile::TempDir,
}

impl Plugin {
    pub(crate) fn new(program: &str) -> Self {
        let plugin = Self { folder: readable_folder() };
        plugin.file("__main__.py", program);
        plugin
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn spec(&self) -> ProcessSpec {
        ProcessSpec::python_plugin("test", self.path(), None)
    }
}

/// A temporary folder that other users can read.
pub(crate) fn readable_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// All a process said, and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: Exit,
}

/// Gives input, closes it, reads everything, waits.
pub(crate) async fn finish(mut process: Process, input: &str) -> Outcome {
    let mut stdio = process.take_stdio().unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (stdio.stdout.take(OUTPUT_BYTES), stdio.stderr.take(OUTPUT_BYTES));
    let talk = async {
        let _it_may_have_ended = stdio.stdin.write_all(input.as_bytes()).await;
        drop(stdio.stdin);
        let (first, second) = tokio::join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr));
        first.unwrap();
        second.unwrap();
        process.wait().await
    };
    let exit = within(talk).await;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Outcome { stdout: text(stdout), stderr: text(stderr), exit }
}

/// Runs a plugin in the sandbox to its end.
pub(crate) async fn run(spec: ProcessSpec, input: &str) -> Outcome {
    finish(within(native().await.spawn(spec)).await.unwrap(), input).await
}

/// Whether a process runs (a zombie does not).
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
