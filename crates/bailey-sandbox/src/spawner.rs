//! One thread that starts every process of this host and lives as long as the host.
//!
//! The kernel's parent-death signal fires when the *thread* that started a process ends. A thread
//! of an async runtime may end at any time; this one ends with the host only.

use std::{
    io,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

/// Starts that may wait for the thread; more make the caller wait.
const QUEUE: usize = 64;

struct Job {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

/// Starts a command from the long-lived thread. Blocks for about a millisecond.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static THREAD: OnceLock<io::Result<SyncSender<Job>>> = OnceLock::new();
    let jobs = THREAD.get_or_init(start_thread).as_ref().map_err(|error| io::Error::from(error.kind()))?;
    let (reply, answer) = sync_channel(1);
    let gone = || io::Error::other("the thread that starts processes has ended");
    jobs.send(Job { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

fn start_thread() -> io::Result<SyncSender<Job>> {
    let (sender, jobs) = sync_channel(QUEUE);
    std::thread::Builder::new().name("sandbox-spawner".to_owned()).spawn(move || run(&jobs))?;
    Ok(sender)
}

fn run(jobs: &Receiver<Job>) {
    for mut job in jobs {
        let result = job.command.spawn();
        // The caller waits for the answer without a deadline, so it is there.
        let _caller_is_there = job.reply.send(result);
    }
}
