//! The storage tour: every call of every storage, unmodified under the oldest and the newest SDK, on two
//! servers at once.

use std::collections::BTreeSet;

use bailey_testkit::{SDKS, Sdk, example};
use futures_util::future::join_all;

use crate::support::{Transcript, try_file};

/// One script of the tour.
struct Tour {
    script: &'static str,
    /// Calls it must show.
    methods: &'static [&'static str],
    /// What only the first server hears, and only the second: a script cannot tell who heard an answer.
    told: [&'static str; 2],
}

const TOURS: [Tour; 2] = [
    Tour {
        script: "tour.jsonl",
        methods: &[
            "ephemeral.cooldown_check",
            "ephemeral.cooldown_set",
            "ephemeral.counter",
            "ephemeral.dedup",
            "ephemeral.flag_check",
            "ephemeral.flag_set",
            "kv.decr",
            "kv.del",
            "kv.get",
            "kv.increment",
            "kv.list",
            "kv.list_values",
            "kv.mget",
            "kv.mput",
            "kv.put",
            "metrics.query",
            "metrics.record",
            "metrics.total",
        ],
        told: ["Be kind (alice told me)", "No shoes inside (bob told me)"],
    },
    Tour {
        script: "sql.jsonl",
        methods: &["sql.execute", "sql.query", "sql.query_one"],
        told: ["Everything is worth 0.", "Everything is worth 4851."],
    },
];

#[tokio::test]
async fn the_tour_is_the_same_under_the_oldest_and_the_newest_sdk() {
    for Tour { script, methods, told } in TOURS {
        let runs = join_all([SDKS[0], SDKS[SDKS.len() - 1]].map(|sdk| play(sdk, script))).await;
        for transcript in &runs {
            transcript.must_pass();
            let called: BTreeSet<&str> =
                transcript.of("call").iter().map(|call| call["method"].as_str().unwrap()).collect();
            let missing: Vec<_> = methods.iter().filter(|method| !called.contains(**method)).collect();
            assert!(missing.is_empty(), "{script} never calls {missing:?}");
        }
        let [oldest, newest] = [&runs[0], &runs[1]].map(said_by_server);
        assert_eq!(oldest.len(), 2, "both servers were to hear something");
        assert_eq!(oldest, newest, "{script} goes another way under another SDK");
        let heard =
            |text: &str| oldest.iter().map(|(_, said)| said.iter().any(|said| said == text)).collect();
        let [by_first, by_second]: [Vec<bool>; 2] = told.map(heard);
        assert_eq!((by_first, by_second), (vec![true, false], vec![false, true]), "who heard {told:?}?");
    }
}

async fn play(sdk: Sdk, script: &str) -> Transcript {
    let plugin = example("storage_tour");
    let arguments = ["--sdk", &sdk.requirement(), "--servers", "2", "--step-timeout", "120"];
    try_file(&plugin, &plugin.join(script), &arguments).await
}

/// What the bot said, per server (older ones first) and sorted: who is served first of two who speak at
/// once is nobody's promise.
fn said_by_server(transcript: &Transcript) -> Vec<(String, Vec<String>)> {
    let mut servers: Vec<(String, Vec<String>)> = Vec::new();
    for message in transcript.of("message").into_iter().filter(|message| message["bot"] == true) {
        let text = |field: &str| message[field].as_str().unwrap().to_owned();
        match servers.iter_mut().find(|(server, _)| *server == text("server")) {
            Some((_, said)) => said.push(text("content")),
            None => servers.push((text("server"), vec![text("content")])),
        }
    }
    servers.sort_unstable();
    servers.iter_mut().for_each(|(_, said)| said.sort_unstable());
    servers
}
