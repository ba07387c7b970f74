//! Asks an interpreter what it is: packages and bytecode fit one Python only.

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use crate::error::BuildError;
use crate::{limits, output};

/// Everything that decides which wheels fit and whether bytecode is valid. Isolated, without
/// `site`: nothing of the machine's own packages takes part.
const QUESTION: &str = "\
import importlib.util, json, platform, sys, sysconfig
print(json.dumps({
    'version': platform.python_version(),
    'identity': [sys.version, sys.implementation.cache_tag, sysconfig.get_config_var('SOABI'),
                 sysconfig.get_platform(), importlib.util.MAGIC_NUMBER.hex()],
    'modules': sorted(sys.stdlib_module_names),
}))";

/// What an interpreter says about itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Interpreter {
    /// For example `3.11.2`.
    pub(crate) version: String,
    identity: serde_json::Value,
    /// The top-level names of the standard library.
    pub(crate) modules: HashSet<String>,
}

impl Interpreter {
    pub(crate) async fn ask(path: &Path) -> Result<Self, BuildError> {
        let failed = |why: String| BuildError::Interpreter { path: path.to_path_buf(), why };
        #[expect(clippy::disallowed_methods, reason = "the builder asks the interpreter it builds for")]
        let mut command = Command::new(path);
        command.args(["-I", "-S", "-B", "-c", QUESTION]).env_clear().stdin(Stdio::null());
        let run = output::run(&mut command, limits::LOCK_BYTES);
        let output = tokio::time::timeout(limits::INTERPRETER_DEADLINE, run)
            .await
            .map_err(|_| failed("it did not answer".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        if !output.success {
            return Err(failed(output.words));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(format!("it answered strangely: {error}")))
    }

    /// Tells interpreters apart whose packages must not be mixed.
    pub(crate) fn identity(&self) -> String {
        self.identity.to_string()
    }
}
