//! A running process: its pipes, its end, and the power to end it. The same whatever runs it.

use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::{
    cgroup::{self, MemoryFiles},
    docker::Container,
    exit::Exit,
    local::Child,
};

/// The three pipes of a process.
#[derive(Debug)]
pub struct Stdio {
    /// Writes to the process. Dropping it is end of file there.
    pub stdin: ChildStdin,
    /// What the process writes to its standard output.
    pub stdout: ChildStdout,
    /// What the process writes to its standard error. Keep reading both, or the process blocks.
    pub stderr: ChildStderr,
}

/// Measures the memory of one process.
#[derive(Debug, Clone)]
pub struct Memory(MemoryFiles);

impl Memory {
    /// Bytes it takes right now, `/tmp` included, without what the kernel would give back for the asking (file
    /// pages not used lately). `None` once the process is gone.
    pub fn bytes(&self) -> Option<u64> {
        self.0.bytes()
    }
}

/// A running process. Dropping it kills everything that belongs to it and removes its traces.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    stdio: Option<Stdio>,
    exit: Option<Exit>,
    life: Life,
}

/// Who runs it.
#[derive(Debug)]
pub(crate) enum Life {
    /// We do.
    Child(Box<Child>),
    /// A container engine does.
    Container(Container),
}

impl Process {
    pub(crate) fn new(pid: u32, stdio: Stdio, life: Life) -> Self {
        Self { pid, stdio: Some(stdio), exit: None, life }
    }

    /// The pid as the host sees it. 0 for a container that ended before it could be asked.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The three pipes, the first time; `None` afterwards.
    pub fn take_stdio(&mut self) -> Option<Stdio> {
        self.stdio.take()
    }

    /// Measures its memory, also while something else waits for its end; `None` without a control group, or
    /// with one that cannot be seen from here.
    pub fn memory(&self) -> Option<Memory> {
        match &self.life {
            Life::Child(child) => child.memory(),
            Life::Container(_) => cgroup::memory_of(self.pid),
        }
        .map(Memory)
    }

    /// Waits for the end and says how it came. Can be cancelled and called again; after the end it
    /// answers the same at once.
    pub async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let exit = match &mut self.life {
            Life::Child(child) => child.wait().await,
            Life::Container(container) => container.wait().await,
        };
        self.exit = Some(exit);
        exit
    }

    /// Ends it now, and everything that belongs to it.
    pub fn kill(&self) {
        match &self.life {
            Life::Child(child) => child.kill(),
            Life::Container(container) => container.kill(),
        }
    }

    /// Asks it to end (SIGTERM). As first process of its pid namespace it hears this only with a
    /// handler of its own: give it a moment, then [`Process::kill`].
    pub fn terminate(&self) {
        match &self.life {
            Life::Child(child) => child.terminate(),
            Life::Container(container) => container.terminate(),
        }
    }

    /// Says that the process has begun to talk: from now on its processor share is limited. The
    /// start itself is not, so that it is quick. If the limit cannot be set, the process is killed.
    pub fn started(&self) {
        match &self.life {
            Life::Child(child) => child.started(),
            Life::Container(container) => container.started(),
        }
    }
}
