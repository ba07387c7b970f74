//! A process's life: talking, ending, being ended, and leaving nothing behind.

use std::time::Duration;

use bailey_sandbox::{Exit, NativeConfig, NativeSandbox, Process, ProcessSpec, Sandbox};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    fixture::{Plugin, bare, config, finish, is_alive, native, run, until, within},
    groups::Groups,
};

/// Says "ready" and stays.
const STAYS: &str = "import threading\nprint('ready', flush=True)\nthreading.Event().wait()\n";

/// Starts a plugin and waits for its first line.
async fn start(sandbox: &Sandbox, spec: ProcessSpec) -> (Process, String) {
    let mut process = within(sandbox.spawn(spec)).await.unwrap();
    let stdio = process.take_stdio().unwrap();
    let mut line = String::new();
    within(BufReader::new(stdio.stdout).read_line(&mut line)).await.unwrap();
    process.started();
    (process, line.trim().to_owned())
}

#[tokio::test]
async fn a_process_echoes_reports_its_code_and_keeps_its_errors_apart() {
    let plugin = Plugin::new(
        "import sys\nfor line in sys.stdin: print('echo', line, end='')\nprint('oops', file=sys.stderr)\nexit(7)\n",
    );
    let outcome = run(plugin.spec(), "one\nzwölf\n").await;
    assert_eq!(outcome.stdout, "echo one\necho zwölf\n");
    assert_eq!(outcome.stderr, "oops\n");
    assert_eq!(outcome.exit, Exit::Code(7));
}

#[tokio::test]
async fn kill_ends_it_and_wait_answers_again() {
    for sandbox in [Sandbox::Native(native().await), bare()] {
        let plugin = Plugin::new(STAYS);
        let (mut process, line) = start(&sandbox, plugin.spec()).await;
        assert_eq!(line, "ready");
        assert!(tokio::time::timeout(Duration::ZERO, process.wait()).await.is_err(), "it ended by itself");
        process.kill();
        assert_eq!(within(process.wait()).await, Exit::Signal(9));
        assert_eq!(within(process.wait()).await, Exit::Signal(9));
        assert!(process.take_stdio().is_none());
    }
}

#[tokio::test]
async fn terminate_is_heard_by_a_handler() {
    let program = "import signal, sys, threading\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n\
                   print('ready', flush=True)\nwhile True: threading.Event().wait(1)\n";
    let plugin = Plugin::new(program);
    let (mut process, _) = start(&Sandbox::Native(native().await), plugin.spec()).await;
    process.terminate();
    assert_eq!(within(process.wait()).await, Exit::Code(5));
}

#[tokio::test]
async fn a_crash_is_told_from_a_kill() {
    let plugin = Plugin::new("import ctypes\nctypes.string_at(0)\n");
    let outcome = run(plugin.spec(), "").await;
    assert_eq!(outcome.exit, Exit::Signal(11));
    assert_eq!(outcome.exit.to_string(), "crashed (signal 11, invalid memory access)");
}

#[tokio::test]
async fn dropping_kills_and_removes_the_groups() {
    let (plugin, groups) = (Plugin::new(STAYS), Groups::new());
    let config = NativeConfig { cgroup_parent: groups.parent(), ..config() };
    let sandbox = Sandbox::Native(within(NativeSandbox::open(config)).await.unwrap());
    until("the trial's group is removed", || groups.members().is_empty()).await;
    let (process, _) = start(&sandbox, plugin.spec()).await;
    let pid = process.pid();
    assert!(is_alive(pid));
    assert!(groups.members().iter().all(|group| {
        let name = group.file_name().unwrap().to_str().unwrap();
        name.ends_with("-test")
            && std::fs::read_to_string(group.join("cgroup.procs")).unwrap().trim() == pid.to_string()
    }));
    assert!(!groups.members().is_empty());
    drop(process);
    until("the process is gone", || !is_alive(pid)).await;
    until("the groups are removed", || groups.members().is_empty()).await;
}

#[tokio::test]
async fn the_processor_share_is_limited_once_it_has_started() {
    let (plugin, groups) = (Plugin::new(STAYS), Groups::new());
    let config = NativeConfig { cgroup_parent: groups.parent(), ..config() };
    let sandbox = within(NativeSandbox::open(config)).await.unwrap();
    until("the trial's group is removed", || groups.members().is_empty()).await;
    let process = within(sandbox.spawn(plugin.spec())).await.unwrap();
    let quota = || {
        let read = |name: &str| {
            groups.members().iter().find_map(|group| std::fs::read_to_string(group.join(name)).ok())
        };
        read("cpu.max")
            .or_else(|| read("cpu.cfs_quota_us"))
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(["max", "-1"].contains(&quota().as_str()), "limited before its first word: {}", quota());
    process.started();
    assert_eq!(quota(), "50000");
    drop(process);
    until("the groups are removed", || groups.members().is_empty()).await;
}

/// What the kernel says in a file of the only group.
fn read_of(groups: &Groups, name: &str) -> Option<String> {
    let text = groups.members().iter().find_map(|group| std::fs::read_to_string(group.join(name)).ok())?;
    Some(text.trim().to_owned())
}

#[tokio::test]
async fn whoever_uses_up_its_share_waits_behind_the_others_until_it_rests() {
    let program = "import sys\nprint('begun', flush=True)\nwhile True:\n    pass\n";
    let (plugin, groups) = (Plugin::new(program), Groups::new());
    let config = NativeConfig { cgroup_parent: groups.parent(), ..config() };
    let sandbox = within(NativeSandbox::open(config)).await.unwrap();
    until("the trial's group is removed", || groups.members().is_empty()).await;
    let process = within(sandbox.spawn(plugin.spec())).await.unwrap();
    process.started();
    let behind = || match read_of(&groups, "cpu.idle") {
        Some(idle) => idle == "1",
        // A kernel before Linux 5.15.
        None => ["1", "10"].contains(
            &read_of(&groups, "cpu.weight").or_else(|| read_of(&groups, "cpu.shares")).unwrap().as_str(),
        ),
    };
    assert!(!behind());
    until("it is moved behind the others", behind).await;
    // Stopped, it rests.
    let pid = rustix::process::Pid::from_raw(process.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    until("it is back among the others", || !behind()).await;
    let weight = read_of(&groups, "cpu.weight").map_or(read_of(&groups, "cpu.shares"), Some);
    assert!(["100", "1024"].contains(&weight.as_deref().unwrap()), "{weight:?}");
    drop(process);
    until("the groups are removed", || groups.members().is_empty()).await;
}

#[tokio::test]
async fn its_memory_can_be_measured_and_its_weight_is_written() {
    let program =
        "ballast = bytearray(32 * 1024 * 1024)\nfor at in range(0, len(ballast), 4096): ballast[at] = 1\n";
    let (plugin, groups) = (Plugin::new(&format!("{program}{STAYS}")), Groups::new());
    let config = NativeConfig { cgroup_parent: groups.parent(), ..config() };
    let sandbox = within(NativeSandbox::open(config)).await.unwrap();
    until("the trial's group is removed", || groups.members().is_empty()).await;
    let (process, _) = start(&Sandbox::Native(sandbox), plugin.spec()).await;
    let memory = process.memory().unwrap();
    let bytes = memory.bytes().unwrap();
    assert!((32 << 20..64 << 20).contains(&bytes), "{bytes} bytes");
    let read =
        |name: &str| groups.members().iter().find_map(|group| std::fs::read_to_string(group.join(name)).ok());
    let weight = read("cpu.weight").map(|weight| weight.trim().to_owned());
    let shares = read("cpu.shares").map(|shares| shares.trim().to_owned());
    assert!(weight.as_deref() == Some("100") || shares.as_deref() == Some("1024"), "{weight:?} {shares:?}");
    drop(process);
    until("the groups are removed", || groups.members().is_empty()).await;
    assert_eq!(memory.bytes(), None);
}

#[tokio::test]
async fn a_start_nobody_waits_for_leaves_nothing() {
    let (plugin, groups) = (Plugin::new(STAYS), Groups::new());
    let config = NativeConfig { cgroup_parent: groups.parent(), ..config() };
    let sandbox = within(NativeSandbox::open(config)).await.unwrap();
    until("the trial's group is removed", || groups.members().is_empty()).await;
    let mut start = Box::pin(sandbox.spawn(plugin.spec()));
    assert!(futures_poll_once(&mut start).await, "ready at once?");
    until("the start is under way", || !groups.members().is_empty()).await;
    drop(start);
    until("the groups are removed", || groups.members().is_empty()).await;
}

/// Polls once; `true` if it is not ready.
async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    tokio::time::timeout(Duration::ZERO, future).await.is_err()
}

#[tokio::test]
async fn two_processes_are_two_users_that_cannot_see_each_other() {
    let program = "import os, threading\nopen('/tmp/mine', 'w').write(str(os.getuid()))\n\
        pids = [name for name in os.listdir('/proc') if name.isdigit()]\n\
        print(os.getuid(), os.getgid(), os.getpid(), pids, os.listdir('/tmp'), os.uname().nodename, flush=True)\n\
        threading.Event().wait()\n";
    let (plugin, sandbox) = (Plugin::new(program), Sandbox::Native(native().await));
    let (one, first) = start(&sandbox, plugin.spec()).await;
    let (two, second) = start(&sandbox, plugin.spec()).await;
    let check = |process: &Process, said: &str| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
        let host_uid =
            status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap().split('\t').next().unwrap();
        assert_eq!(said, format!("{host_uid} {host_uid} 1 ['1'] ['mine'] plugin"));
        assert!((200_000..265_535).contains(&host_uid.parse::<u32>().unwrap()));
        host_uid.to_owned()
    };
    assert_ne!(check(&one, &first), check(&two, &second));
}

#[tokio::test]
async fn no_namespace_is_the_hosts() {
    let plugin = Plugin::new(STAYS);
    let (process, _) = start(&Sandbox::Native(native().await), plugin.spec()).await;
    for name in ["pid", "mnt", "net", "ipc", "uts", "cgroup"] {
        let space = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
        assert_ne!(space(process.pid()), space(std::process::id()), "{name}");
    }
}

#[tokio::test]
async fn many_start_at_once() {
    let (plugin, sandbox) = (Plugin::new("print(input())\n"), native().await);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (sandbox, spec) = (sandbox.clone(), plugin.spec());
        all.spawn(async move {
            let outcome = finish(within(sandbox.spawn(spec)).await.unwrap(), &format!("{number}\n")).await;
            assert_eq!((outcome.stdout, outcome.exit), (format!("{number}\n"), Exit::Code(0)));
        });
    }
    assert_eq!(within(all.join_all()).await.len(), 12);
}

#[tokio::test]
async fn limits_that_are_met_are_told_with_their_numbers() {
    // Python's own way: the author reads an error.
    let program =
        "import os, tempfile\nfile = tempfile.TemporaryFile()\nos.ftruncate(file.fileno(), 40 << 20)\n";
    let outcome = run(Plugin::new(program).spec(), "").await;
    assert!(outcome.stderr.contains("File too large"), "{outcome:?}");
    let program = "import os\nwhile True: os.pipe()\n";
    let outcome = run(Plugin::new(program).spec(), "").await;
    assert!(outcome.stderr.contains("Too many open files"), "{outcome:?}");
    let program = "import threading\nfor _ in range(100): threading.Thread(target=threading.Event().wait, daemon=True).start()\n";
    let outcome = run(Plugin::new(program).spec(), "").await;
    assert!(outcome.stderr.contains("can't start new thread"), "{outcome:?}");
    // As process 1 it is not ended by the signal of that limit, even if it asks to be: it reads the error.
    let program = "import os, signal, tempfile\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n\
                   file = tempfile.TemporaryFile()\nos.ftruncate(file.fileno(), 40 << 20)\n";
    let outcome = run(Plugin::new(program).spec(), "").await;
    assert!(outcome.stderr.contains("File too large"), "{outcome:?}");
    let outcome = run(Plugin::new("import os\nos.abort()\n").spec(), "").await;
    assert!(outcome.exit.to_string().starts_with("crashed (signal "), "{outcome:?}");
}
