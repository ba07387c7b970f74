//! The launcher as a program of its own, for hosts that do not want to re-execute themselves; and a
//! small tool to try the sandbox by hand:
//!
//! ```text
//! bailey-sandbox-launcher run PYTHON CACHE-FOLDER PLUGIN-FOLDER [CONTROL-GROUP]
//! ```
//!
//! runs the plugin with this terminal as its pipes, says its pid on standard error, and ends with
//! its code.

use std::path::Path;

use bailey_sandbox::{CgroupParent, NativeConfig, NativeSandbox, ProcessSpec, PythonRoot};

type Failure = Box<dyn std::error::Error>;

fn main() {
    bailey_sandbox::launcher::run_if_requested();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["run", python, cache, plugin] => run(python, cache, plugin, CgroupParent::Auto),
        ["run", python, cache, plugin, group] => {
            run(python, cache, plugin, CgroupParent::Named(group.into()))
        }
        _ => Err("usage: run PYTHON CACHE-FOLDER PLUGIN-FOLDER [CONTROL-GROUP]".into()),
    };
    match result {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

fn run(python: &str, cache: &str, plugin: &str, cgroup_parent: CgroupParent) -> Result<i32, Failure> {
    let root = PythonRoot::build(Path::new(python), Path::new(cache))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let code = runtime.block_on(async {
        let sandbox = NativeSandbox::open(NativeConfig { cgroup_parent, ..NativeConfig::new(root) }).await?;
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
