//! How much memory plugins may take together: what the operator says, else half of what there is.

use crate::error::CommandError;
use crate::places::environment;

/// The operator's number, in MiB; `0` for no budget.
const VARIABLE: &str = "BAILEY_PLUGIN_MEMORY_MIB";
const MEBIBYTE: u64 = 1024 * 1024;

/// Bytes for the processes of all plugins; `None` without a budget.
///
/// # Errors
/// When the operator's number is none.
pub(crate) fn for_plugins() -> Result<Option<u64>, CommandError> {
    match environment(VARIABLE) {
        Some(text) => chosen(&text),
        None => Ok(available().map(|bytes| bytes / 2)),
    }
}

fn chosen(text: &str) -> Result<Option<u64>, CommandError> {
    let mebibytes: u64 = text.parse().map_err(|_| {
        CommandError::usage(format!(
            "{VARIABLE} is {text:?}, which is no number of MiB\n  hint: 2048 gives plugins 2 GiB, 0 as much as there is"
        ))
    })?;
    Ok((mebibytes > 0).then_some(mebibytes.saturating_mul(MEBIBYTE)))
}

/// The machine's memory, or that of the container Bailey runs in.
fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| total(&text));
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = limits.iter().find_map(|path| read(path)?.trim().parse().ok());
    machine.into_iter().chain(container).min()
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_number_and_the_machines() {
        assert_eq!(chosen("2048").unwrap(), Some(2 << 30));
        assert_eq!(chosen("0").unwrap(), None);
        assert!(chosen("2G").unwrap_err().to_string().contains("hint: 2048"));
        assert_eq!(total("MemTotal:        1024 kB\nMemFree: 5 kB\n"), Some(1 << 20));
        assert!(available().is_some_and(|bytes| bytes > 64 * MEBIBYTE));
    }
}
