//! The host's side of a start: make the group, start the launcher, hand it the plan, hear whether
//! the walls are up. Blocking, so it runs on a blocking thread; and therefore never half cancelled.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::{Pid, PidfdFlags},
};

use crate::{
    cgroup::{Group, Hierarchy, owner_mark},
    config::NativeConfig,
    error::{Layer, LayerError, SpawnError},
    identity::Identities,
    janitor::Remains,
    launcher::{Identity, PLAN_BYTES, Plan, Report},
    limits::Limits,
    spawner,
    spec::ProcessSpec,
};

/// How long the launcher may be silent. It needs milliseconds; a busy machine may need seconds.
const DEADLINE: Duration = Duration::from_secs(15);
/// Most that is read from the launcher.
const REPORT_BYTES: u64 = 64 * 1024;

/// Numbers the starts of this host, for unique group names.
static STARTS: AtomicU64 = AtomicU64::new(0);

/// A process that runs, before it is watched.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
    pub(crate) limits: Limits,
    pub(crate) remains: Remains,
}

/// What all starts of one sandbox share.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) config: NativeConfig,
    pub(crate) hierarchy: Hierarchy,
    pub(crate) identities: Identities,
}

/// Starts one process in the sandbox.
pub(crate) fn start(workshop: &Workshop, spec: &ProcessSpec) -> Result<Started, SpawnError> {
    let label = spec.safe_label();
    spec.check().map_err(|reason| SpawnError::Invalid { label: label.clone(), reason })?;
    let plugin_dir = folder(&label, &spec.plugin_dir)?;
    let packages_dir = spec.packages_dir.as_deref().map(|path| folder(&label, path)).transpose()?;

    let mut remains = Remains::new(&label);
    let identity = match Identity::of_ordinary_user() {
        Some(identity) => identity,
        None => {
            let count = workshop.identities.count();
            let lease = workshop.identities.take().ok_or(SpawnError::OutOfIdentities { count })?;
            let id = lease.id;
            remains.lease = Some(lease);
            Identity::Own(id)
        }
    };
    let group = group(workshop, &label, &spec.limits)?;
    let cgroup_files = group.join_files();
    remains.group = Some(group);

    let root = &workshop.config.root;
    let plan = Plan {
        identity,
        cgroup_files,
        root: root.path().to_owned(),
        interpreter: root.interpreter().to_owned(),
        executables: root.executables().to_vec(),
        arguments: spec.arguments.clone(),
        environment: spec.full_environment(),
        plugin_dir,
        packages_dir,
        tool: None,
        limits: spec.limits.clone(),
        survey: false,
    };
    launch(workshop, &plan, remains, &mut None)
}

/// A new control group of this host's.
pub(crate) fn group(workshop: &Workshop, label: &str, limits: &Limits) -> Result<Group, LayerError> {
    let number = STARTS.fetch_add(1, Ordering::Relaxed);
    Group::create(&workshop.hierarchy, &format!("{}-{number}-{label}", owner_mark()), limits)
}

/// Starts the launcher with a plan. `listener` is filled if the plan makes one.
pub(crate) fn launch(
    workshop: &Workshop,
    plan: &Plan,
    mut remains: Remains,
    listener: &mut Option<OwnedFd>,
) -> Result<Started, SpawnError> {
    let label = remains.label.clone();
    let host = |attempt: &'static str| {
        let label = label.clone();
        move |source: io::Error| SpawnError::Host { label, attempt, source }
    };
    let plan_text = serde_json::to_vec(plan).map_err(|error| SpawnError::Invalid {
        label: label.clone(),
        reason: format!("a path is not UTF-8: {error}"),
    })?;
    if plan_text.len() as u64 > PLAN_BYTES {
        return Err(SpawnError::Invalid {
            label,
            reason: format!("its description is larger than {PLAN_BYTES} bytes"),
        });
    }
    let (mut control, theirs) = control_socket().map_err(host("cannot make the control socket"))?;

    let launcher = &workshop.config.launcher;
    let mut child = spawner::spawn(command(launcher, &theirs)).map_err(|error| {
        LayerError::new(Layer::Launcher, format!("cannot start {}: {error}", launcher.program.display()))
    })?;
    drop(theirs);
    let outcome = converse(&mut control, &plan_text, &mut remains, listener);
    drop(control);
    if outcome.is_err() {
        let _already_gone = child.kill();
    }
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // It has ended, or was killed above: this does not take long.
    let status = child.wait().map_err(host("cannot collect the launcher"))?;
    let pid = outcome.map_err(|failure| failure.explain(&label, status))?;
    Ok(Started { pid, stdin, stdout, stderr, limits: plan.limits.clone(), remains })
}

/// The host's end, with deadlines, and the launcher's.
pub(crate) fn control_socket() -> io::Result<(UnixStream, UnixStream)> {
    let (control, theirs) = UnixStream::pair()?;
    control.set_read_timeout(Some(DEADLINE))?;
    control.set_write_timeout(Some(DEADLINE))?;
    Ok((control, theirs))
}

#[expect(clippy::disallowed_methods, reason = "starting processes is what this crate is for")]
pub(crate) fn command(launcher: &crate::config::Launcher, control: &UnixStream) -> Command {
    let descriptor = control.as_raw_fd();
    let mut command = Command::new(&launcher.program);
    command
        .arg(&launcher.first_argument)
        .arg(descriptor.to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let inherit = move || {
        // SAFETY: fcntl is safe between fork and exec, and touches no memory. The descriptor is
        // open: the caller keeps it until the process has started.
        if unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) } < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    };
    // SAFETY: the closure makes one system call and nothing else. Clearing the flag only in the
    // child means that no other process the host starts at this moment inherits the socket.
    unsafe { command.pre_exec(inherit) };
    command
}

/// What went wrong while talking with the launcher.
pub(crate) enum Trouble {
    Silent,
    Layer(Layer, String),
    Ended,
}

impl Trouble {
    fn explain(self, label: &str, status: std::process::ExitStatus) -> SpawnError {
        match self {
            Self::Silent => SpawnError::TimedOut { label: label.to_owned(), seconds: DEADLINE.as_secs() },
            Self::Layer(layer, reason) => LayerError::new(layer, reason).into(),
            Self::Ended => {
                let reason = format!("the launcher ended without a word ({status})");
                LayerError::new(Layer::Launcher, reason).into()
            }
        }
    }
}

/// Sends the plan and hears the reports until the socket closes.
pub(crate) fn reports<'a>(
    control: &'a mut UnixStream,
    plan: &[u8],
    listener: &'a mut Option<OwnedFd>,
) -> impl Iterator<Item = Result<Report, Trouble>> + 'a {
    // A launcher that ended early shows in its reports, or in their absence.
    let _reports_tell = control.write_all(plan).and_then(|()| control.shutdown(Shutdown::Write));
    let reports = Reports { control, descriptor: listener };
    BufReader::new(reports.take(REPORT_BYTES)).lines().map(|line| {
        let line = line.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Silent,
            _ => Trouble::Ended,
        })?;
        serde_json::from_str(&line).map_err(|_| Trouble::Ended)
    })
}

/// A handle of the child that the launcher reports.
pub(crate) fn hold(child: i32) -> Option<OwnedFd> {
    // Our own child and not collected yet, so the number cannot be anyone else's.
    rustix::process::pidfd_open(Pid::from_raw(child)?, PidfdFlags::empty()).ok()
}

/// Hears whether the walls are up. Returns the process's pid.
fn converse(
    control: &mut UnixStream,
    plan: &[u8],
    remains: &mut Remains,
    listener: &mut Option<OwnedFd>,
) -> Result<u32, Trouble> {
    let mut pid = None;
    let mut failure = None;
    for report in reports(control, plan, listener) {
        match report? {
            Report::Child(child) => {
                remains.process = hold(child);
                pid = Some(child.cast_unsigned());
            }
            Report::Listener => {} // the socket itself is what counts
            Report::Failed(layer, _, reason) => failure = failure.or(Some(Trouble::Layer(layer, reason))),
            Report::Stands(_) => {}
        }
    }
    match (failure, pid) {
        (Some(failure), _) => Err(failure),
        (None, Some(pid)) if remains.process.is_some() => Ok(pid),
        _ => Err(Trouble::Ended),
    }
}

/// Reads the control socket and keeps the descriptor that may come along.
struct Reports<'a> {
    control: &'a UnixStream,
    descriptor: &'a mut Option<OwnedFd>,
}

impl Read for Reports<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [io::IoSliceMut::new(buffer)];
        let got = rustix::net::recvmsg(self.control, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC)?;
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                descriptors.for_each(|descriptor| *self.descriptor = Some(descriptor));
            }
        }
        Ok(got.bytes)
    }
}

/// The folder's real path, or why it cannot be used.
pub(crate) fn folder(label: &str, path: &Path) -> Result<PathBuf, SpawnError> {
    let failed = |source| SpawnError::Folder { label: label.to_owned(), path: path.to_owned(), source };
    let real = std::fs::canonicalize(path).map_err(failed)?;
    if real.is_dir() { Ok(real) } else { Err(failed(io::ErrorKind::NotADirectory.into())) }
}
