//! Two servers, one plugin: neither sees what the other keeps, whatever the SDK and however much
//! happens at once.

use bailey_testkit::{SDKS, fixture};

use crate::support::try_script;

#[tokio::test]
async fn servers_do_not_share_keys_with_an_sdk_that_stamps_nothing() {
    each_counts_for_itself(0).await;
}

#[tokio::test]
async fn servers_do_not_share_keys_with_the_newest_sdk() {
    each_counts_for_itself(SDKS.len() - 1).await;
}

/// A burst on both servers, 30 on the first and 20 on the second, mixed, without waiting between
/// them. Each server's number is its own count.
async fn each_counts_for_itself(sdk: usize) {
    let burst: Vec<String> = (0..50)
        .map(|number| {
            let server = if number % 5 < 3 { 1 } else { 2 };
            format!(r#"{{"say": "!add", "on": "{server}"}}"#)
        })
        .collect();
    let script = format!(
        r#"
        {{"together": [{}]}}
        {{"say": "!look", "on": "1"}}
        {{"expect": {{"message": {{"equals": "count 30"}}}}}}
        {{"say": "!look", "on": "2"}}
        {{"expect": {{"message": {{"equals": "count 20"}}}}}}
        "#,
        burst.join(", ")
    );
    let arguments = ["--sdk", &SDKS[sdk].requirement(), "--servers", "2"];
    let transcript = try_script(&fixture("counter"), &script, &arguments).await;
    transcript.must_pass();
    let increments =
        transcript.of("call").into_iter().filter(|call| call["method"] == "kv.increment").count();
    assert_eq!(increments, 50, "{transcript}");
}
