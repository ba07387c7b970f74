//! The starter plugins that the real command line tools of six SDK versions write, unmodified.

use bailey_testkit::{SDKS, Sdk, Template, starter};

use crate::support::{Transcript, cache, try_with};

async fn play(sdk: Sdk, template: Template, script: &str) -> Transcript {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("starter");
    starter(&cache().join("sdk"), sdk, template, &target).await;
    try_with(sdk, &target, script).await
}

async fn basic(sdk: Sdk) {
    let script = r#"
        {"say": "!ping"}
        {"expect": {"message": {"equals": "Pong!"}}}
        {"say": "ping"}
        {"expect": {"nothing": true}}
    "#;
    play(sdk, Template::Basic, script).await.must_pass();
}

async fn slash(sdk: Sdk) {
    let script = r#"
        {"command": "hello", "as": "bob"}
        {"expect": {"message": "bob", "ephemeral": true}}
    "#;
    play(sdk, Template::Slash, script).await.must_pass();
}

async fn welcome(sdk: Sdk) {
    let script = r#"
        {"command": "welcome-channel", "in": "random"}
        {"expect": {"call": "kv.put"}}
        {"join": "dora"}
        {"expect": {"message": "Dora", "channel": "random"}}
    "#;
    play(sdk, Template::Welcome, script).await.must_pass();
}

async fn cron(sdk: Sdk) {
    let script = r#"
        {"command": "summary-channel", "in": "random"}
        {"expect": [{"call": "kv.put"}, {"call": "interaction.respond"}]}
    "#;
    play(sdk, Template::Cron, script).await.must_pass();
}

macro_rules! every_sdk {
    ($($name:ident: $index:literal,)*) => {
        $(mod $name {
            use super::SDKS;

            #[tokio::test]
            async fn basic() {
                super::basic(SDKS[$index]).await;
            }

            #[tokio::test]
            async fn slash() {
                super::slash(SDKS[$index]).await;
            }

            #[tokio::test]
            async fn welcome() {
                super::welcome(SDKS[$index]).await;
            }

            #[tokio::test]
            async fn cron() {
                super::cron(SDKS[$index]).await;
            }
        })*
    };
}

every_sdk! {
    mmo_maid_0_5_2: 0,
    mmo_maid_0_5_4: 1,
    yourbot_0_6_1: 2,
    yourbot_0_8_5: 3,
    yourbot_0_9_0: 4,
    yourbot_0_10_1: 5,
}

/// The list of versions above is the list of versions there is.
#[test]
fn no_sdk_version_is_left_out() {
    assert_eq!(SDKS.map(|sdk| sdk.version), ["0.5.2", "0.5.4", "0.6.1", "0.8.5", "0.9.0", "0.10.1"]);
}
