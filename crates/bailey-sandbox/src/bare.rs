//! No sandbox at all: the process runs as the host's user with the host's files and network. For
//! `--unsafe-bare` development of one's own plugins, and as the other half of the escape tests.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, PidfdFlags};

use crate::{
    error::SpawnError,
    janitor::Remains,
    process::Process,
    spawner,
    spec::{PACKAGES_MOUNT, PLUGIN_MOUNT, ProcessSpec},
    start::Started,
};

/// Configuration of a [`BareSandbox`].
#[derive(Debug, Clone)]
pub struct BareConfig {
    /// The Python interpreter on the host.
    pub python: PathBuf,
}

/// Starts processes without isolation or limits.
#[derive(Debug, Clone)]
pub struct BareSandbox {
    config: BareConfig,
}

impl BareSandbox {
    /// Nothing is checked; nothing is protected.
    pub fn new(config: BareConfig) -> Self {
        Self { config }
    }

    /// Starts a process. Arguments that begin with `/plugin` or `/packages` are translated to the
    /// host's folders; packages come first on `sys.path` after the plugin, unlike in the sandbox.
    pub async fn spawn(&self, spec: ProcessSpec) -> Result<Process, SpawnError> {
        let label = spec.safe_label();
        let host = |attempt, source| SpawnError::Host { label: label.clone(), attempt, source };
        spec.check().map_err(|reason| SpawnError::Invalid { label: label.clone(), reason })?;
        let python = self.config.python.clone();
        let started = tokio::task::spawn_blocking(move || start(&python, &spec))
            .await
            .map_err(|error| host("the start was interrupted", io::Error::other(error)))?
            .map_err(|source| host("cannot start the interpreter", source))?;
        Process::watch(started).map_err(|source| host("cannot watch the process", source))
    }
}

#[expect(clippy::disallowed_methods, reason = "starting processes is what this crate is for")]
fn start(python: &Path, spec: &ProcessSpec) -> io::Result<Started> {
    let mut command = Command::new(python);
    command
        .args(spec.arguments.iter().map(|argument| translate(argument, spec)))
        .env_clear()
        .envs(spec.packages_dir.iter().map(|path| ("PYTHONPATH", path)))
        .envs(spec.full_environment())
        .current_dir(&spec.plugin_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let die_with_host = || {
        // SAFETY: prctl with a number is safe between fork and exec.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: the closure makes one system call and touches no memory.
    unsafe { command.pre_exec(die_with_host) };
    let mut child = spawner::spawn(command)?;
    let pid = Pid::from_child(&child);
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
        let _ended = child.kill().and_then(|()| child.wait());
    })?;
    let mut remains = Remains::new(&spec.safe_label());
    remains.process = Some(process);
    remains.process_group = Some(pid);
    let id = child.id();
    let Child { stdin, stdout, stderr, .. } = child;
    Ok(Started { pid: id, stdin, stdout, stderr, limits: spec.limits.clone(), remains })
}

/// The host's spelling of a path inside.
fn translate(argument: &OsString, spec: &ProcessSpec) -> OsString {
    let path = Path::new(argument);
    if let Ok(rest) = path.strip_prefix(PLUGIN_MOUNT) {
        return spec.plugin_dir.join(rest).into_os_string();
    }
    match (path.strip_prefix(PACKAGES_MOUNT), &spec.packages_dir) {
        (Ok(rest), Some(packages)) => packages.join(rest).into_os_string(),
        _ => argument.clone(),
    }
}
