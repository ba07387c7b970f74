//! Plugins in containers, by the same path as in the native sandbox.

use bailey_testkit::{SDKS, demo, docker, fixture};

use crate::support::{try_file, try_script};

/// Every call, with the newest SDK.
#[tokio::test]
async fn the_conformance_plugin_gets_the_same_answers_in_a_container() {
    let Some(daemon) = docker::shared() else { return };
    let plugin = fixture("conformance");
    let socket = daemon.socket();
    let sdk = SDKS[0].requirement();
    let shared = ["--sdk", &sdk, "--step-timeout", "120"];
    let mut arguments = vec!["--sandbox", "docker", "--docker-socket", socket.to_str().unwrap()];
    arguments.extend(shared);
    let script = plugin.join("conform.jsonl");
    let (container, native) =
        tokio::join!(try_file(&plugin, &script, &arguments), try_file(&plugin, &script, &shared));
    container.must_pass();
    native.must_pass();
    assert!(native.said().len() > 10, "too little was said: {native}");
    assert_eq!(container.said(), native.said());
}

#[tokio::test]
async fn the_conversation_of_the_demo_holds_in_a_container() {
    let Some(daemon) = docker::shared() else { return };
    let arguments = ["--sandbox", "docker", "--docker-socket", &daemon.socket().display().to_string()];
    try_file(&demo(), &demo().join("conversation.jsonl"), &arguments).await.must_pass();
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let script = "{\"say\": \"a\"}";
    let nowhere = ["--sandbox", "docker", "--docker-socket", "/nowhere/docker.sock"];
    let transcript = try_script(&demo(), script, &nowhere).await;
    assert_eq!(transcript.code, Some(1), "{transcript}");
    for words in ["sandbox layer `docker daemon`", "/nowhere/docker.sock", "hint: start the Docker daemon"] {
        assert!(transcript.stderr.contains(words), "{transcript}");
    }
    let transcript = try_script(&demo(), script, &["--sandbox", "chroot"]).await;
    assert_eq!(transcript.code, Some(2), "{transcript}");
}
