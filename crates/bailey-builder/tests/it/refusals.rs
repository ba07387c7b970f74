//! What is refused, and in which words.

use bailey_builder::{BuildError, Builder, BuilderConfig};

use crate::{builder, config};

async fn refused(requirements: &str) -> String {
    let cache = tempfile::tempdir().unwrap();
    builder(cache.path()).build(Some(requirements), None).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_line_that_is_no_requirement_is_named() {
    assert_eq!(
        refused("idna\n--index-url https://example.com\n").await,
        "requirements.txt, line 2: `--index-url https://example.com` is an option, and options are not allowed.\n  \
         hint: name packages and versions only, like `package>=1.2`"
    );
}

#[tokio::test]
async fn what_the_index_does_not_have_is_told_in_uvs_words() {
    let error = refused("idna==0.0.0.1").await;
    assert!(error.contains("cannot be resolved") && error.contains("idna==0.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_package_that_must_be_compiled_is_refused() {
    let error = refused("pycrypto==2.6.1").await;
    assert!(error.contains("cannot be resolved") && error.contains("only wheels for Python 3."), "{error}");
}

#[tokio::test]
async fn a_package_that_hides_the_standard_library_is_refused() {
    let error = refused("dataclasses==0.6").await;
    assert!(error.contains("`dataclasses.py`") && error.contains("hide a module"), "{error}");
}

#[tokio::test]
async fn files_that_run_code_at_start_are_left_out() {
    let cache = tempfile::tempdir().unwrap();
    let built = builder(cache.path()).build(Some("setuptools==70.0.0"), None).await.unwrap();
    assert!(built.directory.join("setuptools").is_dir());
    assert!(!built.directory.join("distutils-precedence.pth").exists());
}

#[tokio::test]
async fn a_broken_interpreter_is_named() {
    let cache = tempfile::tempdir().unwrap();
    for (python, word) in [
        ("/nonexistent/python", "No such file"),
        ("/bin/false", "exit status: 1"),
        ("/bin/true", "strangely"),
    ] {
        let config = BuilderConfig { python: python.into(), ..config(cache.path()) };
        let error = Builder::new(config).unwrap().build(None, None).await.unwrap_err();
        assert!(matches!(error, BuildError::Interpreter { .. }));
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn nothing_of_the_callers_environment_but_what_uv_needs_gets_through() {
    let cache = tempfile::tempdir().unwrap();
    let spy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/spy.sh").into();
    let environment = [
        ("SECRET_TOKEN", "x"),
        ("UV_INDEX", "x"),
        ("HOME", "/home/somebody"),
        ("HTTPS_PROXY", "http://proxy"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let builder = Builder::new(BuilderConfig { uv: spy, environment, ..config(cache.path()) }).unwrap();
    let words = match builder.build(None, None).await.unwrap_err() {
        BuildError::Unresolvable { words, .. } => words,
        other => panic!("{other}"),
    };
    assert!(words.contains("HOME=/home/somebody") && words.contains("HTTPS_PROXY=http://proxy"), "{words}");
    assert!(!words.contains("SECRET_TOKEN") && !words.contains("UV_INDEX="), "{words}");
}
