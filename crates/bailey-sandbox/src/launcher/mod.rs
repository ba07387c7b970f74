//! The program that builds the walls and then becomes the sandboxed process.
//!
//! It is started by re-executing a program of ours, so it is single-threaded and has nothing of
//! the host in memory. It reads one plan from the control socket,
//! whose descriptor is its second argument, and goes two steps:
//!
//! 1. the *launcher* makes a child that is pid 1 of a new pid namespace and, by `CLONE_PARENT`, a
//!    child of the host; it tells the host the child's pid and ends;
//! 2. the *child* puts up the walls in the order of `child::become_process` and executes Python.
//!
//! The socket closes at that execution: end of file without a report means success.

mod child;
mod file_system;
mod land;
mod plan;
mod privileges;
mod survey;
mod system;
mod tool;

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::net::UnixStream,
    },
};

use crate::{docker::watchdog, error::Layer};
pub(crate) use land::NEWEST as NEWEST_LANDLOCK;
pub(crate) use plan::{Identity, Plan, Report, ToolPlan};
pub(crate) use system::landlock_version;

/// First argument that makes a program the launcher.
pub const ARGUMENT: &str = "sandbox-launcher";

/// Largest plan in bytes. Bounds what the launcher reads.
pub(crate) const PLAN_BYTES: u64 = 1024 * 1024;

/// A wall that could not be put up, inside the launcher.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) layer: Layer,
    pub(crate) errno: Option<i32>,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(layer: Layer, message: impl Into<String>) -> Self {
        Self { layer, errno: None, message: message.into() }
    }
}

/// Names the wall and the attempt of a failed system call.
pub(crate) trait Attempt<T> {
    fn attempt(self, layer: Layer, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<std::io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, layer: Layer, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            Failure { layer, errno: error.raw_os_error(), message: format!("{}: {error}", what()) }
        })
    }
}

/// Becomes the launcher (or the watchdog of a Docker sandbox) if the first argument is [`ARGUMENT`],
/// and then never returns. Call it
/// first in `main`, before any thread or runtime.
pub fn run_if_requested() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == ARGUMENT) {
        std::process::exit(run());
    }
}

/// Exit code when there is no host to talk to.
const NO_HOST: i32 = 113;
/// Exit code after a reported failure.
const FAILED: i32 = 112;

fn run() -> i32 {
    if std::env::args_os().nth(2).is_some_and(|argument| argument == watchdog::ARGUMENT) {
        return watchdog::run(&std::env::args_os().skip(3).collect::<Vec<_>>());
    }
    let descriptor = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(-1);
    if descriptor <= 2 || !system::is_open_socket(descriptor) {
        return NO_HOST; // someone typed the argument by hand
    }
    // SAFETY: the descriptor is open (checked above) and nothing else in this process owns it.
    let mut control = unsafe { UnixStream::from_raw_fd(descriptor) };
    match launch(&mut control) {
        Ok(()) => 0,
        Err(failure) => {
            report(&mut control, &Report::Failed(failure.layer, failure.errno, failure.message));
            FAILED
        }
    }
}

fn launch(control: &mut UnixStream) -> Result<(), Failure> {
    // First: a socket that is closed with something unread in it loses what was written to it.
    let plan = read_plan(control)?;
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        let reason =
            "it has more than one thread; a program must call run_if_requested before it starts a runtime";
        return Err(Failure::new(Layer::Launcher, reason));
    }
    // If the host dies from here on, this program and later its child die with it.
    system::die_with_parent()?;
    system::close_descriptors_except(control.as_raw_fd())?;
    system::close_on_exec(control.as_raw_fd())?;
    report_panics(control);
    system::reset_signals();
    if plan.survey {
        return survey::run(&plan, control);
    }
    let pipe = system::pipe()?; // holds the child until its user mapping is written
    let child = system::fork_into_pid_namespace(matches!(plan.identity, Identity::Namespace { .. }))?;
    if child == 0 {
        drop(pipe.1);
        system::wait_for_byte(pipe.0);
        let failure = match child::become_process(&plan, control) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        report(control, &Report::Failed(failure.layer, failure.errno, failure.message));
        std::process::exit(FAILED);
    }
    drop(pipe.0);
    report(control, &Report::Child(child));
    if let Identity::Namespace { uid, gid } = plan.identity {
        system::map_identity(child, uid, gid)?;
    }
    let mut release = pipe.1;
    release.write_all(b"g").attempt(Layer::Launcher, || "cannot release the child".to_owned())
}

fn read_plan(control: &mut UnixStream) -> Result<Plan, Failure> {
    let mut text = Vec::new();
    Read::take(&*control, PLAN_BYTES)
        .read_to_end(&mut text)
        .attempt(Layer::Launcher, || "cannot read the plan".to_owned())?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::new(Layer::Launcher, format!("unreadable plan: {error}")))
}

/// A panic is a defect of ours, but it must not look like a program that started: the host hears of
/// it like of any other failure.
fn report_panics(control: &UnixStream) {
    if let Ok(mut control) = control.try_clone() {
        let _previous = std::panic::take_hook();
        let control = std::sync::Mutex::new(move |text: String| {
            report(&mut control, &Report::Failed(Layer::Launcher, None, text));
        });
        std::panic::set_hook(Box::new(move |panic| {
            if let Ok(mut tell) = control.lock() {
                tell(format!("the launcher has a defect: {panic}"));
            }
        }));
    }
}

/// Best effort: without a host there is nobody left to tell.
fn report(control: &mut UnixStream, report: &Report) {
    if let Ok(mut line) = serde_json::to_vec(report) {
        line.push(b'\n');
        if control.write_all(&line).is_err() {
            let _gone = control.shutdown(Shutdown::Both);
        }
    }
}
