//! The binary from outside: help, versions, exit codes, other databases and zips.

use std::io::Write;

use bailey_testkit::{demo, example, fixture, postgres};

use crate::support::{bailey, database_url, sql_database_url, try_script};

#[tokio::test]
async fn help_names_the_commands() {
    let output = bailey().arg("--help").output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for command in ["dev", "try", "sim", "serve", "status", "dead-letters", "logs", "doctor"] {
        assert!(said.contains(command), "{said}");
    }
}

#[tokio::test]
async fn nonsense_is_a_usage_error() {
    let output = bailey().arg("dance").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_zip_runs_like_its_folder() {
    let file = tempfile::NamedTempFile::with_suffix(".zip").unwrap();
    let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
    for name in ["manifest.json", "__main__.py", "requirements.txt"] {
        zip.start_file(format!("wrapped/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&std::fs::read(demo().join(name)).unwrap()).unwrap();
    }
    zip.finish().unwrap();
    let script = "{\"say\": \"!ping\"}\n{\"expect\": {\"message\": {\"equals\": \"Pong!\"}}}";
    try_script(file.path(), script, &[]).await.must_pass();
}

#[tokio::test]
async fn a_database_of_the_operators_is_used_when_named() {
    let url = database_url(postgres::shared_cluster().await);
    let script = "{\"say\": \"!count\"}\n{\"expect\": {\"message\": {\"equals\": \"count 1\"}}}";
    try_script(&fixture("counter"), script, &["--database-url", &url]).await.must_pass();
    // The same server again: what was counted is still there.
    let script = "{\"say\": \"!count\"}\n{\"expect\": {\"message\": {\"equals\": \"count 2\"}}}";
    try_script(&fixture("counter"), script, &["--database-url", &url]).await.must_pass();
}

/// Beside a PostgreSQL of the operator's, plugins have tables once its database is closed to them.
#[tokio::test]
async fn a_database_for_plugins_tables_is_used_when_it_is_closed() {
    let cluster = postgres::shared_cluster().await;
    let (url, sql) = (database_url(cluster), sql_database_url(cluster));
    let tour = example("storage_tour");
    let play = async |expected: &str, arguments: &[&str]| {
        let script = format!("{{\"say\": \"!shop_open\"}}\n{{\"expect\": {{\"message\": \"{expected}\"}}}}");
        try_script(&tour, &script, arguments).await
    };
    play("give it one with --sql-database-url", &["--database-url", &url]).await.must_pass();
    let with_sql = ["--database-url", &url, "--sql-database-url", &sql];
    let refused = play("", &with_sql).await;
    assert!(refused.code != Some(0) && refused.stderr.contains("bailey sql-hardening"), "{refused}");
    let script = bailey().arg("sql-hardening").output().await.unwrap().stdout;
    cluster.administer_sql(&String::from_utf8(script).unwrap()).await.unwrap();
    play("The shop is open.", &with_sql).await.must_pass();
}

#[tokio::test]
async fn equal_runs_print_equal_messages() {
    let script = "{\"say\": \"!ping\"}\n{\"advance\": \"1h\"}\n{\"say\": \"!ping\"}";
    let one = try_script(&demo(), script, &[]).await;
    let other = try_script(&demo(), script, &[]).await;
    let messages = |transcript: &crate::support::Transcript| {
        transcript.of("message").into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(messages(&one).len(), 4, "{one}");
    assert_eq!(messages(&one), messages(&other));
}

#[tokio::test]
async fn a_python_that_is_not_there_is_named() {
    let script = "{\"say\": \"a\"}";
    let transcript = try_script(&demo(), script, &["--python", "/nowhere/python3"]).await;
    assert_ne!(transcript.code, Some(0));
    assert!(transcript.stderr.contains("/nowhere/python3"), "{transcript}");
}

/// Root is who the other tests run as. An ordinary user needs control groups of their own, which a
/// machine may or may not give; whatever stands in the way must be the sandbox, in so many words.
#[tokio::test]
async fn an_ordinary_user_gets_as_far_as_the_machine_allows() {
    const NOBODY: u32 = 65_534;
    let folder = crate::support::data_directory();
    let place = |name: &str| folder.path().join(name);
    std::fs::copy(env!("CARGO_BIN_EXE_bailey"), place("bailey")).unwrap();
    std::fs::copy(bailey_testkit::uv().canonicalize().unwrap(), place("uv")).unwrap();
    std::fs::create_dir(place("demo")).unwrap();
    for name in ["manifest.json", "__main__.py", "requirements.txt", "conversation.jsonl"] {
        std::fs::copy(demo().join(name), place("demo").join(name)).unwrap();
    }
    std::fs::create_dir(place("home")).unwrap();
    std::os::unix::fs::chown(place("home"), Some(NOBODY), Some(NOBODY)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test starts the binary as somebody else")]
    let mut command = tokio::process::Command::new(place("bailey"));
    command.arg("try").arg(place("demo")).arg("--script").arg(place("demo").join("conversation.jsonl"));
    command
        .env_clear()
        .envs(bailey_testkit::environment())
        .env("HOME", place("home"))
        .env("BAILEY_UV", place("uv"));
    let output = command.current_dir("/").uid(NOBODY).gid(NOBODY).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("sandbox layer"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
