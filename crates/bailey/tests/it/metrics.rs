//! A plugin records numbers and asks for charts, with every SDK version, on two servers, over days.

use bailey_testkit::{SDKS, Sdk, fixture};
use futures_util::future::join_all;

use crate::support::try_script;

#[tokio::test]
async fn every_sdk_version_gets_the_same_charts() {
    join_all(SDKS.map(play)).await;
}

async fn play(sdk: Sdk) {
    let script = r#"
        {"say": "!add", "on": "1"}
        {"expect": {"message": {"equals": "added"}}}
        {"say": "!look", "on": "1"}
        {"expect": {"message": "total 7.5"}}
        {"advance": "1d"}
        {"say": "!add", "on": "1"}
        {"expect": {"message": {"equals": "added"}}}
        {"say": "!look", "on": "1"}
        {"expect": {"message": "total 15.0"}}
        {"say": "!look", "on": "2"}
        {"expect": {"message": "total 0.0"}}
        {"say": "!wrong", "on": "1"}
        {"expect": {"message": "invalid"}}
    "#;
    let arguments = ["--sdk", &sdk.requirement(), "--servers", "2", "--step-timeout", "120"];
    let transcript = try_script(&fixture("metrics"), script, &arguments).await;
    transcript.must_pass();
    let said = transcript.said();
    assert_eq!(
        said[1],
        "total 7.5\n\
         1h songs.played 2026-01-01T00:00:00Z 7.5 of 7.5\n\
         24h songs.played 2026-01-01T00:00:00Z 7.5 of 7.5\n\
         7d songs.played 2026-01-01 7.5 of 7.5\n\
         (none)=[0, 0, 0, 0, 0, 0, 1] folk=[0, 0, 0, 0, 0, 0, 1] jazz=[0, 0, 0, 0, 0, 0, 1]\n\
         avg 2.5\nmin 1\nmax 4",
        "{transcript}"
    );
    assert_eq!(
        said[3],
        "total 15.0\n\
         1h songs.played 2026-01-02T00:00:00Z 7.5 of 7.5\n\
         24h songs.played 2026-01-02T00:00:00Z 7.5 of 7.5\n\
         7d songs.played 2026-01-02 7.5 of 15\n\
         (none)=[0, 0, 0, 0, 0, 1, 1] folk=[0, 0, 0, 0, 0, 1, 1] jazz=[0, 0, 0, 0, 0, 1, 1]\n\
         avg 2.5\nmin 1\nmax 4",
        "{transcript}"
    );
    assert!(said[4].contains("7d songs.played 2026-01-02 0 of 0\n\navg 0"), "{transcript}");
    let wrong: Vec<&str> = said[5].lines().collect();
    let reasons = ["a finite number", "a name of letters", "at most 10 tags", "1h, 24h, 7d, 30d or 90d"];
    assert_eq!(wrong.len(), reasons.len(), "{transcript}");
    for (line, reason) in wrong.iter().zip(reasons) {
        assert!(line.contains(reason), "{reason} is not in {line}: {transcript}");
    }
}
