//! A plugin finds Python as its author knows it: module search, `__main__`, tracebacks, the usual
//! built-in names, threads and `asyncio`.

use std::path::PathBuf;

use bailey_sandbox::{Exit, ProcessSpec};

use crate::fixture::{Plugin, readable_folder, root, run};

/// Runs a program that prints, and compares.
async fn check(program: &str, expected: &str) {
    let outcome = run(Plugin::new(program).spec(), "").await;
    assert_eq!(
        (outcome.stdout.trim_end(), outcome.stderr.as_str(), outcome.exit),
        (expected, "", Exit::Code(0))
    );
}

#[tokio::test]
async fn the_module_search_path_is_the_plugin_the_library_and_the_packages() {
    check(
        "import os, sys\nprint(sys.path[0], sys.path[-1], sys.path.index('/packages'), os.getcwd(), sys.argv, __file__)\n",
        "/plugin /packages 4 /plugin ['/plugin/__main__.py'] /plugin/__main__.py",
    )
    .await;
}

#[tokio::test]
async fn the_mounts_are_exactly_these() {
    let program = "\
for line in open('/proc/self/mountinfo'):
    mount, filesystem = (half.split() for half in line.split(' - '))
    flags = set(mount[5].split(','))
    kept = [flag for flag in ('ro', 'rw', 'nosuid', 'nodev', 'noexec') if flag in flags]
    print(mount[4], *kept, *(flag for flag in filesystem[2].split(',') if 'size' in flag or 'inodes' in flag or 'pid' in flag))
";
    let expected = "\
/ ro nosuid nodev
/plugin ro nosuid nodev noexec
/dev/null rw nosuid noexec
/dev/urandom rw nosuid noexec
/proc ro nosuid nodev noexec hidepid=invisible subset=pid
/tmp rw nosuid nodev noexec size=16384k nr_inodes=1025";
    let outcome = run(Plugin::new(program).spec(), "").await;
    // A device's file system is the host's: its size is no business of ours.
    let said: Vec<&str> = outcome
        .stdout
        .lines()
        .map(|line| if line.starts_with("/dev") { line.split(" size=").next().unwrap() } else { line })
        .collect();
    assert_eq!(said.join("\n"), expected, "{}", outcome.stderr);
}

#[tokio::test]
async fn the_program_is_the_main_module() {
    let program = "\
import pickle, sys, typing
from dataclasses import dataclass
@dataclass
class Point:
    x: 'int'
    y: 'typing.Optional[Point]' = None
assert __name__ == '__main__' and sys.modules['__main__'].Point is Point
assert pickle.loads(pickle.dumps(Point(3))) == Point(3)
assert typing.get_type_hints(Point) == {'x': int, 'y': typing.Optional[Point]}
print('same')
";
    check(program, "same").await;
}

#[tokio::test]
async fn a_traceback_shows_the_plugin_only() {
    let plugin = Plugin::new("import helper\ndef work():\n    helper.fail()\nwork()\n");
    plugin.file("helper.py", "def fail():\n    raise ValueError('no')\n");
    let outcome = run(plugin.spec(), "").await;
    let expected = "Traceback (most recent call last):\n  File \"/plugin/__main__.py\", line 4, in <module>\n    work()\n  \
                    File \"/plugin/__main__.py\", line 3, in work\n    helper.fail()\n  \
                    File \"/plugin/helper.py\", line 2, in fail\n    raise ValueError('no')\nValueError: no\n";
    // Some versions of Python underline the call.
    let underlined = |line: &&str| !line.trim().is_empty() && line.trim().chars().all(|c| "~^".contains(c));
    let said: String =
        outcome.stderr.lines().filter(|line| !underlined(line)).map(|line| format!("{line}\n")).collect();
    assert_eq!((said.as_str(), outcome.exit), (expected, Exit::Code(1)));
}

#[tokio::test]
async fn exit_and_relative_files_and_siblings_work() {
    let plugin =
        Plugin::new("import data.table\nprint(open('words.txt').read(), data.table.ROWS)\nexit(0)\n");
    plugin.file("words.txt", "füße");
    plugin.file("data/table.py", "ROWS = 3\n");
    let outcome = run(plugin.spec(), "").await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("füße 3\n", Exit::Code(0)));
}

#[tokio::test]
async fn threads_asyncio_and_the_usual_library_work() {
    let program = "\
import asyncio, concurrent.futures, ctypes, datetime, decimal, hashlib, json, re, secrets, sqlite3, ssl, tempfile
import threading, time, urllib.request, uuid, zlib, zoneinfo
async def twice(value):
    await asyncio.sleep(0)
    return await asyncio.to_thread(lambda: value * 2)
assert asyncio.run(twice(21)) == 42
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(lambda n: n * n, range(10))) == 285
with tempfile.TemporaryDirectory() as folder:
    base = sqlite3.connect(folder + '/base')
    base.execute('create table t (a)')
    base.commit()
assert time.strftime('%Y') > '2000' and secrets.token_hex(4) and uuid.uuid4()
assert datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')).utcoffset().seconds == 7200
print('fine')
";
    check(program, "fine").await;
}

#[tokio::test]
async fn packages_come_after_the_library_and_run_nothing_by_themselves() {
    let packages = readable_folder();
    let write = |name: &str, text: &str| std::fs::write(packages.path().join(name), text).unwrap();
    write("greeting.py", "WORD = 'hello'\n");
    write("json.py", "raise SystemExit('a package shadowed the library')\n");
    write("sitecustomize.py", "raise SystemExit('a package ran at the start')\n");
    write("usercustomize.py", "raise SystemExit('a package ran at the start')\n");
    write("evil.pth", "import sys; print('a .pth file ran')\n");
    let plugin =
        Plugin::new("import greeting, json\nprint(greeting.WORD, greeting.__file__, json.dumps([1]))\n");
    plugin.file("sitecustomize.py", "raise SystemExit('the plugin ran twice')\n");
    let spec = ProcessSpec::python_plugin("test", plugin.path(), Some(packages.path().into()));
    let outcome = run(spec, "").await;
    assert_eq!(outcome.stdout, "hello /packages/greeting.py [1]\n", "{outcome:?}");
}

#[tokio::test]
async fn compiled_code_runs_from_packages_and_not_from_the_plugin() {
    let root = root();
    let folder = root.path().join(format!("usr/lib/python{}/lib-dynload", root.python_version()));
    let library: PathBuf = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "so"))
        .unwrap();
    let packages = readable_folder();
    let plugin = Plugin::new(
        "import ctypes\nctypes.PyDLL('/packages/code.so')\ntry:\n    ctypes.PyDLL('/plugin/code.so')\n    print('mapped')\n\
         except OSError as error:\n    print('refused')\n",
    );
    std::fs::copy(&library, packages.path().join("code.so")).unwrap();
    std::fs::copy(&library, plugin.path().join("code.so")).unwrap();
    let spec = ProcessSpec::python_plugin("test", plugin.path(), Some(packages.path().into()));
    let outcome = run(spec, "").await;
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("refused\n", ""));
}
