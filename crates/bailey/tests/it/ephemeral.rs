//! `ctx.ephemeral` with every SDK version, on two servers, while the script moves time.

use bailey_testkit::{SDKS, fixture};
use futures_util::future::join_all;

use crate::support::try_script;

/// What is said, on which server, and what the plugin answers; or time that passes.
const SCRIPT: &str = r#"
{"say": "!hit spam 60"}
{"expect": {"message": {"equals": "hit 1"}}}
{"advance": "30s"}
{"say": "!hit spam 60"}
{"expect": {"message": {"equals": "hit 2"}}}
{"say": "!hit spam 60", "on": "2"}
{"expect": {"message": {"equals": "hit 1"}}}
{"advance": "30s"}
{"say": "!hit spam"}
{"expect": {"message": {"equals": "hit 2"}}}
{"say": "!cooling spam"}
{"expect": {"message": {"equals": "cooling False 0"}}}
{"say": "!cool daily 90"}
{"expect": {"message": {"equals": "cool None"}}}
{"advance": "30s"}
{"say": "!cooling daily"}
{"expect": {"message": {"equals": "cooling True 60"}}}
{"say": "!cooling daily", "on": "2"}
{"expect": {"message": {"equals": "cooling False 0"}}}
{"advance": "1m"}
{"say": "!cooling daily"}
{"expect": {"message": {"equals": "cooling False 0"}}}
{"say": "!seen welcome 120"}
{"expect": {"message": {"equals": "new True"}}}
{"advance": "1m"}
{"say": "!seen welcome 120"}
{"expect": {"message": {"equals": "new False"}}}
{"say": "!seen welcome 120", "on": "2"}
{"expect": {"message": {"equals": "new True"}}}
{"advance": "1m"}
{"say": "!seen welcome 120"}
{"expect": {"message": {"equals": "new True"}}}
{"say": "!raised welcome"}
{"expect": {"message": {"equals": "raised False"}}}
{"say": "!raise raid 999999"}
{"expect": {"message": {"equals": "raise None"}}}
{"advance": "23h"}
{"say": "!raised raid"}
{"expect": {"message": {"equals": "raised True"}}}
{"say": "!raised raid", "on": "2"}
{"expect": {"message": {"equals": "raised False"}}}
{"advance": "1h"}
{"say": "!raised raid"}
{"expect": {"message": {"equals": "raised False"}}}
{"say": "!refused"}
{"expect": {"message": {"equals": "ValidationError"}}}
"#;

#[tokio::test]
async fn every_sdk_version_counts_waits_and_forgets_by_the_clock() {
    let plugin = fixture("ephemeral");
    let runs = SDKS.map(|sdk| {
        let plugin = plugin.clone();
        async move {
            let requirement = sdk.requirement();
            let arguments = ["--sdk", &requirement, "--servers", "2", "--step-timeout", "120"];
            try_script(&plugin, SCRIPT, &arguments).await
        }
    });
    for (sdk, transcript) in SDKS.iter().zip(join_all(runs).await) {
        transcript.must_pass();
        let calls = transcript.of("call");
        for method in ["counter", "cooldown_set", "cooldown_check", "dedup", "flag_set", "flag_check"] {
            let name = format!("ephemeral.{method}");
            let made = calls.iter().any(|call| call["method"] == name.as_str());
            assert!(made, "{} did not call {name}: {transcript}", sdk.requirement());
        }
    }
}
