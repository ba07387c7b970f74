//! `cron`: when a plugin wants to be told the time.

use bailey_protocol::limits;
use bailey_protocol::schedule::{CronError, CronSpec, Missed, Schedule};
use serde_json::{Map, Value};

use super::{Fields, PATH, kind};
use crate::finding::{Code, Finding, Findings};

/// Words of Python no function can be called by.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// The schedules of a manifest that was checked before, such as one that was recorded: those that can be read.
pub fn schedules_of(document: &Map<String, Value>) -> Vec<Schedule> {
    Fields { document, findings: &mut Findings::default(), failed: false }.schedules()
}

impl Fields<'_> {
    pub(super) fn schedules(&mut self) -> Vec<Schedule> {
        let mut schedules: Vec<Schedule> = Vec::new();
        let items = match self.document.get("cron") {
            None | Some(Value::Null) => return schedules,
            Some(Value::Array(items)) => items,
            Some(other) => {
                let message = format!("`cron` must be a list, not {}.", kind(other));
                let hint = "write `\"cron\": [{\"spec\": \"0 9 * * *\", \"name\": \"daily\"}]`";
                self.error(Finding::error(Code::CronNotList, message).hint(hint));
                return schedules;
            }
        };
        if items.len() > limits::CRON_SCHEDULES {
            let most = limits::CRON_SCHEDULES;
            let message = format!("{} schedules are declared; a plugin may have {most}.", items.len());
            self.error(
                Finding::error(Code::CronTooMany, message).hint("let one function do the work of several"),
            );
        }
        for item in items.iter().take(limits::CRON_SCHEDULES) {
            match read(item) {
                Ok(schedule) if schedules.iter().any(|earlier| earlier.name == schedule.name) => {
                    let message = format!("Schedule `{}` is declared twice.", schedule.name);
                    self.error(
                        Finding::error(Code::CronNameDuplicate, message)
                            .hint("give each a function of its own"),
                    );
                }
                Ok(schedule) => schedules.push(schedule),
                Err(finding) => self.error(finding.at(PATH)),
            }
        }
        schedules
    }
}

fn read(item: &Value) -> Result<Schedule, Finding> {
    let text =
        |name: &str| item.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let (Some(spec), Some(name)) = (text("spec"), text("name")) else {
        let message = "A schedule needs both `spec` and `name`.";
        let hint = "write `{\"spec\": \"0 9 * * *\", \"name\": \"daily\"}`";
        return Err(Finding::error(Code::CronEntryMalformed, message).hint(hint));
    };
    let shown: String = name.chars().take(80).collect();
    if !is_identifier(name) {
        let message = format!("`{}` cannot be a function name.", shown.escape_debug());
        let hint = "the name is that of the function: letters, digits and _, not starting with a digit";
        return Err(Finding::error(Code::CronNameInvalid, message).hint(hint));
    }
    let spec = spec.parse::<CronSpec>().map_err(|error| match error {
        CronError::TooOften => {
            let minutes = limits::CRON_EVERY.as_secs() / 60;
            let message = format!("Schedule `{shown}` may run more often than every {minutes} minutes.");
            Finding::error(Code::CronSpecTooFrequent, message)
                .hint("minutes that follow each other, also over the full hour, lie at least that far apart")
        }
        error => Finding::error(Code::CronSpecInvalid, format!("Schedule `{shown}`: {error}."))
            .hint("minute hour day month weekday in UTC, such as `0 9 * * 1-5`; Sunday is 0; no names"),
    })?;
    let missed = match item.get("missed") {
        None | Some(Value::Null) => Missed::default(),
        Some(Value::String(text)) if text == Missed::Skip.as_str() => Missed::Skip,
        Some(Value::String(text)) if text == Missed::RunOnce.as_str() => Missed::RunOnce,
        Some(_) => {
            let message = format!("Schedule `{shown}`: `missed` must be \"skip\" or \"run_once\".");
            let hint = "leave it out for \"skip\": a time at which Bailey did not run is not made up for";
            return Err(Finding::error(Code::CronEntryMalformed, message).hint(hint));
        }
    };
    Ok(Schedule { name: name.to_owned(), spec, missed })
}

/// Whether Python takes it for the name of a function.
fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|first| first == '_' || first.is_alphabetic());
    first
        && name.chars().count() <= limits::CRON_NAME_CHARACTERS
        && characters.all(|character| character == '_' || character.is_alphanumeric())
        && !KEYWORDS.contains(&name)
}
