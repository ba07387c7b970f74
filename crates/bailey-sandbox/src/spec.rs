//! One process to start: which folders it sees, with which arguments, environment and limits.

use std::{ffi::OsString, path::PathBuf};

use crate::limits::Limits;

/// Where the plugin's folder appears inside; also the working directory.
pub const PLUGIN_MOUNT: &str = "/plugin";
/// Where installed Python packages appear inside; importable after the standard library.
pub const PACKAGES_MOUNT: &str = "/packages";

/// Longest label that is kept, in characters.
const LABEL_LENGTH: usize = 48;
/// Most arguments plus environment variables, and their total size in bytes.
const WORDS: usize = 256;
const WORD_BYTES: usize = 128 * 1024;

/// The environment every process has, and nothing of the host's.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("PYTHONUTF8", "1"),
    ("PYTHONUNBUFFERED", "1"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("HOME", "/tmp"),
    ("TMPDIR", "/tmp"),
];

/// One process to start: the root's Python interpreter with these arguments.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// Names the process in logs and in its control group. Anything but letters, digits, `-`, `_`
    /// and `.` is replaced.
    pub label: String,
    /// Seen read-only as `/plugin`; the working directory. Other users must be able to read it.
    pub plugin_dir: PathBuf,
    /// Seen read-only as `/packages`.
    pub packages_dir: Option<PathBuf>,
    /// Arguments of the interpreter.
    pub arguments: Vec<OsString>,
    /// Added to the clean environment (`PYTHONUTF8`, `PYTHONUNBUFFERED`, `PYTHONDONTWRITEBYTECODE`,
    /// `HOME`, `TMPDIR`); a name that is there already is replaced.
    pub environment: Vec<(String, String)>,
    /// What the process may use.
    pub limits: Limits,
}

impl ProcessSpec {
    /// A plugin: `python -s /plugin/__main__.py`, as an author runs it at home.
    ///
    /// `sys.path` is `/plugin`, the standard library, `/packages`. The root's `sitecustomize`
    /// appends the last one, so a package never shadows the standard library and no `.pth` file is
    /// executed. There is no bootstrap: tracebacks, `__file__` and `__main__` are Python's own.
    pub fn python_plugin(
        label: impl Into<String>,
        plugin_dir: impl Into<PathBuf>,
        packages_dir: Option<PathBuf>,
    ) -> Self {
        Self {
            label: label.into(),
            plugin_dir: plugin_dir.into(),
            packages_dir,
            arguments: vec!["-s".into(), format!("{PLUGIN_MOUNT}/__main__.py").into()],
            environment: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The label with nothing in it that could leave a folder or a log line.
    pub(crate) fn safe_label(&self) -> String {
        let safe: String = self
            .label
            .chars()
            .take(LABEL_LENGTH)
            .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
            .collect();
        if safe.is_empty() { "process".to_owned() } else { safe }
    }

    /// The whole environment, base first.
    pub(crate) fn full_environment(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> =
            ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, value) in &self.environment {
            match all.iter_mut().find(|(known, _)| known == name) {
                Some(entry) => entry.1.clone_from(value),
                None => all.push((name.clone(), value.clone())),
            }
        }
        all
    }

    /// What makes the request impossible, if anything does.
    pub(crate) fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        if self.arguments.len() + self.environment.len() > WORDS {
            return Err(format!("more than {WORDS} arguments and environment variables"));
        }
        let bytes: usize = self.arguments.iter().map(|word| word.len()).sum::<usize>()
            + self.environment.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if bytes > WORD_BYTES {
            return Err(format!("arguments and environment are larger than {WORD_BYTES} bytes"));
        }
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(format!("environment variable {name:?} has a forbidden character"));
            }
        }
        if self.arguments.iter().any(|word| word.as_encoded_bytes().contains(&0)) {
            return Err("an argument contains a zero byte".to_owned());
        }
        for (name, value) in [
            ("memory_bytes", limits.memory_bytes),
            ("pids", limits.pids),
            ("cpu_percent", u64::from(limits.cpu_percent)),
            ("tmp_bytes", limits.tmp_bytes),
            ("tmp_inodes", limits.tmp_inodes),
            ("file_size_bytes", limits.file_size_bytes),
        ] {
            if value == 0 || value > i64::MAX as u64 {
                return Err(format!("limit {name} is {value}; it must be at least 1"));
            }
        }
        if !(16..=65_536).contains(&limits.open_files) {
            return Err(format!("limit open_files is {}; it must be 16 to 65536", limits.open_files));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ProcessSpec {
        ProcessSpec::python_plugin("../a b\n", "/plugins/one", None)
    }

    #[test]
    fn a_label_cannot_leave_its_folder() {
        assert_eq!(spec().safe_label(), ".._a_b_");
        assert_eq!(ProcessSpec { label: String::new(), ..spec() }.safe_label(), "process");
    }

    #[test]
    fn the_environment_is_the_base_plus_the_request() {
        let mut request = spec();
        request.environment = vec![("HOME".into(), "/x".into()), ("A".into(), "1".into())];
        let all = request.full_environment();
        assert_eq!(all.len(), ENVIRONMENT.len() + 1);
        assert!(all.contains(&("HOME".into(), "/x".into())));
    }

    #[test]
    fn impossible_requests_are_named() {
        let check = |change: fn(&mut ProcessSpec)| {
            let mut request = spec();
            change(&mut request);
            request.check().unwrap_err()
        };
        assert!(spec().check().is_ok());
        assert!(check(|s| s.limits.memory_bytes = 0).contains("memory_bytes"));
        assert!(check(|s| s.limits.open_files = 3).contains("open_files"));
        assert!(check(|s| s.environment = vec![("A=B".into(), String::new())]).contains("A=B"));
        assert!(check(|s| s.arguments = vec!["\0".into()]).contains("zero byte"));
        assert!(check(|s| s.arguments = vec!["x".into(); 300]).contains("256"));
    }
}
