//! The launcher as a program of its own, for hosts that do not want to re-execute themselves; and a
//! small tool to try the sandbox by hand:
//!
//! ```text
//! bailey-sandbox-launcher run PYTHON CACHE-FOLDER PLUGIN-FOLDER [CONTROL-GROUP]
//! bailey-sandbox-launcher run-docker PYTHON CACHE-FOLDER PLUGIN-FOLDER SOCKET INSTANCE
//! bailey-sandbox-launcher attacks PYTHON CACHE-FOLDER [CONTROL-GROUP]
//! bailey-sandbox-launcher attacks-docker PYTHON CACHE-FOLDER SOCKET INSTANCE
//! bailey-sandbox-launcher cycles PYTHON CACHE-FOLDER COUNT CONTROL-GROUP
//! ```
//!
//! `run` runs the plugin with this terminal as its pipes, says its pid on standard error, and ends with
//! its code. `attacks` tries every attack of the catalogue and prints one JSON object a line
//! (`{"name", "group", "verdict", "detail"}`, `detail` unless held); it ends with 1 unless all were held.
//! `cycles` starts and ends as many plugins, some at once, and prints what the host held before and after
//! (`{"before": {"descriptors", "threads", "children", "mounts", "memory_kib"}, "after": ..}`).

mod cycles;

use std::path::Path;

use bailey_sandbox::{
    CgroupParent, DockerConfig, DockerSandbox, NativeConfig, NativeSandbox, ProcessSpec, PythonRoot, Sandbox,
    escape::{ATTACKS, attempt_all},
};

type Failure = Box<dyn std::error::Error>;

fn main() {
    bailey_sandbox::launcher::run_if_requested();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["run", python, cache, plugin] => run(python, cache, plugin, Walls::Native(CgroupParent::Auto)),
        ["run", python, cache, plugin, group] => {
            run(python, cache, plugin, Walls::Native(CgroupParent::Named(group.into())))
        }
        ["run-docker", python, cache, plugin, socket, instance] => {
            run(python, cache, plugin, Walls::Docker { socket, instance })
        }
        ["attacks", python, cache] => attacks(python, cache, Walls::Native(CgroupParent::Auto)),
        ["attacks", python, cache, group] => {
            attacks(python, cache, Walls::Native(CgroupParent::Named(group.into())))
        }
        ["attacks-docker", python, cache, socket, instance] => {
            attacks(python, cache, Walls::Docker { socket, instance })
        }
        ["cycles", python, cache, count, group] => cycles::cycles(python, cache, count, group),
        _ => Err("usage: run PYTHON CACHE-FOLDER PLUGIN-FOLDER [CONTROL-GROUP], \
                  run-docker PYTHON CACHE-FOLDER PLUGIN-FOLDER SOCKET INSTANCE, \
                  attacks PYTHON CACHE-FOLDER [CONTROL-GROUP], \
                  attacks-docker PYTHON CACHE-FOLDER SOCKET INSTANCE, or \
                  cycles PYTHON CACHE-FOLDER COUNT CONTROL-GROUP"
            .into()),
    };
    match result {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

/// Who puts up the walls.
enum Walls<'a> {
    Native(CgroupParent),
    Docker { socket: &'a str, instance: &'a str },
}

async fn open(walls: Walls<'_>, root: PythonRoot) -> Result<Sandbox, Failure> {
    Ok(match walls {
        Walls::Native(cgroup_parent) => {
            let config = NativeConfig { cgroup_parent, ..NativeConfig::new(root) };
            Sandbox::Native(NativeSandbox::open(config).await?)
        }
        Walls::Docker { socket, instance } => {
            let (socket, instance) = (socket.into(), instance.to_owned());
            let config = DockerConfig { socket, instance, ..DockerConfig::new(root) };
            Sandbox::Docker(DockerSandbox::open(config).await?)
        }
    })
}

fn run(python: &str, cache: &str, plugin: &str, walls: Walls<'_>) -> Result<i32, Failure> {
    let root = PythonRoot::build(Path::new(python), Path::new(cache))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let code = runtime.block_on(async {
        let sandbox = open(walls, root).await?;
        let mut process = sandbox.spawn(ProcessSpec::python_plugin("by-hand", plugin, None)).await?;
        eprintln!("pid {}", process.pid());
        let mut stdio = process.take_stdio().ok_or("the pipes are gone")?;
        let input = async {
            let _either_side_may_close = tokio::io::copy(&mut tokio::io::stdin(), &mut stdio.stdin).await;
            drop(stdio.stdin);
            std::future::pending::<()>().await;
        };
        let output = async {
            let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
            let _either_side_may_close = tokio::join!(
                tokio::io::copy(&mut stdio.stdout, &mut stdout),
                tokio::io::copy(&mut stdio.stderr, &mut stderr),
            );
        };
        tokio::select! { () = input => {}, () = output => {} }
        let exit = process.wait().await;
        eprintln!("{exit}");
        drop(process);
        sandbox.settle().await;
        Ok::<_, Failure>(if let bailey_sandbox::Exit::Code(code) = exit { code } else { 1 })
    });
    // Standard input may still be read by a thread; nobody waits for it.
    runtime.shutdown_background();
    code
}

/// Attempts at once.
const AT_ONCE: usize = 6;

#[expect(clippy::print_stdout, reason = "the lines are what the tool is for")]
fn attacks(python: &str, cache: &str, walls: Walls<'_>) -> Result<i32, Failure> {
    let root = PythonRoot::build(Path::new(python), Path::new(cache))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let sandbox = open(walls, root).await?;
        let verdicts = attempt_all(&sandbox, ATTACKS, AT_ONCE, |attack, verdict| {
            let mut line = serde_json::json!({ "name": attack.name, "group": attack.group });
            if let (Some(line), Ok(serde_json::Value::Object(more))) =
                (line.as_object_mut(), serde_json::to_value(verdict))
            {
                line.extend(more);
            }
            println!("{line}");
        })
        .await;
        sandbox.settle().await;
        Ok(i32::from(!verdicts.iter().all(|(_, verdict)| verdict.is_held())))
    })
}
