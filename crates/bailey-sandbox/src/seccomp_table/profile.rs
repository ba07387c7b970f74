//! The table as a container runtime reads it: the JSON of an OCI seccomp profile as Docker takes it.

use serde_json::{Value, json};

use super::{ALLOWED, ALLOWED_HERE, Call, Execution, When, allowed_when};

/// The profile. What it does not name is "not permitted"; a call of a foreign architecture kills.
///
/// One profile is enough where the native sandbox needs two filters, because here each row can have
/// an answer of its own: `clone3` looks as if the kernel did not have it.
///
/// A runtime that has one answer for all it refuses (gVisor's) must let `clone3` through to a kernel
/// that truly does not have it: `has_answers` is false, and whoever starts it has to make sure of that.
pub(crate) fn profile(has_answers: bool) -> Value {
    let free: Vec<&str> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| call.name()).filter(|name| *name != CLONE3).collect();
    let mut rows = vec![
        json!({ "names": free, "action": "SCMP_ACT_ALLOW" }),
        if has_answers {
            json!({ "names": [CLONE3], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS })
        } else {
            json!({ "names": [CLONE3], "action": "SCMP_ACT_ALLOW" })
        },
    ];
    rows.extend(allowed_when(Execution::ByRuntime).iter().map(|(call, conditions)| row(*call, conditions)));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": libc::EPERM,
        "architectures": [ARCHITECTURE],
        "syscalls": rows,
    })
}

const CLONE3: &str = "clone3";

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &str = "SCMP_ARCH_X86_64";
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: &str = "SCMP_ARCH_AARCH64";

/// Conditions of one row must all hold; rows of one call are alternatives.
fn row(call: Call, conditions: &[When]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|when| {
            // A runtime compares all 64 bits; the mask leaves the upper half of a 32-bit argument out.
            json!({ "index": when.argument, "op": "SCMP_CMP_MASKED_EQ", "value": when.mask, "valueTwo": when.value })
        })
        .collect();
    json!({ "names": [call.name()], "action": "SCMP_ACT_ALLOW", "args": conditions })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a runtime is told, whole: a call that appears here is one more that plugins may make.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_profile_is_exactly_this() {
        insta::assert_json_snapshot!(profile(true));
    }

    /// Both outputs say the same, but for how the program is executed.
    #[test]
    fn the_profile_allows_what_the_native_filter_does() {
        let profile = profile(true);
        let mut said: Vec<(&str, usize)> = profile["syscalls"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| {
                let conditions = row["args"].as_array().map_or(0, Vec::len);
                row["names"].as_array().unwrap().iter().map(move |name| (name.as_str().unwrap(), conditions))
            })
            .filter(|row| *row != ("execve", 0))
            .collect();
        let native = allowed_when(Execution::OfDescriptor(257));
        let mut wanted: Vec<(&str, usize)> = ALLOWED
            .iter()
            .chain(ALLOWED_HERE)
            .map(|call| (call.name(), 0))
            .chain(native.iter().map(|(call, conditions)| (call.name(), conditions.len())))
            .filter(|row| *row != ("execveat", 1))
            .collect();
        said.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(said, wanted);
    }
}
