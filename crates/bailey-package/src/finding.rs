//! What was found wrong with a package: a stable code, a sentence, where, and a way forward.

use std::fmt;

use serde::Serialize;

use crate::limits;

/// Whether a finding stops the package from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The package cannot be used.
    Error,
    /// The package works, but probably not as its author thinks.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The kinds of findings. Codes are stable: tools may match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// The code as tools see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// The zip cannot be opened, or an entry of it cannot be read.
    ArtifactUnreadable = "artifact_unreadable",
    /// The packed archive, the unpacked files or one special file is too large.
    TooLarge = "too_large",
    /// More files or folders than a package may have.
    TooManyFiles = "too_many_files",
    /// An entry needs a password.
    EntryEncrypted = "entry_encrypted",
    /// An entry's name is absolute, leaves the package or is not a plain relative path.
    EntryName = "entry_name",
    /// Two entries would be the same file, also on a disk that ignores case.
    EntryDuplicate = "entry_duplicate",
    /// An entry is a symbolic link, a device or anything else that is no regular file.
    EntryNotRegular = "entry_not_regular",
    /// A folder or a file of it cannot be read.
    DirectoryUnreadable = "directory_unreadable",
    /// `__main__.py` is missing.
    MissingEntryPoint = "missing_entry_point",
    /// `manifest.json` is missing.
    MissingManifest = "missing_manifest",
    /// `manifest.json` is not UTF-8, or begins with a byte order mark (a warning).
    ManifestEncoding = "manifest_encoding",
    /// `manifest.json` is not JSON.
    ManifestInvalidJson = "manifest_invalid_json",
    /// The top level of `manifest.json` is no object.
    ManifestNotObject = "manifest_not_object",
    /// `id`, `name` or `version` is missing or empty.
    ManifestMissingField = "manifest_missing_field",
    /// A field has the wrong type.
    ManifestFieldType = "manifest_field_type",
    /// `id` is not a plugin id.
    ManifestPluginId = "manifest_plugin_id",
    /// The description is very long.
    DescriptionTooLong = "description_too_long",
    /// A list of capabilities is no list.
    CapabilitiesNotList = "capabilities_not_list",
    /// An item in a list of capabilities is no text.
    CapabilityMalformed = "capability_malformed",
    /// A capability nobody knows; it grants nothing.
    CapabilityUnknown = "capability_unknown",
    /// `slash_commands` is no list.
    CommandDefinitionsNotList = "command_defs_not_list",
    /// A slash command is no object or has no name.
    CommandMalformed = "command_def_malformed",
    /// A slash command's name holds capitals.
    CommandNotLowercase = "command_name_not_lowercase",
    /// A slash command's name is not one Discord takes.
    CommandNameInvalid = "command_name_invalid",
    /// Two slash commands share a name.
    CommandDuplicate = "command_name_duplicate",
    /// More slash commands than Discord takes.
    CommandTooMany = "command_too_many",
    /// A handler's name holds capitals, so no event ever reaches it.
    CommandHandlerNotLowercase = "command_handler_not_lowercase",
    /// A handler has no entry in the manifest; a plain one was added for it.
    CommandNotDeclared = "command_not_declared",
    /// `cron` is no list.
    CronNotList = "cron_not_list",
    /// More schedules than a plugin may have.
    CronTooMany = "cron_too_many",
    /// A schedule is no object, or lacks `spec` or `name`.
    CronEntryMalformed = "cron_entry_malformed",
    /// A schedule's name is not one a function can have.
    CronNameInvalid = "cron_name_invalid",
    /// Two schedules share a name.
    CronNameDuplicate = "cron_name_duplicate",
    /// A schedule's times cannot be read.
    CronSpecInvalid = "cron_spec_invalid",
    /// A schedule is due more often than it may be.
    CronSpecTooFrequent = "cron_spec_too_frequent",
    /// A function for a schedule has no entry in the manifest.
    CronTaskNotInManifest = "cron_task_not_in_manifest",
    /// A function is to be called at intervals, which no process waits for.
    ScheduleTaskNeverRuns = "schedule_task_never_runs",
    /// A schedule has no function, though others have.
    CronMissingTask = "cron_missing_task",
    /// No schedule has a function that can be seen.
    CronTasksNotFound = "cron_tasks_not_found",
    /// A host is not a bare name or address that may be asked for.
    ProxyDomainInvalid = "proxy_domain_invalid",
    /// More hosts than a manifest may ask for.
    ProxyDomainsTooMany = "proxy_domains_too_many",
    /// `sql.isolation` is neither `shared` nor `dedicated`.
    SqlIsolationUnknown = "sql_isolation_unknown",
    /// `requirements.txt` is not UTF-8.
    RequirementsEncoding = "requirements_encoding",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it stops the package from being used.
    pub severity: Severity,
    /// What kind it is.
    pub code: Code,
    /// One sentence for the author.
    pub message: String,
    /// The file it is about, relative to the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: Severity::Error, code, message, path: None, line: None, column: None, hint: None }
    }

    pub(crate) fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(crate) fn position(mut self, line: usize, column: usize) -> Self {
        self.line = Some(line).filter(|line| *line > 0);
        self.column = Some(column).filter(|column| *column > 0);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `manifest.json:3:5: [manifest_invalid_json] ...`, and the hint on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.escape_debug())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "[{}] {}", self.code, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Why a package cannot be used: at least one error, and the warnings met on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// The findings, in the order they were met.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        if self.0.len() < limits::FINDINGS {
            self.0.push(finding);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
