//! The database of a run: the operator's, the private cluster in the data directory, or one that
//! lives as long as a scenario.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bailey_store::{Cluster, ClusterConfig, ClusterError, DatabaseUrls};
use tempfile::TempDir;

use crate::cli::Places;
use crate::error::{CommandError, chain};
use crate::places::Folders;

/// Time between two looks at a server that another Bailey is starting or stopping.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Which database a run keeps its data in.
pub(crate) enum Choice {
    /// A server somebody else runs: its URL, and that of the database of plugins' tables.
    External(String, Option<String>),
    /// The private cluster in the data directory.
    Kept(PathBuf),
    /// A private cluster that is thrown away at the end.
    Throwaway,
}

impl Choice {
    /// The operator's server where they named one, else `otherwise`.
    pub(crate) fn of(places: &Places, otherwise: Self) -> Self {
        let sql = places.sql_database_url.clone();
        places.database_url.clone().map_or(otherwise, |url| Self::External(url, sql))
    }
}

/// A database that can be used.
pub(crate) struct Database {
    /// How to reach it.
    pub(crate) urls: DatabaseUrls,
    cluster: Option<Cluster>,
    /// Removed after the cluster has stopped.
    _scratch: Option<TempDir>,
}

impl Database {
    /// Starts what has to be started.
    pub(crate) async fn start(choice: Choice, folders: &Folders) -> Result<Self, CommandError> {
        let (config, scratch) = match choice {
            Choice::External(url, sql) => {
                let unreadable = |error| CommandError::usage(chain(&error));
                let urls = DatabaseUrls::external(&url).map_err(unreadable)?;
                let urls = match sql {
                    Some(sql) => urls.with_sql(&sql).map_err(unreadable)?,
                    None => urls,
                };
                return Ok(Self { urls, cluster: None, _scratch: None });
            }
            Choice::Kept(directory) => (ClusterConfig::kept(directory), None),
            Choice::Throwaway => {
                let scratch = tempfile::Builder::new()
                    .prefix("bailey-try-")
                    .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
                    .tempdir()
                    .map_err(|error| {
                        CommandError::failed(format!("cannot make a scratch folder: {error}"))
                    })?;
                (ClusterConfig::throwaway(scratch.path(), folders.cluster_template()), Some(scratch))
            }
        };
        let cluster = Cluster::start(config).await.map_err(|error| CommandError::failed(chain(&error)))?;
        cluster
            .administer_sql(&bailey_services::sql::hardening())
            .await
            .map_err(|error| CommandError::failed(chain(&error)))?;
        Ok(Self { urls: cluster.urls(), cluster: Some(cluster), _scratch: scratch })
    }

    /// A server somebody else runs.
    fn external(url: &str) -> Result<Self, CommandError> {
        let urls = DatabaseUrls::external(url).map_err(|error| CommandError::usage(chain(&error)))?;
        Ok(Self { urls, cluster: None, _scratch: None })
    }

    /// The database of a Bailey that may be running: the operator's where they named one, else the private
    /// one in the data directory.
    pub(crate) async fn reach(places: &Places) -> Result<Self, CommandError> {
        match &places.database_url {
            Some(url) => Self::external(url),
            None => Self::visit(&Folders::data_of(places)?).await,
        }
    }

    /// Reaches what is there already: the server of a Bailey that runs in the data directory, as one more
    /// client of it. When none runs there but one did, the server is started until [`Database::stop`].
    async fn visit(data_directory: &Path) -> Result<Self, CommandError> {
        let failed = |error: ClusterError| CommandError::failed(chain(&error));
        loop {
            if let Some(urls) = bailey_store::visit(data_directory).await.map_err(failed)? {
                return Ok(Self { urls, cluster: None, _scratch: None });
            }
            if !data_directory.join("cluster").exists() {
                return Err(CommandError::failed(format!(
                    "no Bailey has kept anything in {}; hint: name the --data-dir or --database-url that `bailey serve` or `bailey dev` was given",
                    data_directory.display()
                )));
            }
            match Cluster::start(ClusterConfig::kept(data_directory)).await {
                Ok(cluster) => {
                    return Ok(Self { urls: cluster.urls(), cluster: Some(cluster), _scratch: None });
                }
                // One is starting, or stopping, at this moment: its server comes or it goes.
                Err(ClusterError::InUse { .. }) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Whether the server is ours to stop.
    pub(crate) fn is_ours(&self) -> bool {
        self.cluster.is_some()
    }

    /// Stops what was started.
    pub(crate) async fn stop(self) {
        if let Some(cluster) = self.cluster
            && let Err(error) = cluster.stop().await
        {
            tracing::warn!("the private PostgreSQL: {}", chain(&error));
        }
    }
}
