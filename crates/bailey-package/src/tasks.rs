//! Functions for schedules that only the code or only the manifest names: `@plugin.cron("0 9 * * *")` and `cron`.
//!
//! Nothing here stops a plugin: the code is read by pattern, and what is not written plainly is not seen.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::finding::{Code, Finding, Findings};
use crate::manifest::Manifest;
use crate::package::PackageFile;

/// A function with `@plugin.cron("...")`, perhaps with a remark behind it, and more decorators, remarks or empty lines
/// before the `def`.
static TASK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let decorator = r#"^[ \t]*@\w+\.cron\(\s*(?:"[^"\n]*"|'[^'\n]*')\s*,?\s*\)[ \t]*(?:#[^\n]*)?\r?\n"#;
    let between = r"(?:[ \t]*(?:[@#][^\n]*)?\r?\n)*";
    Regex::new(&format!(r"(?m){decorator}{between}[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)")).ok()
});

/// A function that is called every so many seconds, by the SDK itself.
static INTERVAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^[ \t]*@\w+\.schedule\(").ok());

/// A function that is told of every schedule, as with SDKs before 0.8.4.
static EVERY_SCHEDULE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?m)^[ \t]*@\w+\.on_event\(\s*(?:"cron"|'cron')"#).ok());

/// Warns of schedules nobody is called for, and of functions nobody calls.
pub(crate) fn compare(files: &[PackageFile], manifest: &Manifest, findings: &mut Findings) {
    let tasks = task_names(files);
    let declared = |name: &str| manifest.schedules.iter().any(|schedule| schedule.name == name);
    for name in tasks.iter().filter(|name| !declared(name)) {
        let message =
            format!("`{name}` is scheduled in code but not in the manifest, so it will not run here.");
        let hint = format!("add {{\"spec\": \"...\", \"name\": \"{name}\"}} to `cron` in manifest.json");
        findings.push(Finding::warning(Code::CronTaskNotInManifest, message).hint(hint));
    }
    if any(files, &INTERVAL) {
        let message = "Interval tasks (`@plugin.schedule`) do not run here.";
        let hint =
            "a plugin's process is there only while there is something to do; declare the times in `cron`";
        findings.push(Finding::warning(Code::ScheduleTaskNeverRuns, message).hint(hint));
    }
    if any(files, &EVERY_SCHEDULE) {
        return;
    }
    let mut alone = manifest.schedules.iter().filter(|schedule| !tasks.contains(&schedule.name)).peekable();
    if tasks.is_empty() && alone.peek().is_some() {
        let message =
            "No function with `@plugin.cron(\"...\")` was found; the names of the schedules are unchecked.";
        let hint = "give each function the name of its schedule, or take all of them with `@plugin.on_event(\"cron\")`";
        findings.push(Finding::warning(Code::CronTasksNotFound, message).hint(hint));
        return;
    }
    for schedule in alone {
        let name = &schedule.name;
        let message = format!("Schedule `{name}` fires, but no cron function has that name.");
        let hint = format!("write `@plugin.cron(\"{}\")` above `def {name}(ctx):`", schedule.spec);
        findings.push(Finding::warning(Code::CronMissingTask, message).hint(hint));
    }
}

fn sources(files: &[PackageFile]) -> impl Iterator<Item = &PackageFile> {
    files.iter().filter(|file| file.path.ends_with(".py"))
}

fn any(files: &[PackageFile], pattern: &LazyLock<Option<Regex>>) -> bool {
    pattern.as_ref().is_some_and(|pattern| sources(files).any(|file| pattern.is_match(&file.bytes)))
}

fn task_names(files: &[PackageFile]) -> BTreeSet<String> {
    let Some(task) = TASK.as_ref() else { return BTreeSet::new() };
    sources(files)
        .flat_map(|file| task.captures_iter(&file.bytes))
        .filter_map(|found| found.get(1))
        .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
        .collect()
}
