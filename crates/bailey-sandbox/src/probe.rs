//! The look from inside: a small program in the sandbox reports what the kernel says about it.

use std::{path::Path, time::Duration};

use tokio::io::AsyncReadExt;

use crate::{
    error::{Layer, LayerError, SpawnError},
    native::NativeSandbox,
    process::Process,
    sandbox::Sandbox,
    spec::ProcessSpec,
};

/// How long the small program may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// Most that is read from it.
const OUTPUT_BYTES: u64 = 64 * 1024;

/// Prints the kernel's account of the process. No site packages, no plugin.
pub(crate) const PROGRAM: &str = "print(open('/proc/self/status').read())";

/// What the account must contain, and which wall it proves.
pub(crate) const PROOFS: &[(Layer, &str, &str)] = &[
    (Layer::Seccomp, "Seccomp:", "2"),
    (Layer::NoNewPrivileges, "NoNewPrivs:", "1"),
    (Layer::Capabilities, "CapPrm:", "0000000000000000"),
    (Layer::Capabilities, "CapEff:", "0000000000000000"),
    (Layer::Capabilities, "CapBnd:", "0000000000000000"),
    (Layer::Capabilities, "CapInh:", "0000000000000000"),
    (Layer::Capabilities, "CapAmb:", "0000000000000000"),
    (Layer::Namespaces, "Pid:", "1"),
    (Layer::Identity, "Groups:", ""),
];

/// Runs the program and checks every proof. `root` offers its empty folder as the plugin's.
pub(crate) async fn run(sandbox: &NativeSandbox, root: &Path) -> Result<(), LayerError> {
    check(&ask(&Sandbox::Native(sandbox.clone()), root, PROGRAM).await?, PROOFS)
}

/// What a small program says from inside a sandbox.
pub(crate) async fn ask(sandbox: &Sandbox, root: &Path, program: &str) -> Result<String, LayerError> {
    let mut spec = ProcessSpec::python_plugin("probe", root.join("plugin"), None);
    spec.arguments = ["-I", "-S", "-c", program].map(Into::into).to_vec();
    hear(sandbox.spawn(spec).await).await
}

/// Reads the account of a process that prints it, and checks every proof.
pub(crate) async fn examine(spawned: Result<Process, SpawnError>) -> Result<(), LayerError> {
    check(&hear(spawned).await?, PROOFS)
}

/// All a process says until its end.
async fn hear(spawned: Result<Process, SpawnError>) -> Result<String, LayerError> {
    let failed = |reason: String| LayerError::new(Layer::Program, reason);
    let mut process = match spawned {
        Ok(process) => process,
        Err(SpawnError::Layer(error)) => return Err(error),
        Err(other) => return Err(LayerError::new(Layer::Launcher, other.to_string())),
    };
    process.started();
    let stdio = process.take_stdio().ok_or_else(|| failed("no pipes".to_owned()))?;
    let (mut account, mut errors) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (stdio.stdout.take(OUTPUT_BYTES), stdio.stderr.take(OUTPUT_BYTES));
    let reading = async {
        let _what_was_read_counts =
            tokio::join!(stdout.read_to_string(&mut account), stderr.read_to_string(&mut errors));
        process.wait().await
    };
    let exit = tokio::time::timeout(DEADLINE, reading)
        .await
        .map_err(|_| failed(format!("the trial program did not end within {} s", DEADLINE.as_secs())))?;
    if !exit.success() {
        return Err(failed(format!("the trial program {exit}: {}", errors.trim())));
    }
    Ok(account)
}

pub(crate) fn check(account: &str, proofs: &[(Layer, &str, &str)]) -> Result<(), LayerError> {
    for &(layer, name, wanted) in proofs {
        let found = account.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        // An ordinary user's further groups stay: only root may give them up.
        let exempt = name == "Groups:" && !rustix::process::geteuid().is_root();
        if found != Some(wanted) && !exempt {
            let reason = format!("inside, {name} is {} instead of {wanted:?}", found.unwrap_or("missing"));
            return Err(LayerError::new(layer, reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_wall_is_named() {
        let good: String = PROOFS.iter().map(|(_, name, value)| format!("{name}\t{value}\n")).collect();
        assert!(check(&good, PROOFS).is_ok());
        let error = check(&good.replace("Seccomp:\t2", "Seccomp:\t0"), PROOFS).unwrap_err();
        assert_eq!(error.layer, Layer::Seccomp);
        assert!(check("", PROOFS).is_err());
    }
}
