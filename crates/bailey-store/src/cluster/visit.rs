//! Reaching the private PostgreSQL that another Bailey runs, as one more client of it. Starts nothing,
//! stops nothing and takes no lock.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::NoTls;

use super::{ClusterError, LOOK_AGAIN, PLUGINS, config, postmaster, urls};
use crate::DatabaseUrls;

/// Time given to a server that is starting or stopping to become one or the other.
const VISIT_LIMIT: Duration = Duration::from_secs(15);

/// How to reach the databases of the server that runs in a data directory; `None` when none runs there.
///
/// # Errors
/// [`ClusterError`] when one runs and does not answer.
pub async fn visit(data_directory: &Path) -> Result<Option<DatabaseUrls>, ClusterError> {
    let data = data_directory.join("cluster");
    let deadline = Instant::now() + VISIT_LIMIT;
    let mut last = None;
    loop {
        let Some(found) = postmaster::running(&data)? else { return Ok(None) };
        // The note names the sockets only once there are any.
        if !found.socket_directory.as_os_str().is_empty() {
            match config(&found.socket_directory, PLUGINS, PLUGINS).connect(NoTls).await {
                Ok(_) => return Ok(Some(urls(&found.socket_directory))),
                Err(error) => last = Some(error),
            }
        }
        if Instant::now() >= deadline {
            return Err(ClusterError::NoAnswer { directory: data, source: last });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
