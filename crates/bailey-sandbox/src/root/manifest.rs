//! The list of what is in a finished root: kind, mode, owner and size of every entry. A root that
//! differs from its list (a crash, a full disk, a helping hand) is not used.

use std::{
    fmt::Write as _,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

const NAME: &str = "manifest";
/// Deeper than any standard library.
const DEPTH: usize = 32;

/// Writes the manifest beside the root.
pub(super) fn write(home: &Path) -> io::Result<()> {
    fs::write(home.join(NAME), list(home)?)
}

/// Whether the root is there and is what its manifest says.
pub(super) fn matches(home: &Path) -> bool {
    match (fs::read_to_string(home.join(NAME)), list(home)) {
        (Ok(written), Ok(found)) => written == found,
        _ => false,
    }
}

fn list(home: &Path) -> io::Result<String> {
    let mut text = String::new();
    walk(&home.join("root"), Path::new(""), DEPTH, &mut text)?;
    Ok(text)
}

fn walk(root: &Path, place: &Path, depth: usize, text: &mut String) -> io::Result<()> {
    let mut names: Vec<PathBuf> = fs::read_dir(root.join(place))?
        .map(|entry| Ok(place.join(entry?.file_name())))
        .collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let data = fs::symlink_metadata(root.join(&name))?;
        let size = if data.is_dir() { 0 } else { data.size() };
        let _infallible = writeln!(text, "{:o} {} {size} {}", data.mode(), data.uid(), name.display());
        if data.is_dir() && depth > 0 {
            walk(root, &name, depth - 1, text)?;
        }
    }
    Ok(())
}
