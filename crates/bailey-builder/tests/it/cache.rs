//! What was built once is there: without a network, for everybody, whatever happens at once.

use std::fs;
use std::path::PathBuf;

use bailey_builder::Builder;

use crate::{builder, config};

/// Another index would be another question.
fn of_the_index(mut environment: Vec<(String, String)>) -> Vec<(String, String)> {
    environment.retain(|(name, _)| ["UV_DEFAULT_INDEX", "UV_INDEX_URL"].contains(&name.as_str()));
    environment
}

#[tokio::test]
async fn the_second_time_needs_neither_uv_nor_network() {
    let cache = tempfile::tempdir().unwrap();
    let first = builder(cache.path()).build(Some("idna==3.7\n"), None).await.unwrap();
    let offline = Builder::new(bailey_builder::BuilderConfig {
        uv: PathBuf::from("/nonexistent/uv"),
        environment: of_the_index(config(cache.path()).environment),
        ..config(cache.path())
    })
    .unwrap();
    assert_eq!(offline.build(Some("# a comment\nidna==3.7"), None).await.unwrap(), first);
    let error = offline.build(Some("idna==3.6"), None).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/uv"), "{error}");
}

#[tokio::test]
async fn a_lost_folder_or_a_broken_index_is_built_again() {
    let cache = tempfile::tempdir().unwrap();
    let builder = builder(cache.path());
    let first = builder.build(None, None).await.unwrap();
    fs::rename(&first.directory, cache.path().join("moved")).unwrap();
    assert_eq!(builder.build(None, None).await.unwrap(), first);
    assert!(first.directory.join("yourbot_sdk").is_dir());
    for entry in fs::read_dir(cache.path().join("index")).unwrap() {
        fs::write(entry.unwrap().path(), "{\"hash\": \"../../etc\"").unwrap();
    }
    assert_eq!(builder.build(None, None).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn builders_at_the_same_moment_agree() {
    let cache = tempfile::tempdir().unwrap();
    let mut builds = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let builder = builder(cache.path());
        builds.spawn(async move { builder.build(Some("idna==3.7"), None).await.unwrap() });
    }
    let built = builds.join_all().await;
    assert!(built.iter().all(|other| *other == built[0]));
    assert!(built[0].directory.join("idna/__init__.py").is_file());
    let scratch = fs::read_dir(cache.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".building-"))
        .count();
    assert_eq!(scratch, 0);
}
