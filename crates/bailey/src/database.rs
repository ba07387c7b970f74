//! The database of a run: the operator's, the private cluster in the data directory, or one that
//! lives as long as a scenario.

use std::path::PathBuf;

use bailey_store::{Cluster, ClusterConfig, DatabaseUrls};
use tempfile::TempDir;

use crate::error::{CommandError, chain};
use crate::places::Folders;

/// Which database a run keeps its data in.
pub(crate) enum Choice {
    /// A server somebody else runs.
    External(String),
    /// The private cluster in the data directory.
    Kept(PathBuf),
    /// A private cluster that is thrown away at the end.
    Throwaway,
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
            Choice::External(url) => {
                let urls =
                    DatabaseUrls::external(&url).map_err(|error| CommandError::usage(chain(&error)))?;
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
        Ok(Self { urls: cluster.urls(), cluster: Some(cluster), _scratch: scratch })
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
