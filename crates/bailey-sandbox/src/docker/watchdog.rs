//! A small process that outlives its host. A native plugin dies with the host, because the kernel
//! sees to it; a container is the daemon's child and would run on. When the host ends, however it
//! ends, the watchdog removes the host's containers, and then ends too.
//!
//! It is our own program started again, as the launcher is. It waits for the end of its standard
//! input, whose other end only the host holds.

use std::{
    ffi::OsString,
    io::{self, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{daemon, sweep};
use crate::{cgroup::is_stale, cgroup::owner_mark, config::Launcher, spawner};

/// The word after the launcher's first argument that makes it the watchdog.
pub(crate) const ARGUMENT: &str = "watch-docker";

/// When it looks, after the host's end: at once, and again for starts that were under way.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
/// How long a host whose descriptors are closed may take to be gone, on a machine that has no time for it.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// The host's end. Dropping it lets the watchdog go.
#[derive(Debug)]
pub(super) struct Watchdog(Option<Child>);

impl Watchdog {
    /// Starts one for this host and the containers of one instance. Blocking.
    pub(super) fn start(launcher: &Launcher, socket: &Path, instance: &str) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "starting processes is what this crate is for")]
        let mut command = Command::new(&launcher.program);
        command
            .args([launcher.first_argument.as_str(), ARGUMENT])
            .arg(socket)
            .args([instance, &owner_mark()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0); // an interrupt from the keyboard is for the host
        spawner::spawn(command).map(|child| Self(Some(child)))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.stdin.take());
            // It sees that the host lives, and ends; a destructor does not wait for that.
            let collect = move || drop(child.wait());
            let _collected_when_the_host_ends = std::thread::Builder::new().spawn(collect);
        }
    }
}

/// The watchdog itself; returns its exit code. The arguments are the socket, the instance and the
/// host's mark.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    let [socket, instance, host] = arguments else { return 2 };
    let (Some(instance), Some(host)) = (instance.to_str(), host.to_str()) else { return 2 };
    let _the_end = io::stdin().read_to_end(&mut Vec::new());
    // Not before: until the host ends there is nothing here but one blocked thread.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return 1 };
    runtime.block_on(clear(&PathBuf::from(socket), instance, host))
}

async fn clear(socket: &Path, instance: &str, host: &str) -> i32 {
    // Descriptors are closed a moment before a process is gone.
    let gone = async {
        while !is_stale(host) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(LAST_BREATH, gone).await.is_err() {
        return 0; // it lives, and needs us no more
    }
    let Ok(docker) = daemon::speak(socket).await else { return 1 };
    for pause in LOOKS {
        tokio::time::sleep(pause).await;
        sweep::sweep(&docker, instance).await;
    }
    0
}
