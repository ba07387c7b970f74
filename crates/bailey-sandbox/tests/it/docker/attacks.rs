//! Escapes from a container: the same catalogue, and the differences that are known.

use bailey_sandbox::escape::{ATTACKS, attempt_all};

use super::yard;

/// Attempts at once: each needs a container.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_held_but_for_the_known_differences() {
    let Some(yard) = yard().await else { return };
    let verdicts = attempt_all(&yard.sandbox, ATTACKS, AT_ONCE, |_, _| ()).await;
    assert_eq!(verdicts.len(), ATTACKS.len());
    let odd: Vec<String> = verdicts
        .iter()
        // A difference that is none any more must not stay declared.
        .filter(|(attack, verdict)| match attack.container {
            Some(difference) => !difference.explains(verdict),
            None => !verdict.is_held(),
        })
        .map(|(attack, verdict)| format!("{}: {verdict}", attack.name))
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn few_differences_are_declared() {
    let declared = ATTACKS.iter().filter(|attack| attack.container.is_some()).count();
    assert!(declared <= 4, "{declared} attacks are not held in a container");
}
