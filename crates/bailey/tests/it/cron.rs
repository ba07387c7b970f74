//! Plugins that act by themselves, by real SDKs in the sandbox.

use bailey_testkit::{SDKS, example};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{try_file, try_script};

#[tokio::test]
async fn time_is_told_under_the_oldest_and_the_newest_sdk() {
    let plugin = example("reminders");
    let script = plugin.join("reminders.jsonl");
    join_all([SDKS[0], SDKS[SDKS.len() - 1]].map(|sdk| {
        let (plugin, script) = (&plugin, &script);
        async move {
            let transcript = try_file(plugin, script, &["--sdk", &sdk.requirement()]).await;
            transcript.must_pass();
        }
    }))
    .await;
}

/// A plugin of two files.
fn plugin(manifest: &serde_json::Value, code: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(folder.path().join("__main__.py"), code).unwrap();
    folder
}

/// The newest SDK calls the function of the schedule's name, and nobody else's.
#[tokio::test]
async fn the_function_of_the_schedules_name_is_called_on_each_server() {
    let manifest = json!({"id": "clockwork", "name": "Clockwork", "version": "1.0.0", "cron": [
        {"spec": "30 * * * *", "name": "half_past"}, {"spec": "0 12 * * 4", "name": "thursday_noon"}]});
    let code = "from yourbot_sdk import Plugin\nplugin = Plugin()\n\
        @plugin.cron('30 * * * *')\ndef half_past(ctx):\n    ctx.log('half past on ' + ctx.server_id)\n\
        @plugin.cron('0 12 * * 4')\ndef thursday_noon(ctx):\n    ctx.log('noon on ' + ctx.server_id)\n\
        plugin.run()\n";
    let folder = plugin(&manifest, code);
    let script = "{\"advance\": \"31m\"}\n{\"expect\": {\"log\": \"half past\"}}\n\
                  {\"advance\": \"29m\"}\n{\"advance\": \"11h\"}\n{\"expect\": {\"log\": \"noon\"}}\n";
    let transcript = try_script(folder.path(), script, &["--servers", "2"]).await;
    transcript.must_pass();
    let logged = |text: &str| {
        let lines = transcript.of("log").into_iter();
        lines.filter(|line| line["message"].as_str().unwrap().starts_with(text)).count()
    };
    assert_eq!((logged("half past"), logged("noon")), (2 * 12, 2));
}

/// What was told to a process that died is not told again: it is put aside, with the reason.
#[tokio::test]
async fn a_time_is_told_at_most_once() {
    let manifest = json!({"id": "clockwork", "name": "Clockwork", "version": "1.0.0",
        "cron": [{"spec": "30 * * * *", "name": "half_past"}]});
    let code = "import os\nfrom yourbot_sdk import Plugin\nplugin = Plugin()\n\
        @plugin.on_event('cron')\ndef on_time(ctx, event):\n    ctx.log('told ' + event['scheduled_at'])\n    \
        os._exit(3)\nplugin.run()\n";
    let folder = plugin(&manifest, code);
    let transcript = try_script(folder.path(), "{\"advance\": \"31m\"}\n", &[]).await;
    let told =
        transcript.of("log").into_iter().filter(|line| line["message"].as_str().unwrap().starts_with("told"));
    assert_eq!(told.count(), 1, "{transcript}");
    let lives = transcript.of("life");
    let aside = lives.iter().any(|life| life["what"].as_str().unwrap().contains("a time is not told twice"));
    assert!(aside, "{transcript}");
}
