//! What is refused, and in which words.

use bailey_builder::{BuildError, Builder, BuilderConfig, CgroupParent, Jail, Walls};

use crate::attacks::program;
use crate::{builder, config, jail, python_inside};

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
    assert!(error.contains("dataclasses 0.6") && error.contains("`dataclasses.py`"), "{error}");
    assert!(error.contains("hide a module"), "{error}");
}

#[tokio::test]
async fn the_one_known_file_that_runs_code_at_start_is_left_out() {
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
    let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Stands in for uv: shows the environment it was given, and fails.
    let text = format!(
        "#!{} -I\nimport os, sys\n\
         sys.exit(' '.join(f'{{name}}={{value}}' for name, value in sorted(os.environ.items())))\n",
        python_inside()
    );
    let spy = program(folder.path(), &text);
    let environment = [
        ("SECRET_TOKEN", "x"),
        ("UV_INDEX", "x"),
        ("HOME", "/home/somebody"),
        ("HTTPS_PROXY", "http://proxy"),
        ("UV_DEFAULT_INDEX", "https://index.example/simple"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for (walls, wanted, unwanted) in [
        (
            Walls::from(jail()),
            ["HOME=/tmp", "HTTPS_PROXY=http://127.0.0.1:3128", "SSL_CERT_FILE=/certificates.pem"].as_slice(),
            ["somebody", "http://proxy"].as_slice(),
        ),
        (Walls::None, ["HOME=/home/somebody", "HTTPS_PROXY=http://proxy"].as_slice(), [].as_slice()),
    ] {
        let config = BuilderConfig {
            uv: spy.clone(),
            environment: environment.clone(),
            walls,
            ..config(cache.path())
        };
        let words = match Builder::new(config).unwrap().build(None, None).await.unwrap_err() {
            BuildError::Unresolvable { words, .. } => words,
            other => panic!("{other}"),
        };
        for wanted in wanted.iter().chain(&["UV_DEFAULT_INDEX=https://index.example/simple"]) {
            assert!(words.contains(wanted), "{wanted} in {words}");
        }
        for unwanted in unwanted.iter().chain(&["SECRET_TOKEN", "UV_INDEX="]) {
            assert!(!words.contains(unwanted), "{unwanted} in {words}");
        }
    }
}

#[tokio::test]
async fn without_a_wall_nothing_is_run_and_the_wall_is_named() {
    let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uv = program(folder.path(), &format!("#!{} -I\nraise SystemExit('it ran')\n", python_inside()));
    let parent = CgroupParent::Named("bailey-no-such-group".into());
    let jail = Jail { cgroup_parent: parent, ..jail() };
    let config = BuilderConfig { walls: jail.into(), uv, ..config(cache.path()) };
    let error = Builder::new(config).unwrap().build(None, None).await.unwrap_err().to_string();
    assert!(
        error.starts_with(
            "requirements are resolved in a jail, and it cannot be put up: sandbox layer `cgroup limits`"
        ),
        "{error}"
    );
    assert!(!error.contains("it ran") && error.contains("bailey-no-such-group"), "{error}");
}
