//! The life of a process that is our own child: watched, ended and collected by its descriptor.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::process::{Signal, WaitId, WaitIdOptions};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::{ChildStderr, ChildStdin, ChildStdout},
};

use crate::{
    Limits,
    cgroup::{Group, MemoryFiles},
    exit::Exit,
    janitor::Remains,
    process::{Life, Process, Stdio},
    start::Started,
};

/// A child. Dropping it kills everything that belongs to it and removes its traces.
#[derive(Debug)]
pub(crate) struct Child {
    watch: AsyncFd<OwnedFd>,
    limits: Limits,
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
        let child = Child { watch, limits: started.limits, remains: started.remains };
        Ok(Self::new(started.pid, stdio, Life::Child(Box::new(child))))
    }
}

impl Child {
    /// Waits for the end. Can be cancelled and called again.
    pub(crate) async fn wait(&mut self) -> Exit {
        match self.watch.readable().await {
            Ok(_) => self.collect(),
            Err(error) => {
                tracing::error!(label = self.remains.label, %error, "cannot watch a process; killing it");
                self.kill();
                Exit::Unknown
            }
        }
    }

    pub(crate) fn memory(&self) -> Option<MemoryFiles> {
        self.remains.group.as_ref().map(Group::memory_files)
    }

    pub(crate) fn kill(&self) {
        self.remains.kill();
    }

    pub(crate) fn terminate(&self) {
        if let Some(process) = &self.remains.process {
            let _already_gone = rustix::process::pidfd_send_signal(process, Signal::TERM);
        }
    }

    pub(crate) fn started(&self) {
        if let Some(group) = &self.remains.group
            && let Err(error) = group.limit_processor(&self.limits)
        {
            let label = &self.remains.label;
            tracing::error!(label, %error, "killing a process whose processor share cannot be limited");
            self.kill();
        }
    }

    fn collect(&mut self) -> Exit {
        let status =
            rustix::process::waitid(WaitId::PidFd(self.watch.get_ref().as_fd()), WaitIdOptions::EXITED);
        self.remains.process = None; // collected: the pid may be someone else's from now on
        if let Some(group) = &self.remains.group {
            for strain in group.strains(&self.limits) {
                tracing::info!(label = self.remains.label, "a process {strain}");
            }
        }
        let Ok(Some(status)) = status else { return Exit::Unknown };
        if let Some(code) = status.exit_status() {
            return Exit::Code(code);
        }
        let signal = status.terminating_signal().unwrap_or(0);
        let memory_kills = self.remains.group.as_ref().map_or(0, Group::memory_kills);
        if signal == Signal::KILL.as_raw() && memory_kills > 0 {
            return Exit::OutOfMemory { limit_bytes: self.limits.memory_bytes };
        }
        Exit::Signal(signal)
    }
}
