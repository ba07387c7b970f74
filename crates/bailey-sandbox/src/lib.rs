//! Starts, limits, watches and kills one untrusted process.
//!
//! It knows nothing of what flows over the pipes and nothing of plugins beyond "a folder with a
//! `__main__.py`". All `unsafe` of the house lives here, in small blocks.
//!
//! Start reading at [`NativeSandbox::spawn`], then [`launcher`], where the walls go up in order.
//! [`DockerSandbox`] asks a Docker daemon for the same walls.
//! [`escape`] is what a plugin could try against them, and [`survey()`] and [`survey_docker()`] how each
//! fares on a machine.
//! A program that uses this crate calls [`launcher::run_if_requested`] first thing in `main`.

mod bare;
mod cgroup;
mod config;
mod docker;
mod error;
pub mod escape;
mod exit;
mod identity;
mod janitor;
pub mod launcher;
pub mod limits;
mod local;
mod native;
mod probe;
mod process;
pub mod root;
mod sandbox;
mod seccomp_table;
mod spawner;
mod spec;
mod start;
mod survey;
mod tool;

pub use bare::{BareConfig, BareSandbox};
pub use config::{CgroupParent, DEFAULT_UID_RANGE, Launcher, NativeConfig};
pub use docker::{DEFAULT_SOCKET, DockerConfig, DockerFacts, DockerSandbox, DockerSurvey, survey_docker};
pub use error::{Layer, LayerError, SpawnError};
pub use exit::Exit;
pub use limits::Limits;
pub use native::NativeSandbox;
pub use process::{Memory, Process, Stdio};
pub use root::{PythonRoot, RootError};
pub use sandbox::Sandbox;
pub use spec::{PACKAGES_MOUNT, PLUGIN_MOUNT, ProcessSpec};
pub use survey::{LayerFinding, LayerState, Survey, survey};
pub use tool::{Access, DEFAULT_TOOL_UID, Shown, Tool, ToolConfig, ToolSandbox, ToolSpec};
