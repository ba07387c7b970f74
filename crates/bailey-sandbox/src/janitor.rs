//! What outlives a [`crate::Process`] for a moment: killing, collecting, and removing its control
//! group and user id. A thread of its own does it, because a destructor cannot wait.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{
        OnceLock,
        mpsc::{Sender, SyncSender, channel, sync_channel},
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitId, WaitIdOptions},
};

use crate::{cgroup::Group, identity::Lease};

/// How long a killed process may take to leave. Only a broken disk or kernel takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything the system holds for one process. Dropping it kills the process and gives all back.
#[derive(Debug)]
pub(crate) struct Remains {
    /// The process, while it is not collected.
    pub(crate) process: Option<OwnedFd>,
    /// Its process group, for processes without a control group.
    pub(crate) process_group: Option<Pid>,
    /// Its control group.
    pub(crate) group: Option<Group>,
    /// Its user id; given back last.
    pub(crate) lease: Option<Lease>,
    /// For messages.
    pub(crate) label: String,
}

impl Remains {
    /// Nothing yet.
    pub(crate) fn new(label: &str) -> Self {
        Self { process: None, process_group: None, group: None, lease: None, label: label.to_owned() }
    }

    /// Sends SIGKILL to all of it.
    pub(crate) fn kill(&self) {
        if let Some(process) = &self.process {
            // In a pid namespace this is pid 1, whose death takes everything in it along.
            let _already_gone = rustix::process::pidfd_send_signal(process, Signal::KILL);
        }
        if let Some(leader) = self.process_group.filter(|_| self.process.is_some()) {
            let _already_gone = rustix::process::kill_process_group(leader, Signal::KILL);
        }
        if let Some(group) = &self.group {
            group.kill();
        }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        self.kill();
        if self.process.is_none() && self.group.is_none() && self.lease.is_none() {
            return;
        }
        let taken = Message::CleanUp(Work {
            process: self.process.take(),
            group: self.group.take(),
            lease: self.lease.take(),
            label: std::mem::take(&mut self.label),
        });
        // Not more messages than living processes, so the channel needs no bound of its own.
        if let Err(unsent) = send(taken) {
            unsent.handle();
        }
    }
}

/// What the thread is asked.
enum Message {
    CleanUp(Work),
    /// Say when everything before this is done.
    Report(SyncSender<()>),
}

impl Message {
    fn handle(self) {
        match self {
            Self::CleanUp(work) => work.finish(),
            Self::Report(to) => {
                let _asker_may_be_gone = to.send(());
            }
        }
    }
}

/// Waits until everything that was dropped so far is cleaned up. Blocking.
pub(crate) fn settle() {
    let (done, wait) = sync_channel(1);
    if send(Message::Report(done)).is_ok() {
        let _thread_may_be_gone = wait.recv();
    }
}

/// Hands a message to the thread, or gives it back if there is none.
fn send(message: Message) -> Result<(), Message> {
    static THREAD: OnceLock<Option<Sender<Message>>> = OnceLock::new();
    match THREAD.get_or_init(start_thread) {
        Some(sender) => sender.send(message).map_err(|error| error.0),
        None => Err(message),
    }
}

fn start_thread() -> Option<Sender<Message>> {
    let (sender, all) = channel::<Message>();
    std::thread::Builder::new()
        .name("sandbox-janitor".to_owned())
        .spawn(move || all.into_iter().for_each(Message::handle))
        .inspect_err(
            |error| tracing::error!(%error, "cannot start the thread that cleans up after processes"),
        )
        .ok()
        .map(|_| sender)
}

/// The same after the kill, without a destructor.
struct Work {
    process: Option<OwnedFd>,
    group: Option<Group>,
    lease: Option<Lease>,
    label: String,
}

impl Work {
    fn finish(self) {
        let label = self.label;
        if let Some(process) = self.process
            && !collect(&process)
        {
            tracing::warn!(label, "a killed process did not end within {} s", PATIENCE.as_secs());
        }
        if let Some(group) = self.group
            && !group.kill_and_remove(PATIENCE)
        {
            tracing::warn!(
                label,
                "a control group could not be removed; the next start of the host tries again"
            );
            // Whoever is left in it still has the user id: it must not be given to another.
            std::mem::forget(self.lease);
        }
    }
}

/// Waits for the end of a killed process and collects it.
fn collect(process: &OwnedFd) -> bool {
    let deadline = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    let mut wanted = [PollFd::new(process, PollFlags::IN)];
    if !matches!(poll(&mut wanted, Some(&deadline)), Ok(1..)) {
        return false;
    }
    let _collected_elsewhere = rustix::process::waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
    true
}
