//! Starts and ends many plugins, and counts what the host holds before and after.

use std::path::Path;

use bailey_sandbox::{CgroupParent, NativeConfig, NativeSandbox, ProcessSpec, PythonRoot};

use super::Failure;

/// Plugins alive at once.
const ALIVE: usize = 4;
/// Starts before the first look: what is made once is there then.
const WARM_UP: usize = 12;

/// What this process holds of the machine.
#[derive(serde::Serialize)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    /// Processes started and not collected.
    children: usize,
    mounts: usize,
    memory_kib: u64,
}

impl Holdings {
    fn now() -> std::io::Result<Self> {
        let threads: Vec<_> = std::fs::read_dir("/proc/self/task")?.collect::<Result<_, _>>()?;
        let children = threads
            .iter()
            .map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default())
            .map(|pids| pids.split_whitespace().count())
            .sum();
        let status = std::fs::read_to_string("/proc/self/status")?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(Self {
            descriptors: std::fs::read_dir("/proc/self/fd")?.count(),
            threads: threads.len(),
            children,
            mounts: std::fs::read_to_string("/proc/self/mountinfo")?.lines().count(),
            memory_kib: memory.and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }
}

/// Starts and ends `count` plugins and prints what that changed.
#[expect(clippy::print_stdout, reason = "the line is what the tool is for")]
pub(super) fn cycles(python: &str, cache: &str, count: &str, group: &str) -> Result<i32, Failure> {
    let count: usize = count.parse()?;
    let cgroup_parent = CgroupParent::Named(group.into());
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    std::fs::write(folder.path().join("__main__.py"), "print('here')\nimport sys\nsys.stdin.read()\n")?;
    let root = PythonRoot::build(Path::new(python), Path::new(cache))?;
    // One thread for what blocks: more would be started on a busy machine only, and be counted.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).max_blocking_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let sandbox = NativeSandbox::open(NativeConfig { cgroup_parent, ..NativeConfig::new(root) }).await?;
        cycle(&sandbox, folder.path(), WARM_UP).await?;
        let before = Holdings::now()?;
        cycle(&sandbox, folder.path(), count).await?;
        let after = Holdings::now()?;
        println!("{}", serde_json::json!({ "before": before, "after": after }));
        Ok(0)
    })
}

/// Starts and ends `count` plugins: every second one ends by itself, the others are killed.
async fn cycle(sandbox: &NativeSandbox, folder: &Path, count: usize) -> Result<(), Failure> {
    let mut running = tokio::task::JoinSet::new();
    for number in 0..count {
        if running.len() == ALIVE
            && let Some(ended) = running.join_next().await
        {
            ended??;
        }
        let (sandbox, spec) = (sandbox.clone(), ProcessSpec::python_plugin("cycle", folder, None));
        running.spawn(async move {
            let mut process = sandbox.spawn(spec).await.map_err(std::io::Error::other)?;
            let mut stdio = process.take_stdio().ok_or_else(|| std::io::Error::other("no pipes"))?;
            let mut line = String::new();
            tokio::io::AsyncBufReadExt::read_line(
                &mut tokio::io::BufReader::new(&mut stdio.stdout),
                &mut line,
            )
            .await?;
            process.started();
            if line != "here\n" {
                return Err(std::io::Error::other(format!("it said {line:?}")));
            }
            if number % 2 == 0 {
                drop(stdio.stdin);
                process.wait().await;
            }
            Ok(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    sandbox.settle().await;
    Ok(())
}
