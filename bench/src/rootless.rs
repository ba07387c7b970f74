//! The same rows for a host that is an ordinary user with control groups of its own: this program once
//! more, as that user. Memory is looked at from here, because nobody but root may look at a sandboxed process.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use bailey_sandbox::{CgroupParent, NativeConfig, NativeSandbox, PythonRoot, Sandbox};
use bailey_testkit::Groups;
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, Plugin};
use crate::plugin::BenchError;
use crate::start::{ALIVE, cold_start, mean, pss_mib, sandboxed};
use crate::stub::Stub;
use crate::table::{Table, Target};

/// First argument of the program that runs as that user.
const ARGUMENT: &str = "ordinary-user";
/// Debian's `nobody`.
const NOBODY: u32 = 65_534;

const COLD_START: &str = "cold start as an ordinary user, ms";
const MEMORY: &str = "idle plugin of 20, an ordinary user's, MiB PSS";

/// What the other program says, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    /// Medians, milliseconds.
    Started { ours: f64, floor: f64 },
    /// These are alive until it gets a line.
    Alive { pids: Vec<u32> },
}

/// Both rows.
pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), BenchError> {
    let (start, memory) = (bench.wants(COLD_START), bench.wants(MEMORY));
    if !start && !memory {
        return Ok(());
    }
    let plugin = bench.plugin().await?;
    let home = plugin.folder.with_file_name("ordinary-user");
    std::fs::create_dir_all(&home)?;
    chown(&home, Some(NOBODY), Some(NOBODY))?;
    let program = home.join("program");
    std::fs::copy("/proc/self/exe", &program)?;
    let groups = Groups::new();
    groups.give_to(NOBODY);
    let mut other = Other::start(&program, plugin, &home.join("roots"), groups.name())?;
    let Said::Started { ours, floor } = other.hear()? else { return Err(unexpected()) };
    if start {
        table.row(COLD_START, ours, floor, Target::AtMost(1.4));
    }
    let (plain, ours) = (other.memory()?, other.memory()?);
    if memory {
        table.row(MEMORY, ours, plain, Target::AtMost(1.05));
    }
    Ok(())
}

fn unexpected() -> BenchError {
    BenchError::Plugin("the ordinary user's program says something else than was asked".to_owned())
}

/// The other program, and how to talk with it.
struct Other {
    child: std::process::Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Other {
    #[expect(clippy::disallowed_methods, reason = "another user's process is what is measured")]
    fn start(program: &Path, plugin: &Plugin, roots: &Path, group: &str) -> Result<Self, BenchError> {
        let mut child = Command::new(program)
            .arg(ARGUMENT)
            .args([&plugin.python, &plugin.folder, &plugin.packages])
            .args([roots.as_os_str(), group.as_ref()])
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BenchError::Plugin("no pipes".to_owned()));
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    fn hear(&mut self) -> Result<Said, BenchError> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(BenchError::Plugin("the ordinary user's program ended".to_owned()));
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Mean of those that are alive, and lets it go on.
    fn memory(&mut self) -> Result<f64, BenchError> {
        let Said::Alive { pids } = self.hear()? else { return Err(unexpected()) };
        let mean = mean(pids.into_iter().map(pss_mib))?;
        self.stdin.write_all(b"go on\n")?;
        Ok(mean)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this program is asked to be, if it is the other one.
pub(crate) fn requested() -> Option<[String; 5]> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == ARGUMENT).then(|| arguments.collect::<Vec<_>>().try_into().ok()).flatten()
}

/// The other program.
pub(crate) async fn run([python, folder, packages, roots, group]: [String; 5]) -> Result<(), BenchError> {
    let root = PythonRoot::build(Path::new(&python), Path::new(&roots))
        .map_err(|error| BenchError::part("python root")(error.into()))?;
    let config =
        NativeConfig { cgroup_parent: CgroupParent::Named(PathBuf::from(group)), ..NativeConfig::new(root) };
    let sandbox =
        NativeSandbox::open(config).await.map_err(|error| BenchError::part("sandbox")(error.into()))?;
    let plugin = Plugin { sandbox, python: python.into(), folder: folder.into(), packages: packages.into() };
    let (ours, floor) = cold_start(&plugin).await?;
    say(&Said::Started { ours, floor })?;

    let mut plain = Vec::new();
    for _ in 0..ALIVE {
        let mut stub = Stub::start(&plugin.python, &plugin.folder, &plugin.packages)?;
        stub.first_line()?;
        plain.push(stub);
    }
    say(&Said::Alive { pids: plain.iter().map(Stub::pid).collect() })?;
    drop(plain);
    let sandbox = Sandbox::Native(plugin.sandbox.clone());
    let mut alive = Vec::new();
    for _ in 0..ALIVE {
        alive.push(sandboxed(&sandbox, &plugin.folder, &plugin.packages).await?);
    }
    say(&Said::Alive { pids: alive.iter().map(|(process, _)| process.pid()).collect() })?;
    drop(alive);
    sandbox.settle().await;
    Ok(())
}

/// Says one thing; what keeps others alive waits for an answer.
fn say(said: &Said) -> Result<(), BenchError> {
    println!("{}", serde_json::to_string(said)?);
    if matches!(said, Said::Alive { .. }) {
        std::io::stdin().lock().read_exact(&mut [0; 6])?;
    }
    Ok(())
}
