//! What the measurements share: which rows are wanted, and parts that are made when a row first needs
//! them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use bailey_builder::{Builder, BuilderConfig, Jail};
use bailey_sandbox::{NativeConfig, NativeSandbox, PythonRoot};
use bailey_store::{Cluster, ClusterConfig};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::arguments::{Arguments, Sizes};
use crate::plugin::BenchError;

/// The interpreter plugins run on.
const PYTHON: &str = "/usr/bin/python3";

/// The shared parts.
pub(crate) struct Bench {
    /// A row is measured if its name holds one of these, or if there are none.
    wanted: Vec<String>,
    /// How much is measured.
    pub(crate) sizes: Sizes,
    /// The rows that were asked about.
    known: RefCell<Vec<String>>,
    scratch: TempDir,
    plugin: OnceCell<Plugin>,
    cluster: OnceCell<Cluster>,
}

/// The measured plugin, and what runs it.
pub(crate) struct Plugin {
    pub(crate) sandbox: NativeSandbox,
    pub(crate) python: PathBuf,
    /// Its folder, where a sandboxed user can read it.
    pub(crate) folder: PathBuf,
    /// The SDK, as a plugin gets it.
    pub(crate) packages: PathBuf,
}

impl Bench {
    /// Nothing is started yet.
    pub(crate) fn new(asked: Arguments) -> Result<Self, BenchError> {
        let scratch = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()?;
        let (plugin, cluster) = (OnceCell::new(), OnceCell::new());
        let Arguments { rows: wanted, sizes } = asked;
        Ok(Self { wanted, sizes, known: RefCell::default(), scratch, plugin, cluster })
    }

    /// Whether a row is to be measured. Ask before starting anything for it.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.known.borrow_mut().push(row.to_owned());
        self.wanted.is_empty() || self.wanted.iter().any(|part| row.contains(part))
    }

    /// Says so if a part of a name was given that no row has.
    pub(crate) fn check_wanted(&self) -> Result<(), BenchError> {
        let known = self.known.borrow();
        match self.wanted.iter().find(|part| !known.iter().any(|row| row.contains(*part))) {
            Some(part) => Err(BenchError::NoSuchRow { part: part.clone(), rows: known.join("\n  ") }),
            None => Ok(()),
        }
    }

    /// A folder of this run's.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Where Python roots are kept.
    pub(crate) fn roots(&self) -> PathBuf {
        self.scratch.path().join("roots")
    }

    /// The measured plugin.
    pub(crate) async fn plugin(&self) -> Result<&Plugin, BenchError> {
        self.plugin.get_or_try_init(|| Plugin::prepare(self.scratch.path())).await
    }

    /// A PostgreSQL of one's own, which forces to disk what it must not lose.
    pub(crate) async fn cluster(&self) -> Result<&Cluster, BenchError> {
        let start = || Cluster::start(ClusterConfig::kept(self.scratch.path().join("data")));
        let cluster = self.cluster.get_or_try_init(start).await;
        cluster.map_err(|error| BenchError::part("PostgreSQL")(error.into()))
    }

    /// Stops what was started.
    pub(crate) async fn stop(self) -> Result<(), BenchError> {
        if let Some(plugin) = self.plugin.into_inner() {
            plugin.sandbox.settle().await;
        }
        if let Some(cluster) = self.cluster.into_inner() {
            cluster.stop().await.map_err(|error| BenchError::part("PostgreSQL")(error.into()))?;
        }
        Ok(())
    }
}

impl Plugin {
    async fn prepare(scratch: &Path) -> Result<Self, BenchError> {
        let python = PathBuf::from(PYTHON);
        let root = PythonRoot::build(&python, &scratch.join("roots"))
            .map_err(|error| BenchError::part("python root")(error.into()))?;
        let sandbox = NativeSandbox::open(NativeConfig::new(root))
            .await
            .map_err(|error| BenchError::part("sandbox")(error.into()))?;
        let packages = packages(&python, scratch).await?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/round_trip/__main__.py");
        let folder = scratch.join("plugin");
        std::fs::create_dir(&folder)?;
        std::fs::copy(source, folder.join("__main__.py"))?;
        Ok(Self { sandbox, python, folder, packages })
    }
}

async fn packages(python: &Path, scratch: &Path) -> Result<PathBuf, BenchError> {
    let path = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default();
    let uv = std::env::split_paths(&path)
        .map(|folder| folder.join("uv"))
        .find(|file| file.is_file())
        .ok_or_else(|| BenchError::Plugin("needs uv on PATH: run `make bench`".to_owned()))?;
    let builder = Builder::new(BuilderConfig {
        uv,
        python: python.to_owned(),
        cache: scratch.join("packages"),
        default_sdk: "yourbot-sdk==0.10.1".to_owned(),
        environment: std::env::vars().collect(),
        file_hosts: Vec::new(),
        walls: Jail::new(scratch.join("roots")).into(),
    })
    .map_err(|error| BenchError::part("builder")(error.into()))?;
    let built = builder.build(None, None).await.map_err(|error| BenchError::part("builder")(error.into()))?;
    Ok(built.directory)
}
