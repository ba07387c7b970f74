//! A running process: its pipes, its end, and the power to end it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::process::{Signal, WaitId, WaitIdOptions};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::{ChildStderr, ChildStdin, ChildStdout},
};

use crate::{exit::Exit, janitor::Remains, start::Started};

/// The three pipes of a process.
#[derive(Debug)]
pub struct Stdio {
    /// Writes to the process. Dropping it is end of file there.
    pub stdin: ChildStdin,
    /// What the process writes to its standard output.
    pub stdout: ChildStdout,
    /// What the process writes to its standard error. Keep reading it, or the process blocks.
    pub stderr: ChildStderr,
}

/// A running process. Dropping it kills everything that belongs to it and removes its traces.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    label: String,
    stdio: Option<Stdio>,
    watch: AsyncFd<OwnedFd>,
    exit: Option<Exit>,
    limits: crate::Limits,
    remains: Remains,
}

impl Process {
    /// Takes over a started process. Must run inside a tokio runtime.
    pub(crate) fn watch(mut started: Started) -> io::Result<Self> {
        let process =
            started.remains.process.as_ref().ok_or_else(|| io::Error::other("no process to watch"))?;
        // SAFETY: an OwnedFd always names the same open descriptor, and nothing takes it out of the
        // AsyncFd before that is dropped.
        let watch = unsafe { AsyncFd::register_with_interest(process.try_clone()?, Interest::READABLE) }?;
        let missing = || io::Error::other("a pipe is missing");
        let stdio = Stdio {
            stdin: ChildStdin::from_std(started.stdin.take().ok_or_else(missing)?)?,
            stdout: ChildStdout::from_std(started.stdout.take().ok_or_else(missing)?)?,
            stderr: ChildStderr::from_std(started.stderr.take().ok_or_else(missing)?)?,
        };
        Ok(Self {
            pid: started.pid,
            label: started.remains.label.clone(),
            stdio: Some(stdio),
            watch,
            exit: None,
            limits: started.limits,
            remains: started.remains,
        })
    }

    /// The pid as the host sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The three pipes, the first time; `None` afterwards.
    pub fn take_stdio(&mut self) -> Option<Stdio> {
        self.stdio.take()
    }

    /// Waits for the end and says how it came. Can be cancelled and called again; after the end it
    /// answers the same at once.
    pub async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let exit = match self.watch.readable().await {
            Ok(_) => self.collect(),
            Err(error) => {
                tracing::error!(label = self.label, %error, "cannot watch a process; killing it");
                self.kill();
                Exit::Unknown
            }
        };
        self.exit = Some(exit);
        exit
    }

    /// Ends it now, and everything that belongs to it.
    pub fn kill(&self) {
        self.remains.kill();
    }

    /// Asks it to end (SIGTERM). As first process of its pid namespace it hears this only with a
    /// handler of its own: give it a moment, then [`Process::kill`].
    pub fn terminate(&self) {
        if let Some(process) = &self.remains.process {
            let _already_gone = rustix::process::pidfd_send_signal(process, Signal::TERM);
        }
    }

    /// Says that the process has begun to talk: from now on its processor share is limited. The
    /// start itself is not, so that it is quick. If the limit cannot be set, the process is killed.
    pub fn started(&self) {
        if let Some(group) = &self.remains.group
            && let Err(error) = group.limit_processor(self.limits.cpu_percent)
        {
            tracing::error!(label = self.label, %error, "killing a process whose processor share cannot be limited");
            self.kill();
        }
    }

    fn collect(&mut self) -> Exit {
        let status =
            rustix::process::waitid(WaitId::PidFd(self.watch.get_ref().as_fd()), WaitIdOptions::EXITED);
        self.remains.process = None; // collected: the pid may be someone else's from now on
        let Ok(Some(status)) = status else { return Exit::Unknown };
        if let Some(code) = status.exit_status() {
            return Exit::Code(code);
        }
        let signal = status.terminating_signal().unwrap_or(0);
        let memory_kills = self.remains.group.as_ref().map_or(0, crate::cgroup::Group::memory_kills);
        if signal == Signal::KILL.as_raw() && memory_kills > 0 {
            return Exit::OutOfMemory { limit_bytes: self.limits.memory_bytes };
        }
        Exit::Signal(signal)
    }
}
