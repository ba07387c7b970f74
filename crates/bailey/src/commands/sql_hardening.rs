//! `bailey sql-hardening`: the script that closes the database of plugins' tables, for operators who run their
//! PostgreSQL themselves.

use std::io::Write;
use std::process::ExitCode;

use crate::error::CommandError;

pub(crate) fn run() -> Result<ExitCode, CommandError> {
    let script = bailey_services::sql::hardening();
    std::io::stdout()
        .write_all(script.as_bytes())
        .map_err(|error| CommandError::failed(format!("cannot print the script: {error}")))?;
    Ok(ExitCode::SUCCESS)
}
