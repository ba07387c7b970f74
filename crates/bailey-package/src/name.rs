//! Which names a file of a package may have: plain relative paths with `/` between the parts.

use std::collections::HashSet;

use crate::finding::{Code, Finding, Findings};
use crate::limits;
use crate::package::PackageFile;

/// Checks the name of a file (without a folder's trailing slash).
pub(crate) fn check(name: &str) -> Result<(), Finding> {
    let Some(problem) = problem(name) else { return Ok(()) };
    let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    Err(Finding::error(Code::EntryName, format!("The name `{shown}` {problem}."))
        .hint("use plain relative names such as `library/tools.py`"))
}

fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name.len() > limits::PATH_BYTES || name.split('/').any(|part| part.len() > limits::NAME_BYTES) {
        return Some("is too long");
    }
    if name.chars().any(char::is_control) {
        return Some("holds control characters");
    }
    if name.contains('\\') {
        return Some("holds a backslash");
    }
    if name.starts_with('/') || name.as_bytes().get(1) == Some(&b':') {
        return Some("is absolute");
    }
    if name.split('/').any(|part| part == "..") {
        return Some("leaves the package");
    }
    if name.split('/').any(|part| part.is_empty() || part == ".") {
        return Some("is not written plainly");
    }
    None
}

/// Finds names that differ only in case, and files that are also folders.
pub(crate) fn check_collisions(files: &[PackageFile], findings: &mut Findings) {
    let mut seen = HashSet::new();
    for file in files {
        if !seen.insert(file.path.to_lowercase()) {
            let message =
                format!("`{}` appears twice, counting upper and lower case as the same.", file.path);
            findings.push(
                Finding::error(Code::EntryDuplicate, message)
                    .at(&file.path)
                    .hint("keep or rename one of them"),
            );
        }
    }
    for file in files {
        let lower = file.path.to_lowercase();
        let mut parents = lower.match_indices('/').map(|(end, _)| &lower[..end]);
        if let Some(parent) = parents.find(|parent| seen.contains(*parent)) {
            let message = format!("`{parent}` is both a file and a folder.");
            findings.push(
                Finding::error(Code::EntryDuplicate, message).at(&file.path).hint("rename one of them"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_pass() {
        for good in ["a", "__main__.py", "library/tools.py", "data/ä.json", "...", "a..b/.c"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "x".repeat(256);
        for bad in [
            "", "/a", "../a", "a/../b", "a/..", "a\\b", "C:/a", "c:a", "a//b", "./a", "a/./b", "a/", "a\0b",
            "a\nb", &long,
        ] {
            assert_eq!(check(bad).unwrap_err().code, Code::EntryName, "{bad:?}");
        }
    }
}
