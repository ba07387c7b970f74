//! How a Docker daemon fares on this machine: for the operator who wants to know what to change.

use super::{
    DockerConfig, DockerSandbox,
    daemon::{self, DockerFacts},
};
use crate::error::{Layer, LayerError};

/// What the look at a daemon found.
#[derive(Debug)]
pub struct DockerSurvey {
    /// What it says of itself; `None` if it does not answer.
    pub daemon: Option<DockerFacts>,
    /// The walls that opening a sandbox proves, in the order in which it does.
    pub layers: Vec<Layer>,
    /// The sandbox behind all of them, or the first that could not be put up: a container starts with
    /// all its walls or not at all, so there is no going on as [`crate::survey()`] does.
    pub opened: Result<DockerSandbox, LayerError>,
}

/// What gVisor tells nothing of, from inside.
const NOT_TOLD_BY_GVISOR: &[Layer] = &[Layer::NoNewPrivileges, Layer::ResourceLimits];

/// Opens a sandbox, and says what was proven on the way.
pub async fn survey_docker(config: DockerConfig) -> DockerSurvey {
    let asked = daemon::ask(&config.socket, config.runtime.as_deref()).await;
    let is_gvisor = asked.as_ref().is_ok_and(|facts| facts.is_gvisor);
    let layers = [
        Layer::Daemon,
        Layer::CgroupLimits,
        Layer::Image,
        Layer::ParentDeath,
        Layer::Program,
        Layer::Seccomp,
        Layer::NoNewPrivileges,
        Layer::Capabilities,
        Layer::Namespaces,
        Layer::Identity,
        Layer::FileSystem,
        Layer::Tmp,
        Layer::ResourceLimits,
    ];
    let layers =
        layers.into_iter().filter(|layer| !is_gvisor || !NOT_TOLD_BY_GVISOR.contains(layer)).collect();
    match asked {
        Ok(facts) => DockerSurvey { daemon: Some(facts), layers, opened: DockerSandbox::open(config).await },
        Err(error) => DockerSurvey { daemon: None, layers, opened: Err(error) },
    }
}
