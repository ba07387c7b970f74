//! The look from inside: a small program in the sandbox reports what the kernel says about it.

use std::{path::Path, time::Duration};

use tokio::io::AsyncReadExt;

use crate::{
    error::{Layer, LayerError, SpawnError},
    native::NativeSandbox,
    spec::ProcessSpec,
};

/// How long the small program may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// Most that is read from it.
const OUTPUT_BYTES: u64 = 16 * 1024;

/// Prints the kernel's account of the process. No site packages, no plugin.
const PROGRAM: &str = "print(open('/proc/self/status').read())";

/// What the account must contain, and which wall it proves.
const PROOFS: &[(Layer, &str, &str)] = &[
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
    let mut spec = ProcessSpec::python_plugin("probe", root.join("plugin"), None);
    spec.arguments = ["-I", "-S", "-c", PROGRAM].map(Into::into).to_vec();
    let failed = |reason: String| LayerError::new(Layer::Program, reason);
    let mut process = match sandbox.spawn(spec).await {
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
    check(&account)
}

fn check(account: &str) -> Result<(), LayerError> {
    for &(layer, name, wanted) in PROOFS {
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
        assert!(check(&good).is_ok());
        let error = check(&good.replace("Seccomp:\t2", "Seccomp:\t0")).unwrap_err();
        assert_eq!(error.layer, Layer::Seccomp);
        assert!(check("").is_err());
    }
}
