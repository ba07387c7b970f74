//! What was found, as a table for people and as JSON for programs. The JSON is described in
//! docs/guides/host-setup.md; fields are added, never renamed.

use bailey_sandbox::escape::{ATTACKS, Attack, Verdict};
use bailey_sandbox::{Layer, LayerFinding, LayerState};
use serde::Serialize;

use crate::cli::SandboxChoice;

/// All that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Bailey's version.
    version: &'static str,
    /// Who puts up the walls: `native` or `docker`.
    sandbox: &'static str,
    /// Whether untrusted code may run here.
    pub(super) untrusted_code: bool,
    pub(super) host: Vec<HostRow>,
    pub(super) layers: Vec<LayerRow>,
    /// Empty when a layer fails.
    pub(super) attacks: Vec<AttackRow>,
}

/// One thing about the machine.
#[derive(Debug, Serialize)]
pub(super) struct HostRow {
    check: &'static str,
    state: State,
    found: String,
    change: Option<String>,
}

/// How one thing about the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Not there, and untrusted code can run all the same.
    Missing,
    /// Not as it must be.
    Fails,
}

/// One wall.
#[derive(Debug, Serialize)]
pub(super) struct LayerRow {
    layer: Layer,
    state: &'static str,
    reason: Option<String>,
    change: Option<String>,
}

/// One attack.
#[derive(Debug, Serialize)]
pub(super) struct AttackRow {
    name: &'static str,
    group: &'static str,
    claim: &'static str,
    verdict: &'static str,
    detail: Option<String>,
}

impl HostRow {
    pub(super) fn new(check: &'static str, state: State, found: String) -> Self {
        Self { check, state, found, change: None }
    }

    pub(super) fn with_change(self, change: Option<String>) -> Self {
        Self { change, ..self }
    }
}

impl LayerRow {
    /// `advice` is asked only when the wall fails.
    pub(super) fn new(finding: &LayerFinding, advice: impl FnOnce() -> String) -> Self {
        let (state, reason, change) = match &finding.state {
            LayerState::Stands => ("stands", None, None),
            LayerState::Fails(reason) => ("fails", Some(reason.clone()), Some(advice())),
            LayerState::NotTried => ("not-tried", None, None),
        };
        Self { layer: finding.layer, state, reason, change }
    }
}

impl AttackRow {
    /// `known`: why it is no way out although it is not held, if so.
    pub(super) fn new(attack: &Attack, verdict: &Verdict, known: Option<&'static str>) -> Self {
        let detail = match (verdict, known) {
            (Verdict::Held, _) => None,
            (_, Some(reason)) => Some(reason.to_owned()),
            (Verdict::Open(detail) | Verdict::Broken(detail), None) => Some(detail.clone()),
        };
        Self {
            name: attack.name,
            group: attack.group.name(),
            claim: attack.claim,
            verdict: if known.is_some() { KNOWN } else { verdict.word() },
            detail,
        }
    }

    /// Whether it got nothing that matters.
    fn is_harmless(&self) -> bool {
        matches!(self.verdict, "held" | KNOWN)
    }
}

/// The verdict on what is known not to be held, and no way out.
const KNOWN: &str = "known";

impl Report {
    pub(super) fn new(sandbox: SandboxChoice) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            sandbox: match sandbox {
                SandboxChoice::Native => "native",
                SandboxChoice::Docker => "docker",
            },
            untrusted_code: false,
            host: Vec::new(),
            layers: Vec::new(),
            attacks: Vec::new(),
        }
    }

    /// Notes that a wall fails which seemed to stand, or was not tried for itself.
    pub(super) fn fails(&mut self, layer: Layer, reason: &str, change: String) {
        let failed =
            LayerRow { layer, state: "fails", reason: Some(reason.to_owned()), change: Some(change) };
        match self.layers.iter_mut().find(|row| row.layer == layer) {
            Some(row) => *row = failed,
            None => self.layers.push(failed),
        }
    }

    /// Decides. What was not tried does not count as safe.
    pub(super) fn finish(mut self) -> Self {
        self.untrusted_code = self.host.iter().all(|row| row.state != State::Fails)
            && !self.layers.is_empty()
            && self.layers.iter().all(|row| row.state == "stands")
            && !self.attacks.is_empty()
            && self.attacks.iter().all(AttackRow::is_harmless);
        self
    }

    /// One object and a line break.
    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The table.
    pub(super) fn words(&self, full: bool) -> String {
        let mut text = format!("Bailey {}, sandbox: {}\n\nHost\n", self.version, self.sandbox);
        for row in &self.host {
            let state = match row.state {
                State::Ok => "ok",
                State::Missing => "missing",
                State::Fails => "FAILS",
            };
            line(&mut text, state, row.check, &row.found, row.change.as_deref());
        }
        text.push_str("\nLayers\n");
        for row in &self.layers {
            let (state, more) = match row.state {
                "stands" => ("ok", ""),
                "fails" => ("FAILS", row.reason.as_deref().unwrap_or_default()),
                _ => ("not tried", "needs one that fails"),
            };
            line(&mut text, state, row.layer.name(), more, row.change.as_deref());
        }
        if self.layers.is_empty() {
            text.push_str("  none was tried: there is no Python to run behind them\n");
        }
        let which = if full { "all there are" } else { "the quick form; --full tries all" };
        let (tried, all) = (self.attacks.len(), ATTACKS.len());
        text.push_str(&format!("\nAttacks: a plugin tries to ({tried} of {all}: {which})\n"));
        for row in &self.attacks {
            let state = if row.is_harmless() { row.verdict } else { "OPEN" };
            let aim = row.claim.trim_start_matches("a plugin can ");
            line(&mut text, state, row.name, aim, row.detail.as_deref());
        }
        if self.attacks.is_empty() {
            text.push_str("  none was tried: every layer has to stand first\n");
        }
        text.push_str(&format!("\n{}\n", self.conclusion()));
        text
    }

    fn conclusion(&self) -> String {
        if self.untrusted_code {
            return "Untrusted plugins may run on this machine.".to_owned();
        }
        let hosts = self.host.iter().filter(|row| row.state == State::Fails).map(|row| row.check);
        let layers = self.layers.iter().filter(|row| row.state == "fails").map(|row| row.layer.name());
        let attacks = self.attacks.iter().filter(|row| !row.is_harmless()).map(|row| row.name);
        let mut all: Vec<&str> = Vec::new();
        // Some things are a matter of the machine and a wall.
        for name in hosts.chain(layers).chain(attacks) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        format!("Untrusted plugins must NOT run on this machine: {}.", all.join(", "))
    }
}

/// One row, and below it what to change or what an attack got.
fn line(text: &mut String, state: &str, name: &str, more: &str, below: Option<&str>) {
    let row = format!("  {state:<9}  {name:<20}  {more}");
    text.push_str(row.trim_end());
    text.push('\n');
    if let Some(below) = below {
        text.push_str(&format!("  {:<9}  {:<20}  -> {below}\n", "", ""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report in which all is well, but for these.
    fn report(host: State, layer: LayerState, verdict: Verdict) -> Report {
        let mut report = Report::new(SandboxChoice::Native);
        report.host.push(HostRow::new("python", host, "found".to_owned()));
        let finding = LayerFinding { layer: Layer::Landlock, state: layer };
        report.layers.push(LayerRow::new(&finding, || "do this".to_owned()));
        report.attacks.push(AttackRow::new(&ATTACKS[0], &verdict, None));
        report.finish()
    }

    #[test]
    fn one_thing_that_fails_is_enough() {
        let check = |host, layer, verdict| report(host, layer, verdict).untrusted_code;
        assert!(check(State::Ok, LayerState::Stands, Verdict::Held));
        assert!(check(State::Missing, LayerState::Stands, Verdict::Held));
        assert!(!check(State::Fails, LayerState::Stands, Verdict::Held));
        assert!(!check(State::Ok, LayerState::Fails("no".into()), Verdict::Held));
        assert!(!check(State::Ok, LayerState::NotTried, Verdict::Held));
        assert!(!check(State::Ok, LayerState::Stands, Verdict::Open("it got out".into())));
        assert!(!check(State::Ok, LayerState::Stands, Verdict::Broken("it crashed".into())));
        assert!(
            !Report::new(SandboxChoice::Native).finish().untrusted_code,
            "nothing tried is nothing known"
        );
    }

    #[test]
    fn what_is_known_is_told_and_keeps_nobody() {
        let mut report = report(State::Ok, LayerState::Stands, Verdict::Held);
        let open = Verdict::Open("it says x".into());
        report.attacks.push(AttackRow::new(&ATTACKS[1], &open, Some("which changes nothing")));
        let report = report.finish();
        assert!(report.untrusted_code);
        let said = report.words(false);
        assert!(
            said.contains("  known      udp_send ") && said.contains("-> which changes nothing\n"),
            "{said}"
        );
    }

    #[test]
    fn what_fails_is_told_with_what_to_change() {
        let open = Verdict::Open("the host saw a connection".into());
        let said = report(State::Ok, LayerState::Fails("no landlock".into()), open).words(true);
        for part in [
            "  FAILS      landlock              no landlock\n",
            "-> do this\n",
            "  OPEN       tcp_connect           reach a server on the host's loopback\n",
            "-> the host saw a connection\n",
            "must NOT run on this machine: landlock, tcp_connect.",
        ] {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
    }
}
