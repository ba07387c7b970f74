//! What a process may use, as it meets it from inside.

use bailey_sandbox::{Exit, Limits};

use super::{STAYS, yard};
use crate::fixture::{Plugin, within};

#[tokio::test]
async fn a_memory_bomb_ends_with_the_limit_in_the_sentence() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new("kept = []\nwhile True: kept.append(b'x' * 1024 * 1024)\n");
    for bytes in [128 << 20, 64 << 20, 48 << 20] {
        let mut spec = plugin.spec();
        spec.limits = Limits { memory_bytes: bytes, ..Limits::default() };
        let outcome = yard.run(spec, "").await;
        assert_eq!(outcome.exit, Exit::OutOfMemory { limit_bytes: bytes });
        assert_eq!(outcome.exit.to_string(), format!("memory: reached {} MiB", bytes >> 20));
    }
}

#[tokio::test]
async fn each_limit_answers_as_in_the_native_sandbox() {
    let Some(yard) = yard().await else { return };
    let program = "\
import errno, os, resource, threading
def until(refused, attempt):
    count = 0
    try:
        while count < 100000:
            attempt(count)
            count += 1
    except OSError as error:
        assert error.errno == refused, error
        return count
    except RuntimeError:
        return count
def file(number): open('/tmp/%d' % number, 'x').close()
print('files in /tmp', until(errno.ENOSPC, file))
for name in os.listdir('/tmp'): os.unlink('/tmp/' + name)
full = open('/tmp/full', 'wb', buffering=0)
print('KiB in /tmp', until(errno.ENOSPC, lambda _: full.write(bytes(1024))))
full.close()
os.unlink('/tmp/full')
kept = []
print('open files', until(errno.EMFILE, lambda _: kept.append(os.open('/dev/null', os.O_RDONLY))) + 3)
del kept[:]
stay = threading.Event()
def thread(_): threading.Thread(target=stay.wait, daemon=True).start()
print('threads', until(None, thread) + 1)
stay.set()
for name in ('NOFILE', 'FSIZE', 'CORE', 'MEMLOCK', 'MSGQUEUE', 'NPROC'):
    print(name, *resource.getrlimit(getattr(resource, 'RLIMIT_' + name, 12)))
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
    print('raised')
except (ValueError, OSError):
    print('not raised', flush=True)
os._exit(0) # not through the end of Python, which sometimes crashes on so many threads that just woke up
";
    let outcome = yard.run(Plugin::new(program).spec(), "").await;
    let expected = "\
files in /tmp 1024
KiB in /tmp 16384
open files 256
threads 64
NOFILE 256 256
FSIZE 33554432 33554432
CORE 0 0
MEMLOCK 0 0
MSGQUEUE 0 0
NPROC 256 256
not raised
";
    assert_eq!(outcome.stdout, expected, "{outcome:?}");
    assert_eq!(outcome.exit, Exit::Code(0));
}

#[tokio::test]
async fn the_processor_share_is_limited_once_it_has_started() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new(STAYS);
    let process = within(yard.sandbox.spawn(plugin.spec())).await.unwrap();
    let pid = process.pid();
    let quota = || quota(pid).split_whitespace().next().unwrap().to_owned();
    assert!(["max", "-1"].contains(&quota().as_str()), "limited before its first word: {}", quota());
    process.started();
    crate::fixture::until("the share is limited", || quota() == "50000").await;
}

#[tokio::test]
async fn whoever_uses_up_its_share_waits_behind_the_others() {
    let Some(yard) = yard().await else { return };
    let plugin = Plugin::new("print('begun', flush=True)\nwhile True:\n    pass\n");
    let process = within(yard.sandbox.spawn(plugin.spec())).await.unwrap();
    process.started();
    let pid = process.pid();
    // A kernel before Linux 5.15 has the weight alone.
    let behind = || match read_of_group(pid, "cpu.idle", "cpu.idle") {
        Some(idle) => idle.trim() == "1",
        None => {
            let weight = read_of_group(pid, "cpu.shares", "cpu.weight").unwrap();
            ["1", "2", "10"].contains(&weight.trim())
        }
    };
    assert!(!behind());
    crate::fixture::until("it is moved behind the others", behind).await;
}

/// The processor share in the control group of a process, in microseconds of every 100000.
fn quota(pid: u32) -> String {
    read_of_group(pid, "cpu.cfs_quota_us", "cpu.max").expect("a control group with a processor share")
}

/// What a file in the control group of a process says; its names in versions 1 and 2.
fn read_of_group(pid: u32, first: &str, second: &str) -> Option<String> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let find = |wanted: &dyn Fn(&str) -> bool| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            wanted(controllers).then(|| fields.next().map(str::to_owned)).flatten()
        })
    };
    let first = find(&|controllers| controllers.split(',').any(|name| name == "cpu"))
        .and_then(|group| std::fs::read_to_string(format!("/sys/fs/cgroup/cpu{group}/{first}")).ok());
    let second = find(&|controllers| controllers.is_empty())
        .and_then(|group| std::fs::read_to_string(format!("/sys/fs/cgroup{group}/{second}")).ok());
    first.or(second)
}
