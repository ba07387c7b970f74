//! `bailey doctor`: may untrusted plugins run on this machine, and if not, what is to change?
//!
//! It has every wall of the chosen sandbox put up, then lets a plugin try to get out.
//! [`may_run_untrusted`] is the same question for those who are about to run one.

mod advice;
mod host;
mod report;

use std::io::Write;
use std::process::ExitCode;

use bailey_sandbox::escape::{ATTACKS, Attack, Verdict, attempt_all};
use bailey_sandbox::{
    DockerConfig, Layer, LayerFinding, LayerState, NativeConfig, NativeSandbox, PythonRoot, Sandbox, survey,
    survey_docker,
};

use self::report::{AttackRow, LayerRow, Report};
use crate::cli::{Doctor, SandboxChoice, SandboxOptions};
use crate::error::{CommandError, chain};
use crate::places::{Folders, roots_in};

/// Attempts at once: enough to keep the processors of a small machine busy.
const AT_ONCE: usize = 4;

/// Examines this machine and says what it found; exit code 1 if untrusted code must not run here.
pub(crate) async fn run(options: Doctor) -> Result<ExitCode, CommandError> {
    let report = examine(&options).await?;
    let text = if options.json { report.json() } else { report.words(options.full) };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| CommandError::failed(format!("cannot print what was found: {error}")))?;
    Ok(if report.untrusted_code { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Refuses unless every attack of the quick form is held in this sandbox. Takes a few seconds.
pub(crate) async fn may_run_untrusted(sandbox: &Sandbox) -> Result<(), CommandError> {
    let verdicts = attempt_all(sandbox, chosen(false), AT_ONCE, |_, _| ()).await;
    let lost: Vec<String> = verdicts
        .iter()
        .filter(|(attack, verdict)| {
            !verdict.is_held() && known_difference(sandbox, attack, verdict).is_none()
        })
        .map(|(attack, verdict)| format!("{} ({}): {verdict}", attack.name, attack.claim))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "untrusted plugins must not run on this machine: the sandbox does not hold {}; hint: `bailey doctor`, with the same flags, says more",
        lost.join("; ")
    )))
}

/// Why this verdict is no way out, if it is one that a container is known to have.
fn known_difference(sandbox: &Sandbox, attack: &Attack, verdict: &Verdict) -> Option<&'static str> {
    let difference = attack.container.filter(|_| matches!(sandbox, Sandbox::Docker(_)))?;
    difference.explains(verdict).then_some(difference.reason)
}

async fn examine(options: &Doctor) -> Result<Report, CommandError> {
    let roots = roots_in(&Folders::cache_of(&options.places)?);
    let python = options.python.clone();
    let root = tokio::task::spawn_blocking(move || PythonRoot::build(&python, &roots))
        .await
        .map_err(|error| CommandError::failed(format!("building the sandbox's Python failed: {error}")))?;

    let mut report = Report::new(options.sandbox.sandbox);
    report.host.push(host::kernel());
    let python = host::python(&options.python, &root);
    if let Ok(root) = root {
        match options.sandbox.sandbox {
            SandboxChoice::Native => native(options, root, &mut report).await,
            SandboxChoice::Docker => docker(options, root, &mut report).await,
        }
    }
    report.host.push(host::identity(options.sandbox.sandbox, &Folders::sandbox_uids_of(&options.places)));
    report.host.push(python);
    report.host.push(host::postgresql(options.places.database_url.is_some()).await);
    Ok(report.finish())
}

/// Each wall that we put up ourselves, and then the attacks.
async fn native(options: &Doctor, root: PythonRoot, report: &mut Report) {
    let facts = advice::Facts::of_this_machine();
    let uid_range = Folders::sandbox_uids_of(&options.places);
    let cgroup_parent = Folders::control_group_of(&options.places);
    let config = NativeConfig { uid_range, cgroup_parent, ..NativeConfig::new(root) };
    let survey = survey(config.clone()).await;
    report.host.push(host::control_groups(survey.control_groups.as_ref()));
    report.host.push(host::landlock(survey.landlock));
    for finding in &survey.layers {
        let advice = || match &options.places.control_group {
            Some(group) if finding.layer == Layer::CgroupLimits => advice::make_group(group),
            _ => advice::advice(finding.layer, &facts),
        };
        report.layers.push(LayerRow::new(finding, advice));
    }
    if !survey.is_sound() {
        return;
    }
    match NativeSandbox::open(config).await {
        Ok(native) => attack(options, &Sandbox::Native(native), report).await,
        // Every wall went up, and then the look from inside found a gap.
        Err(error) => report.fails(error.layer, &chain(&error), advice::advice(error.layer, &facts)),
    }
}

/// What the daemon is, the walls it puts up, and then the attacks.
async fn docker(options: &Doctor, root: PythonRoot, report: &mut Report) {
    let SandboxOptions { docker_socket, docker_runtime, .. } = options.sandbox.clone();
    let uid_range = Folders::sandbox_uids_of(&options.places);
    let config = DockerConfig {
        socket: docker_socket.clone(),
        runtime: docker_runtime,
        uid_range,
        ..DockerConfig::new(root)
    };
    let survey = survey_docker(config).await;
    if let Some(daemon) = &survey.daemon {
        report.host.extend(host::docker(daemon, &docker_socket));
    }
    for layer in survey.layers {
        let state = match &survey.opened {
            Ok(_) => LayerState::Stands,
            // The daemon answers, and the wall that fails is another.
            Err(error) if layer == Layer::Daemon && error.layer != layer => LayerState::Stands,
            Err(_) => LayerState::NotTried,
        };
        report.layers.push(LayerRow::new(&LayerFinding { layer, state }, String::new));
    }
    match survey.opened {
        Ok(docker) => attack(options, &Sandbox::Docker(docker), report).await,
        Err(error) => report.fails(error.layer, &error.reason, error.hint),
    }
}

/// Lets a plugin try to get out.
async fn attack(options: &Doctor, sandbox: &Sandbox, report: &mut Report) {
    let verdicts = attempt_all(sandbox, chosen(options.full), AT_ONCE, |_, _| ()).await;
    let rows = verdicts
        .iter()
        .map(|(attack, verdict)| AttackRow::new(attack, verdict, known_difference(sandbox, attack, verdict)));
    report.attacks = rows.collect();
    sandbox.settle().await;
}

/// The whole catalogue, or the quick form.
fn chosen(full: bool) -> impl Iterator<Item = &'static Attack> {
    ATTACKS.iter().filter(move |attack| full || attack.quick)
}

#[cfg(test)]
mod tests {
    use bailey_sandbox::{BareConfig, BareSandbox};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn without_a_sandbox_nothing_untrusted_may_run() {
        let bare = Sandbox::Bare(BareSandbox::new(BareConfig { python: "/usr/bin/python3".into() }));
        let error = may_run_untrusted(&bare).await.unwrap_err().to_string();
        assert!(error.starts_with("untrusted plugins must not run on this machine: "), "{error}");
        for attack in chosen(false) {
            assert!(
                error.contains(&format!("{} ({}): OPEN", attack.name, attack.claim)),
                "{}: {error}",
                attack.name
            );
        }
    }
}
