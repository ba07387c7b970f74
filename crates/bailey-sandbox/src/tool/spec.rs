//! One tool to start: which program, what it sees, what it may use.

use std::{ffi::OsString, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// What a tool may do with something it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Read it.
    Read,
    /// Read and write below it; never execute. The writer is [`crate::ToolSandbox::writer`].
    Write,
    /// Read it and execute it.
    Execute,
}

/// A file or folder of the host that a tool sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where the tool sees it: an absolute path in a top folder of its own, such as `/work`.
    pub place: PathBuf,
    /// What the tool may do with it.
    pub access: Access,
}

impl Shown {
    /// Something of the host at a place inside.
    pub fn new(source: impl Into<PathBuf>, place: impl Into<PathBuf>, access: Access) -> Self {
        Self { source: source.into(), place: place.into(), access }
    }
}

/// One tool to start.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    /// Names it in logs and in its control group.
    pub label: String,
    /// The program, as a path inside: the interpreter, or something shown with [`Access::Execute`].
    pub program: PathBuf,
    /// Arguments after the program's name.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    /// What it sees besides the interpreter, its library, `/tmp`, `/proc` and two devices.
    pub shown: Vec<Shown>,
    /// Its working directory, inside.
    pub folder: PathBuf,
    /// The port of its loopback that the host answers. Without one it has no network at all.
    pub port: Option<u16>,
    /// What it may use.
    pub limits: Limits,
}

impl ToolSpec {
    /// A program that sees nothing but the root, without network or environment.
    pub fn new(label: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            label: label.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            shown: Vec::new(),
            folder: "/tmp".into(),
            port: None,
            limits: Limits::default(),
        }
    }
}
