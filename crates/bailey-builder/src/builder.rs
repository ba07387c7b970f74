//! The builder: requirements in, a folder to mount out.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::error::BuildError;
use crate::interpreter::Interpreter;
use crate::requirements::{Requirements, exact_sdk};
use crate::store::{self, Store};
use crate::{inspect, limits, uv};

/// What a builder works with.
#[derive(Debug, Clone)]
pub struct BuilderConfig {
    /// The uv program.
    pub uv: PathBuf,
    /// The interpreter whose version and platform packages must fit.
    pub python: PathBuf,
    /// The folder for built packages and downloads. Made when missing; may be shared by processes.
    pub cache: PathBuf,
    /// The SDK of a plugin that names none, for example `yourbot-sdk==0.10.1`.
    pub default_sdk: String,
    /// The caller's environment. Of it uv sees only the certificates, proxies, index, `HOME` and
    /// `PATH`.
    pub environment: Vec<(String, String)>,
}

/// Packages ready to be mounted read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltPackages {
    /// The folder that belongs on the plugin's module search path.
    pub directory: PathBuf,
    /// 64 hexadecimal digits: the same versions for the same Python have the same.
    pub hash: String,
    /// Names, normalised, with versions; sorted by name.
    pub packages: Vec<(String, String)>,
}

/// Builds packages for one interpreter. Any number of builds may run at once, also in several
/// processes on one cache.
#[derive(Debug)]
pub struct Builder {
    config: BuilderConfig,
    store: Store,
    interpreter: OnceCell<Interpreter>,
}

impl Builder {
    /// A builder on a cache folder, made when missing. Nothing is started yet.
    ///
    /// # Errors
    /// [`BuildError::Cache`] when the folder cannot be made, [`BuildError::Sdk`] when the default
    /// SDK is not an exact version of one.
    pub fn new(config: BuilderConfig) -> Result<Self, BuildError> {
        exact_sdk(&config.default_sdk)?;
        fs::create_dir_all(&config.cache).map_err(BuildError::cache("create", &config.cache))?;
        // uv runs in a folder of its own, where a relative path would mean another place.
        let absolute = |path: &Path| std::path::absolute(path).map_err(BuildError::cache("find", path));
        let config = BuilderConfig {
            uv: program(&config.uv)?,
            python: program(&config.python)?,
            cache: absolute(&config.cache)?,
            ..config
        };
        let store = Store::open(&config.cache)?;
        Ok(Self { config, store, interpreter: OnceCell::new() })
    }

    /// Packages for the text of a `requirements.txt`.
    ///
    /// A text that names no SDK gets the default one. `sdk_override` (for example
    /// `mmo-maid-sdk==0.5.2`) takes the place of whatever SDK the text names. The same question is
    /// answered from the cache, without uv or a network; what it once resolved to stays until the
    /// cache is removed.
    ///
    /// # Errors
    /// [`BuildError`], worded for the plugin's author where they can help it.
    pub async fn build(
        &self,
        requirements: Option<&str>,
        sdk_override: Option<&str>,
    ) -> Result<BuiltPackages, BuildError> {
        let requirements =
            Requirements::settle(requirements.unwrap_or_default(), &self.config.default_sdk, sdk_override)?;
        let interpreter = self.interpreter().await?;
        let text = requirements.to_text();
        let question = store::hash(&[&text, sdk_override.unwrap_or_default(), &interpreter.identity()]);
        if let Some(built) = self.store.find(&question) {
            return Ok(built);
        }
        let build = self.build_new(&text, sdk_override, interpreter);
        let built = tokio::time::timeout(limits::BUILD_DEADLINE, build).await.map_err(|_| {
            BuildError::Deadline { what: "fetching the plugin's packages", after: limits::BUILD_DEADLINE }
        })??;
        self.store.remember(&question, &built)?;
        Ok(built)
    }

    async fn interpreter(&self) -> Result<&Interpreter, BuildError> {
        self.interpreter.get_or_try_init(|| Interpreter::ask(&self.config.python)).await
    }

    async fn build_new(
        &self,
        requirements: &str,
        sdk_override: Option<&str>,
        interpreter: &Interpreter,
    ) -> Result<BuiltPackages, BuildError> {
        const REQUIREMENTS: &str = "requirements.in";
        const OVERRIDES: &str = "overrides.txt";
        const LOCK: &str = "lock.txt";
        const TARGET: &str = "packages";

        let scratch = self.store.scratch()?;
        let folder = scratch.path();
        write(folder, REQUIREMENTS, requirements)?;
        // A library that itself needs an SDK must meet the same one.
        let overrides = match sdk_override {
            Some(sdk) => write(folder, OVERRIDES, sdk).map(|()| Some(OVERRIDES))?,
            None => None,
        };
        let lock = uv::resolve(&self.config, folder, REQUIREMENTS, overrides, &interpreter.version).await?;
        let packages = locked_packages(&lock);
        let hash = store::hash(&[&lock, &interpreter.identity()]);
        if let Some(built) = self.store.built(&hash, packages.clone()) {
            return Ok(built);
        }
        write(folder, LOCK, &lock)?;
        uv::install(&self.config, folder, LOCK, TARGET).await?;

        let target = folder.join(TARGET);
        inspect::clean(&target, &interpreter.modules)?;
        self.store.keep(&target, &hash)?;
        let directory = self.config.cache.join(&hash);
        tracing::info!(hash, packages = packages.len(), "built packages");
        Ok(BuiltPackages { directory, hash, packages })
    }
}

/// A program named by path becomes absolute; a bare name stays for `PATH`.
fn program(path: &Path) -> Result<PathBuf, BuildError> {
    if path.components().count() == 1 && !path.is_absolute() {
        return Ok(path.to_path_buf());
    }
    std::path::absolute(path).map_err(BuildError::cache("find", path))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), BuildError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(BuildError::cache("write", &path))
}

/// `name==version \` begins each package of a lock; the lines of its hashes are indented.
fn locked_packages(lock: &str) -> Vec<(String, String)> {
    lock.lines()
        .filter(|line| !line.starts_with([' ', '#', '-']))
        .filter_map(|line| line.trim_end_matches('\\').split(';').next()?.trim().split_once("=="))
        .map(|(name, version)| (name.trim().to_owned(), version.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lists_its_packages() {
        let lock = "idna==3.7 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nyourbot-sdk==0.10.1\n";
        let expected =
            [("idna", "3.7"), ("yourbot-sdk", "0.10.1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(locked_packages(lock), expected);
    }
}
