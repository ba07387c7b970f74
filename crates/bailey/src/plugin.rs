//! From a path on the command line to code that can be started: read, check, unpack, build.

use std::path::Path;

use bailey_builder::{Builder, BuilderConfig, BuiltPackages, Jail, Walls};
use bailey_host::installation::PluginCode;
use bailey_package::Package;

use crate::cli::PluginOptions;
use crate::error::{CommandError, chain};
use crate::places::{Folders, environment};

/// The SDK of a plugin that names none. It also answers to the older name `mmo_maid_sdk`.
const DEFAULT_SDK: &str = "yourbot-sdk==0.10.1";

/// A checked plugin, ready to be installed.
pub(crate) struct LoadedPlugin {
    pub(crate) package: Package,
    pub(crate) code: PluginCode,
    /// Name and version of each Python package it runs with.
    pub(crate) dependencies: Vec<(String, String)>,
    /// Keeps the packages in the cache as long as they are in use.
    _packages: BuiltPackages,
}

/// Reads and checks a directory or a zip.
pub(crate) fn read(path: &Path) -> Result<Package, CommandError> {
    let shown = path.display();
    let metadata = std::fs::metadata(path)
        .map_err(|error| CommandError::usage(format!("cannot read the plugin {shown}: {error}")))?;
    let package = if metadata.is_dir() {
        Package::from_directory(path)
    } else if metadata.len() > bailey_package::limits::PACKED_BYTES as u64 {
        let most = bailey_package::limits::PACKED_BYTES;
        return Err(CommandError::usage(format!(
            "{shown} is larger than the {most} bytes a plugin's zip may have"
        )));
    } else {
        let bytes = std::fs::read(path)
            .map_err(|error| CommandError::usage(format!("cannot read the plugin {shown}: {error}")))?;
        Package::from_zip(&bytes)
    };
    package
        .map_err(|findings| CommandError::usage(format!("{shown} is not a plugin that can run:\n{findings}")))
}

/// Unpacks a package and builds what it requires; in a jail, unless the plugin itself gets no sandbox.
pub(crate) async fn load(
    package: Package,
    options: &PluginOptions,
    folders: &Folders,
    unsafe_bare: bool,
) -> Result<LoadedPlugin, CommandError> {
    let plugin_dir = folders.plugin(&package.content_hash);
    package.unpack_to(&plugin_dir).map_err(|error| {
        CommandError::failed(format!("cannot unpack the plugin to {}: {error}", plugin_dir.display()))
    })?;
    let builder = Builder::new(BuilderConfig {
        uv: uv(options)?,
        python: options.python.clone(),
        cache: folders.packages(),
        default_sdk: DEFAULT_SDK.to_owned(),
        environment: inherited_environment(),
        file_hosts: options.package_file_host.clone(),
        walls: if unsafe_bare {
            Walls::None
        } else {
            Jail { cgroup_parent: folders.control_group.clone(), ..Jail::new(folders.roots()) }.into()
        },
    })
    .map_err(|error| CommandError::failed(chain(&error)))?;
    let built =
        builder.build(package.requirements.as_deref(), options.sdk.as_deref()).await.map_err(|error| {
            CommandError::failed(format!("cannot prepare the plugin's packages: {}", chain(&error)))
        })?;
    Ok(LoadedPlugin {
        package,
        code: PluginCode { plugin_dir, packages_dir: Some(built.directory.clone()) },
        dependencies: built.packages.clone(),
        _packages: built,
    })
}

/// The uv that was named, else the first on PATH.
fn uv(options: &PluginOptions) -> Result<std::path::PathBuf, CommandError> {
    if let Some(uv) = &options.uv {
        return Ok(uv.clone());
    }
    let path = environment("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("uv")).find(|file| file.is_file()).ok_or_else(
        || {
            CommandError::usage(
                "uv is needed to prepare a plugin's packages and is not on PATH: install it \
             (scripts/setup.sh puts it into .tools/bin), or name it with --uv",
            )
        },
    )
}

/// What the builder may choose from; it passes on little of it.
fn inherited_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
