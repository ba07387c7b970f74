//! Escapes. Every attack of the catalogue must be held in the sandbox and must succeed without one, or
//! the attack itself is broken: one that fails everywhere proves nothing.

use bailey_sandbox::{
    Exit, Sandbox,
    escape::{ATTACKS, Bare, Judge, Verdict, attempt_all},
};

use crate::fixture::{Plugin, bare, native, run};

/// Attempts at once: enough to keep the processors busy while some wait.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_held_in_the_sandbox() {
    let sandbox = Sandbox::Native(native().await);
    let verdicts = attempt_all(&sandbox, ATTACKS, AT_ONCE, |_, _| ()).await;
    let lost: Vec<String> = verdicts
        .iter()
        .filter(|(_, verdict)| !verdict.is_held())
        .map(|(attack, verdict)| format!("{}: {verdict}", attack.name))
        .collect();
    assert_eq!(verdicts.len(), ATTACKS.len());
    assert!(lost.is_empty(), "{lost:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_succeeds_without_a_sandbox() {
    let verdicts = attempt_all(&bare(), ATTACKS, AT_ONCE, |_, _| ()).await;
    let mut odd = Vec::new();
    for (attack, verdict) in verdicts {
        let as_it_should = match (attack.bare, &verdict) {
            (Bare::Open, Verdict::Open(what)) => {
                // Where the host is the judge, it saw it with its own eyes.
                matches!(attack.judge, Judge::Answer | Judge::Memory) || what.starts_with("the host saw ")
            }
            (Bare::Unprovable(_), verdict) => verdict.is_held(),
            _ => false,
        };
        if !as_it_should {
            odd.push(format!("{}: {verdict}", attack.name));
        }
    }
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn few_attacks_are_taken_on_trust() {
    let unprovable = ATTACKS.iter().filter(|attack| attack.bare != Bare::Open).count();
    assert!(unprovable <= 3, "{unprovable} attacks have not been seen to work");
}

#[tokio::test]
async fn a_memory_bomb_ends_with_the_limit_in_the_sentence() {
    let plugin = Plugin::new("kept = []\nwhile True: kept.append(b'x' * 1024 * 1024)\n");
    let outcome = run(plugin.spec(), "").await;
    assert_eq!(outcome.exit, Exit::OutOfMemory { limit_bytes: 128 * 1024 * 1024 });
    assert_eq!(outcome.exit.to_string(), "memory: reached 128 MiB");
}

#[tokio::test]
async fn the_environment_is_exactly_the_clean_one() {
    let plugin = Plugin::new("import json, os\nprint(json.dumps(dict(os.environ), sort_keys=True))\n");
    let mut spec = plugin.spec();
    spec.environment = vec![("GREETING".into(), "hello".into())];
    let outcome = run(spec, "").await;
    assert_eq!(
        outcome.stdout.trim(),
        r#"{"GREETING": "hello", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "TMPDIR": "/tmp"}"#
    );
}
