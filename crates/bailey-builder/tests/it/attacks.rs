//! Programs in the place of uv that do what a uv taken over by a hostile index would try. Each must be
//! held in the jail, and succeed without it: an attack that fails everywhere proves nothing.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bailey_builder::{BuildError, Builder, BuilderConfig, Walls};

use crate::{config, jail, python_inside};

/// Things on the host that an attack aims at.
pub(crate) struct Target {
    listener: TcpListener,
    folder: tempfile::TempDir,
    _unix: UnixListener,
}

impl Target {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Open to everybody, so that only the jail can be what holds.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        std::fs::write(folder.path().join("secret"), "the operator's").unwrap();
        let _unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener, folder, _unix }
    }

    /// The attack as a program, aimed at this.
    pub(crate) fn program(&self, name: &str, cache: &Path) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/attacks");
        let read = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.py"))).unwrap();
        let target = self.folder.path();
        let text = (read(name) + &read("verdict"))
            .replace("{python}", &python_inside())
            .replace(
                "{folders}",
                &format!("[{:?}, {cache:?}, \"/usr/lib\", \"/tool\", \"/\"]", target.display()),
            )
            .replace("{secret}", &target.join("secret").display().to_string())
            .replace("{cache}", &cache.display().to_string())
            .replace("{unix}", &target.join("socket").display().to_string())
            .replace("{namespaces}", &namespaces())
            .replace("{outside}", "pypi.org")
            .replace("{canary}", &self.listener.local_addr().unwrap().port().to_string());
        program(target, &text)
    }
}

/// The host's namespaces, as Python writes them.
fn namespaces() -> String {
    let name =
        |kind: &str| std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
    let all =
        ["net", "pid", "mnt", "ipc", "uts", "cgroup"].map(|kind| format!("\"{kind}\": {:?}", name(kind)));
    format!("{{{}}}", all.join(", "))
}

pub(crate) fn program(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("uv");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

async fn attempt(name: &str, walls: Walls) -> BuildError {
    let (cache, target) = (tempfile::tempdir().unwrap(), Target::new());
    let mut config = BuilderConfig { walls, uv: target.program(name, cache.path()), ..config(cache.path()) };
    config.environment.push(("BAILEY_TEST_SECRET".to_owned(), "host-secret".to_owned()));
    let error = Builder::new(config).unwrap().build(None, None).await.unwrap_err();
    for planted in ["/usr/lib/planted", "/usr/planted", "/planted"] {
        let _only_without_walls = std::fs::remove_file(planted);
    }
    error
}

/// What the attack said.
fn words(error: &BuildError) -> String {
    match error {
        BuildError::Unresolvable { words, .. } | BuildError::NotTheIndex { words, .. } => words.clone(),
        other => panic!("{other}"),
    }
}

/// Open without walls.
async fn is_open_without(name: &str) {
    let outside = attempt(name, Walls::None).await;
    let words = words(&outside);
    assert!(words.starts_with("OPEN"), "{name} proves nothing, it fails without a jail: {words}");
}

/// Held inside, open outside.
async fn check(name: &str) {
    let inside = attempt(name, jail().into()).await;
    assert_eq!(words(&inside), "HELD", "{name} in the jail: {inside}");
    is_open_without(name).await;
}

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(#[tokio::test] async fn $name() { check(stringify!($name)).await; })*
    };
}

attacks!(write_outside, read_secrets, reach_the_host, kernel_doors, fork_bomb, large_file);

#[tokio::test]
async fn through_the_proxy() {
    let inside = attempt("through_the_proxy", jail().into()).await;
    let BuildError::NotTheIndex { targets, words, .. } = &inside else { panic!("{inside}") };
    assert_eq!(words, "HELD", "{inside}");
    for target in
        ["`127.0.0.1:", "`localhost:", "`169.254.169.254:80` (2 times)", "`files.pythonhosted.org:22`"]
    {
        assert!(targets.contains(target), "{target} in {targets}");
    }
    let text = inside.to_string();
    assert!(
        text.starts_with("the resolver tried to reach ") && text.contains("is not the configured index"),
        "{text}"
    );
    is_open_without("through_the_proxy").await;
}

#[tokio::test]
async fn a_memory_bomb_ends_with_the_limit_in_the_sentence() {
    let inside = attempt("memory_bomb", jail().into()).await.to_string();
    assert!(inside.starts_with("the resolver needs more than 1024 MB of memory"), "{inside}");
    is_open_without("memory_bomb").await;
}

#[tokio::test]
async fn what_a_tool_writes_is_bounded_as_a_whole() {
    let inside = attempt("disk_bomb", jail().into()).await.to_string();
    assert!(inside.starts_with("the resolver writes more than 1024 MB"), "{inside}");
    is_open_without("disk_bomb").await;
}

/// A tool that starts another one and waits for ever.
const STAYS: &str = "#!{python} -I
import os, signal, subprocess
subprocess.Popen(['{python}', '-c', 'import signal; signal.pause() # {mark}'])
open('started', 'w').close()
signal.pause()
";

fn is_running(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| {
        let mut words = String::new();
        let opened = std::fs::File::open(process.path().join("cmdline"));
        opened.is_ok_and(|mut file| file.read_to_string(&mut words).is_ok()) && words.contains(mark)
    })
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(10))).await.unwrap();
    }
    panic!("never happened: {what}");
}

#[tokio::test]
async fn at_the_deadline_all_of_it_is_killed() {
    let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mark = format!("mark-of-{}", cache.path().file_name().unwrap().display());
    let uv = program(folder.path(), &STAYS.replace("{python}", &python_inside()).replace("{mark}", &mark));
    let builder = Builder::new(BuilderConfig { uv, ..config(cache.path()) }).unwrap();
    let build = builder.build(None, None);
    let deadline = async {
        until("both run", || is_running(&mark)).await;
        tokio::time::pause(); // nobody waits two minutes: the clock moves on when nothing else does
        std::future::pending::<()>().await;
    };
    let error = tokio::select! {
        built = build => built.unwrap_err(),
        () = deadline => unreachable!(),
    };
    assert!(matches!(error, BuildError::Deadline { .. }), "{error}");
    until("all of it is gone", || !is_running(&mark)).await;
    let left = std::fs::read_dir(cache.path()).unwrap().flatten();
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".building-")));
}
