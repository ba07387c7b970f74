//! The builder: requirements in, a folder to mount out.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};

use crate::compiled::add_compiled;
use crate::config::{BuilderConfig, Walls};
use crate::error::BuildError;
use crate::fetch::{self, Fetcher};
use crate::gate::Gate;
use crate::index::Index;
use crate::interpreter::Interpreter;
use crate::lock::{self, Locked};
use crate::requirements::{Requirements, exact_sdk};
use crate::store::{self, Store};
use crate::sweep::Bounds;
use crate::wheel::Unpacked;
use crate::workplace::Workplace;
use crate::{limits, uv};

/// Packages ready to be mounted read-only.
///
/// As long as one of its clones lives, in any process, the folder is not swept from the cache.
#[derive(Debug, Clone)]
pub struct BuiltPackages {
    /// The folder that belongs on the plugin's module search path.
    pub directory: PathBuf,
    /// What was resolved, as `pylock.toml`: the address and SHA-256 of each wheel.
    pub lock: PathBuf,
    /// 64 hexadecimal digits: the same wheels for the same Python have the same.
    pub hash: String,
    /// Names, normalised, with versions; sorted by name.
    pub packages: Vec<(String, String)>,
    /// Locked, so that others see that it is in use.
    pub(crate) _in_use: Arc<File>,
}

impl PartialEq for BuiltPackages {
    fn eq(&self, other: &Self) -> bool {
        (&self.directory, &self.hash, &self.packages) == (&other.directory, &other.hash, &other.packages)
    }
}

impl Eq for BuiltPackages {}

/// Builds packages for one interpreter. Any number of builds may be asked for at once, also in several
/// processes on one cache.
#[derive(Debug)]
pub struct Builder {
    config: BuilderConfig,
    index: Index,
    store: Store,
    turns: Semaphore,
    interpreter: OnceCell<Interpreter>,
    workplace: OnceCell<Workplace>,
}

impl Builder {
    /// A builder on a cache folder, made when missing. Nothing is started yet.
    ///
    /// # Errors
    /// [`BuildError::Cache`] when the folder cannot be made, [`BuildError::Sdk`] when the default
    /// SDK is not an exact version of one, [`BuildError::Index`] when the index has no usable address.
    pub fn new(config: BuilderConfig) -> Result<Self, BuildError> {
        exact_sdk(&config.default_sdk)?;
        let index = Index::configured(&config.environment, &config.file_hosts)?;
        fs::create_dir_all(&config.cache).map_err(BuildError::cache("create", &config.cache))?;
        // Programs run in folders of their own, where a relative path would mean another place.
        let absolute = |path: &Path| std::path::absolute(path).map_err(BuildError::cache("find", path));
        let config = BuilderConfig {
            uv: program(&config.uv)?,
            python: program(&config.python)?,
            cache: absolute(&config.cache)?,
            ..config
        };
        let store = Store::open(&config.cache)?;
        let turns = Semaphore::new(limits::BUILDS_AT_ONCE);
        Ok(Self { config, index, store, turns, interpreter: OnceCell::new(), workplace: OnceCell::new() })
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
        let index = self.index.shown();
        let question =
            store::hash(&[&text, sdk_override.unwrap_or_default(), &interpreter.identity(), &index]);
        if let Some(built) = self.store.find(&question) {
            return Ok(built);
        }
        let _turn = self.turns.acquire().await;
        let build = self.build_new(&text, sdk_override, interpreter);
        let built = tokio::time::timeout(limits::BUILD_DEADLINE, build).await.map_err(|_| {
            BuildError::Deadline { what: "fetching the plugin's packages", after: limits::BUILD_DEADLINE }
        });
        // Also after a failure, which may have been one of too much.
        let store = self.store.clone();
        let _what_stays_is_swept_later =
            tokio::task::spawn_blocking(move || store.sweep(&Bounds::default())).await;
        let built = built??;
        self.store.remember(&question, &built)?;
        Ok(built)
    }

    async fn interpreter(&self) -> Result<&Interpreter, BuildError> {
        self.interpreter.get_or_try_init(|| Interpreter::ask(&self.config.python)).await
    }

    async fn workplace(&self) -> Result<&Workplace, BuildError> {
        let open = || async {
            match &self.config.walls {
                Walls::Jail(jail) => Workplace::jail(&self.config, jail).await,
                Walls::None => {
                    tracing::warn!("packages are resolved WITHOUT a jail: uv can do whatever you can");
                    Ok(Workplace::Bare)
                }
            }
        };
        self.workplace.get_or_try_init(open).await
    }

    async fn build_new(
        &self,
        requirements: &str,
        sdk_override: Option<&str>,
        interpreter: &Interpreter,
    ) -> Result<BuiltPackages, BuildError> {
        let workplace = self.workplace().await?;
        let gate = Arc::new(Gate::new(self.index.clone(), &self.config.environment));
        let scratch = self.store.scratch()?;
        let lock =
            self.resolve(workplace, &gate, scratch.path(), requirements, sdk_override, interpreter).await?;
        let locked = lock::read(&lock)?;
        let packages: Vec<_> =
            locked.iter().map(|package| (package.name.clone(), package.version.clone())).collect();
        let hash = store::hash(&[&lock::content(&locked), &interpreter.identity()]);
        if let Some(built) = self.store.built(&hash, packages.clone()) {
            return Ok(built);
        }
        let certificates = fetch::certificates(&self.config.environment);
        let wheels = Fetcher::new(self.store.wheels(), gate, &certificates)?.fetch(&locked).await?;

        let target = scratch.path().join("packages");
        self.unpack(&target, locked, wheels, interpreter).await?;
        let compiled = scratch.path().join("compiled");
        workplace.writable(&compiled)?;
        let prefix = uv::compile(workplace, &self.config, uv::compiling(&compiled, &target)).await?;

        let (store, kept, lock) = (self.store.clone(), hash.clone(), self.index.redact(&lock));
        blocking(&self.config.cache, move || {
            add_compiled(&target, &compiled, &prefix)?;
            store.keep(&target, &kept, &lock)
        })
        .await?;
        drop(scratch);
        tracing::info!(hash, packages = packages.len(), "built packages");
        let gone = || std::io::Error::other("it was removed this moment");
        self.store.built(&hash, packages).ok_or_else(|| BuildError::cache("find", &self.config.cache)(gone()))
    }

    async fn resolve(
        &self,
        workplace: &Workplace,
        gate: &Arc<Gate>,
        scratch: &Path,
        requirements: &str,
        sdk_override: Option<&str>,
        interpreter: &Interpreter,
    ) -> Result<String, BuildError> {
        const REQUIREMENTS: &str = "requirements.in";
        const OVERRIDES: &str = "overrides.txt";

        let (work, uv_cache) = (scratch.join("resolve"), self.store.uv_cache(workplace.writer()));
        workplace.writable(&work)?;
        workplace.writable(&uv_cache)?;
        let in_use = File::open(&uv_cache).map_err(BuildError::cache("open", &uv_cache))?;
        let lock = tokio::task::spawn_blocking(move || in_use.lock_shared().map(|()| in_use)).await;
        let _in_use = lock.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        write(&work, REQUIREMENTS, requirements)?;
        // A library that itself needs an SDK must meet the same one.
        let overrides = match sdk_override {
            Some(sdk) => write(&work, OVERRIDES, sdk).map(|()| Some(OVERRIDES))?,
            None => None,
        };
        let job = uv::resolving(&work, &uv_cache, gate);
        let output = uv::resolve(workplace, &self.config, job, REQUIREMENTS, overrides).await?;
        match String::from_utf8(output.stdout) {
            Ok(lock) if output.success => return Ok(lock),
            _ => {}
        }
        let (words, index) = (self.index.redact(&output.words), self.index.shown());
        Err(match (gate.refused(), gate.trouble()) {
            (Some(targets), _) => {
                BuildError::NotTheIndex { who: "the resolver".to_owned(), targets, index, words }
            }
            (None, Some(why)) => BuildError::IndexUnreachable { index, why, words },
            (None, None) => {
                BuildError::Unresolvable { words, python: format!("Python {}", interpreter.version) }
            }
        })
    }

    async fn unpack(
        &self,
        target: &Path,
        locked: Vec<Locked>,
        wheels: Vec<PathBuf>,
        interpreter: &Interpreter,
    ) -> Result<(), BuildError> {
        let (target, modules) = (target.to_owned(), interpreter.modules.clone());
        blocking(&self.config.cache, move || {
            let mut unpacked = Unpacked::create(&target, &modules)?;
            locked.iter().zip(&wheels).try_for_each(|(package, wheel)| unpacked.add(package, wheel))
        })
        .await
    }
}

/// Work on files, beside the runtime. A panic in it (over a file of strangers) is an error here.
async fn blocking<T: Send + 'static>(
    place: &Path,
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(BuildError::cache("work in", place)(std::io::Error::other(error))))
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
