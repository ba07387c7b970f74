//! Who won, decided from what the program said and from what the host saw.

use std::fmt;

use serde::Serialize;

use super::catalogue::{Attack, Judge};
use crate::Exit;

/// Who won.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "detail", rename_all = "lowercase")]
pub enum Verdict {
    /// The attack was tried and had no effect.
    Held,
    /// It succeeded; what it got, and who says so.
    Open(String),
    /// It was not tried properly, so nothing is known; what went wrong.
    Broken(String),
}

impl Verdict {
    /// Whether the sandbox won. A broken attempt is no victory.
    pub fn is_held(&self) -> bool {
        *self == Self::Held
    }

    /// The one word of it: `held`, `open` or `broken`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Open(_) => "open",
            Self::Broken(_) => "broken",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => write!(formatter, "held"),
            Self::Open(what) => write!(formatter, "OPEN: {what}"),
            Self::Broken(why) => write!(formatter, "broken: {why}"),
        }
    }
}

/// What there is to decide from.
#[derive(Debug)]
pub(super) struct Evidence {
    /// Standard output.
    pub(super) said: String,
    /// Standard error.
    pub(super) complained: String,
    /// How it ended.
    pub(super) exit: Exit,
    /// What the host saw with its own eyes.
    pub(super) seen: Vec<String>,
}

/// Longest quotation of a program's own words, in characters.
const QUOTATION: usize = 300;

impl Evidence {
    /// Decides. What the host saw comes first, whatever the program says.
    pub(super) fn judge(&self, attack: &Attack) -> Verdict {
        if !self.seen.is_empty() {
            return Verdict::Open(format!("the host saw {}", self.seen.join("; ")));
        }
        let claim = self.said.lines().find_map(|line| line.strip_prefix("OPEN"));
        let tried = self.said.lines().any(|line| line == "HELD");
        match (attack.judge, claim) {
            // The host looked and saw nothing, so the claim is wrong, or the canary is blind.
            (Judge::Host | Judge::Killed, Some(what)) => {
                Verdict::Broken(format!("it says OPEN{what}, but the host saw nothing of it"))
            }
            (_, Some(what)) => Verdict::Open(format!("it says{}", quotation(what))),
            (Judge::Memory, None) if matches!(self.exit, Exit::OutOfMemory { .. }) => Verdict::Held,
            (Judge::Processor | Judge::Killed, None) if self.exit == Exit::Signal(9) => Verdict::Held,
            (Judge::Answer | Judge::Host, None) if tried && self.exit.success() => Verdict::Held,
            _ => Verdict::Broken(format!(
                "it {}, said {:?}, complained {:?}",
                self.exit,
                quotation(&self.said),
                quotation(self.complained.trim())
            )),
        }
    }
}

/// The end of a long text is where Python says what went wrong.
fn quotation(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(QUOTATION);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::ATTACKS;

    fn verdict(judge: Judge, said: &str, exit: Exit, seen: &[&str]) -> &'static str {
        let mut attack = ATTACKS[0].clone();
        attack.judge = judge;
        let seen = seen.iter().map(|text| (*text).to_owned()).collect();
        Evidence { said: said.into(), complained: String::new(), exit, seen }.judge(&attack).word()
    }

    #[test]
    fn a_crash_or_silence_is_no_victory() {
        for judge in [Judge::Answer, Judge::Host] {
            assert_eq!(verdict(judge, "HELD\n", Exit::Code(0), &[]), "held");
            assert_eq!(verdict(judge, "", Exit::Code(0), &[]), "broken");
            assert_eq!(verdict(judge, "HELD\n", Exit::Code(1), &[]), "broken");
            assert_eq!(verdict(judge, "HELD\n", Exit::Signal(11), &[]), "broken");
            assert_eq!(verdict(judge, "not HELD\n", Exit::Code(0), &[]), "broken");
        }
        assert_eq!(verdict(Judge::Memory, "HELD\n", Exit::Code(0), &[]), "broken");
        assert_eq!(verdict(Judge::Memory, "", Exit::Signal(9), &[]), "broken");
        assert_eq!(verdict(Judge::Memory, "", Exit::OutOfMemory { limit_bytes: 1 }, &[]), "held");
        assert_eq!(verdict(Judge::Killed, "", Exit::Code(0), &[]), "broken");
    }

    #[test]
    fn what_the_host_saw_counts_whatever_is_said() {
        for judge in [Judge::Answer, Judge::Host, Judge::Memory, Judge::Processor, Judge::Killed] {
            assert_eq!(verdict(judge, "HELD\n", Exit::Code(0), &["a connection"]), "open");
        }
        assert_eq!(verdict(Judge::Answer, "OPEN x\n", Exit::Code(0), &[]), "open");
        assert_eq!(verdict(Judge::Host, "OPEN x\n", Exit::Code(0), &[]), "broken");
    }
}
