//! What uv resolved: for each package one version, one wheel, one hash.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use crate::error::BuildError;
use crate::limits;
use crate::requirements::{normalised, shown};

/// One package of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locked {
    /// Normalised.
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) url: Url,
    /// The wheel's file name.
    pub(crate) file: String,
    /// 64 lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

impl Locked {
    /// For people.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", shown(&self.name), shown(&self.version))
    }

    /// An error about it; `why` completes the sentence "... is refused: it".
    pub(crate) fn refused(&self, why: impl Into<String>) -> BuildError {
        BuildError::Package { package: self.label(), why: why.into() }
    }
}

/// The file as uv writes it, of the standard `pylock.toml`.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    packages: Vec<WrittenPackage>,
}

#[derive(Deserialize)]
struct WrittenPackage {
    name: String,
    version: Option<String>,
    #[serde(default)]
    wheels: Vec<WrittenWheel>,
}

#[derive(Deserialize)]
struct WrittenWheel {
    url: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// Reads a lock. Sorted by name.
pub(crate) fn read(text: &str) -> Result<Vec<Locked>, BuildError> {
    let strange = |why: String| BuildError::Lock(why);
    let written: Written =
        toml::from_str(text).map_err(|error| strange(error.message().chars().take(200).collect()))?;
    if written.packages.len() > limits::PACKAGES {
        return Err(BuildError::TooLarge { limit: format!("{} packages", limits::PACKAGES) });
    }
    let mut packages: Vec<Locked> = written.packages.into_iter().map(locked).collect::<Result<_, _>>()?;
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(pair) = packages.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(strange(format!("it names `{}` twice", shown(&pair[0].name))));
    }
    Ok(packages)
}

fn locked(package: WrittenPackage) -> Result<Locked, BuildError> {
    let version = package.version.unwrap_or_default();
    let label = format!("{} {}", shown(&package.name), shown(&version));
    let refused = |why: &str| BuildError::Package { package: label.clone(), why: why.to_owned() };
    let [wheel] = package.wheels.as_slice() else {
        return Err(refused("has no single wheel for this Python"));
    };
    let url = wheel.url.as_deref().and_then(|url| Url::parse(url).ok());
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    let mut url = url.ok_or_else(|| refused("does not lie on a package index"))?;
    // A password that an index page wrote into an address is of no use here and must not be kept.
    let _an_http_address_has_a_host = url.set_username("").and_then(|()| url.set_password(None));
    let hash = wheel.hashes.get("sha256").map(|hash| hash.to_ascii_lowercase());
    let sha256 = hash
        .filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(|| refused("has no SHA-256 on the index"))?;
    let name = normalised(&package.name);
    let file = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned();
    let named = file.strip_suffix(".whl").and_then(|stem| stem.split('-').next()).map(normalised);
    if named.as_deref() != Some(&name) {
        return Err(refused(&format!(
            "is said to be in the file `{}`, which is no wheel of it",
            shown(&file)
        )));
    }
    Ok(Locked { name, version, url, file, sha256 })
}

/// What decides the content: the same text for the same wheels, wherever they were fetched from.
pub(crate) fn content(packages: &[Locked]) -> String {
    packages
        .iter()
        .map(|package| format!("{}=={} sha256:{}\n", package.name, package.version, package.sha256))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn lock(name: &str, url: &str, hash: &str) -> String {
        format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\n\
             wheels = [{{ url = \"{url}\", upload-time = 2026-09-17T14:11:03Z, size = 3, hashes = {{ sha256 = \"{hash}\" }} }}]\n"
        )
    }

    #[test]
    fn a_lock_names_one_wheel_for_each_package() {
        let text =
            lock("Good.Thing", "https://me:secret@files.example/a/good_thing-1.0-py3-none-any.whl", HASH);
        let packages = read(&text).unwrap();
        assert_eq!(packages[0].name, "good-thing");
        assert_eq!(packages[0].url.as_str(), "https://files.example/a/good_thing-1.0-py3-none-any.whl");
        assert_eq!(content(&packages), format!("good-thing==1.0 sha256:{HASH}\n"));
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_wheel_of_the_package_is_refused() {
        for (name, url, hash, word) in [
            ("good", "https://x.example/evil-1.0-py3-none-any.whl", HASH, "no wheel of it"),
            ("good", "https://x.example/good-1.0.tar.gz", HASH, "no wheel of it"),
            ("good", "file:///etc/good-1.0-py3-none-any.whl", HASH, "package index"),
            ("good", "https://x.example/good-1.0-py3-none-any.whl", "abc", "SHA-256"),
        ] {
            let error = read(&lock(name, url, hash)).unwrap_err().to_string();
            assert!(error.contains("good 1.0") && error.contains(word), "{error}");
        }
        let twice = "[[packages]]\nname = \"good\"\nversion = \"1\"\n";
        assert!(read(twice).unwrap_err().to_string().contains("no single wheel"));
        assert!(matches!(read("not = [toml"), Err(BuildError::Lock(_))));
        let many = "[[packages]]\nname = \"a\"\n".repeat(limits::PACKAGES + 1);
        assert!(matches!(read(&many), Err(BuildError::TooLarge { .. })));
    }
}
