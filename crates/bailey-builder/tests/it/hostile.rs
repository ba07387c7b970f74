//! Wheels and pages that mean no good: each is refused, and the words say what and why.

use std::path::Path;

use bailey_builder::{Builder, BuilderConfig, BuiltPackages};
use serde_json::{Value, json};

use crate::config;
use crate::index::{Index, metadata, wheel};

fn builder(index_url: &str, cache: &Path) -> Builder {
    let mut config = BuilderConfig { ..config(cache) };
    config.environment.push(("UV_DEFAULT_INDEX".to_owned(), index_url.to_owned()));
    config.environment.retain(|(name, value)| name != "UV_DEFAULT_INDEX" || value == index_url);
    Builder::new(config).unwrap()
}

async fn build(index: &Index, requirements: &str) -> Result<BuiltPackages, String> {
    let cache = tempfile::tempdir().unwrap();
    let built = builder(&index.url(), cache.path()).build(Some(requirements), None).await;
    let finished = |name: &str| name.len() == 64 && !name.contains('.');
    if built.is_err() {
        let left: Vec<_> =
            std::fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| finished(&name.to_string_lossy())), "{left:?}");
    }
    built.map_err(|error| error.to_string())
}

/// A wheel with these entries besides its descriptions is refused in these words.
async fn check(entries: &[Value], words: &[&str]) {
    let index = Index::start();
    index.wheel("evil", "1.0", entries);
    let error = build(&index, "evil").await.expect_err(&format!("{entries:?}"));
    for word in ["evil"].iter().chain(words) {
        assert!(error.contains(word), "`{word}` in: {error}");
    }
}

/// The bytecode of a module in a folder, whichever Python it is for.
fn compiled(folder: &Path, stem: &str) -> Option<Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("__pycache__")).ok()?.flatten();
    let mut wanted =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{stem}.")));
    std::fs::read(wanted.next()?.path()).ok()
}

fn text(name: &str) -> Value {
    json!({"name": name, "text": "x = 1\n"})
}

#[tokio::test]
async fn a_good_wheel_from_an_index_of_ones_own_is_built() {
    let index = Index::start();
    index.wheel(
        "good-thing",
        "1.0",
        &[text("good_thing/__init__.py"), text("good_thing-1.0.data/purelib/other.py")],
    );
    let cache = tempfile::tempdir().unwrap();
    let built = builder(&index.url(), cache.path()).build(Some("good_thing"), None).await.unwrap();
    for file in
        ["good_thing/__init__.py", "other.py", "good_thing-1.0.dist-info/METADATA", "yourbot_sdk/__init__.py"]
    {
        assert!(built.directory.join(file).is_file(), "{file}");
    }
    for (folder, stem) in [("good_thing", "__init__"), ("", "other")] {
        assert!(compiled(&built.directory.join(folder), stem).is_some(), "{folder}/{stem}");
    }
    let lock = std::fs::read_to_string(&built.lock).unwrap();
    assert!(lock.contains("name = \"good-thing\"") && lock.contains("sha256 = \""), "{lock}");
}

#[tokio::test]
async fn paths_and_kinds_that_leave_the_packages_are_refused() {
    check(&[text("../evil.py")], &["evil 1.0", "`../evil.py`", "outside of the packages"]).await;
    check(&[text("evil/../../../evil.py")], &["evil 1.0", "outside of the packages"]).await;
    check(&[text("/tmp/evil.py")], &["evil 1.0", "`/tmp/evil.py`", "outside of the packages"]).await;
    check(&[text("evil\\..\\..\\evil.py")], &["evil 1.0"]).await;
    check(&[json!({"name": "evil/link", "link": "/etc/passwd"})], &["evil 1.0", "`evil/link`", "a link"])
        .await;
}

#[tokio::test]
async fn what_would_change_python_or_the_sdk_is_refused() {
    check(
        &[text("json/__init__.py")],
        &["evil 1.0", "`json/__init__.py`", "hide a module of Python's standard library"],
    )
    .await;
    check(&[text("evil-1.0.data/platlib/json.py")], &["evil 1.0", "standard library"]).await;
    check(&[text("sitecustomize.py")], &["evil 1.0", "run at every start"]).await;
    check(&[text("evil.pth")], &["evil 1.0", "`evil.pth`", "at every start"]).await;
    check(&[text("yourbot_sdk/__init__.py")], &["evil 1.0", "take the place of the SDK"]).await;
    check(&[text("mmo_maid_sdk.py")], &["evil 1.0", "take the place of the SDK"]).await;
    check(&[text("yourbot_sdk-9.dist-info/RECORD")], &["evil 1.0", "another package"]).await;
}

#[tokio::test]
async fn programs_and_what_belongs_elsewhere_are_refused() {
    check(&[text("evil-1.0.data/scripts/tool")], &["evil 1.0", "brings the program"]).await;
    check(&[text("bin/tool")], &["evil 1.0", "plugins run no programs"]).await;
    check(&[text("evil-1.0.data/data/etc/evil.conf")], &["evil 1.0", "outside of the packages"]).await;
}

#[tokio::test]
async fn two_packages_with_one_file_are_refused_unless_it_is_the_same() {
    let index = Index::start();
    index.wheel("good", "1.0", &[json!({"name": "shared/__init__.py", "text": ""}), text("shared/good.py")]);
    index.wheel("fine", "1.0", &[json!({"name": "shared/__init__.py", "text": ""}), text("shared/fine.py")]);
    index.wheel("evil", "1.0", &[json!({"name": "shared/good.py", "text": "evil\n"})]);
    build(&index, "good\nfine").await.unwrap();
    let error = build(&index, "good\nevil").await.unwrap_err();
    assert!(
        error.contains("good 1.0") && error.contains("evil 1.0") && error.contains("`shared/good.py`"),
        "{error}"
    );
}

/// Unpacked once, it takes little room; comparing it with itself again and again would take for ever.
#[tokio::test]
async fn what_is_brought_again_counts_again() {
    let index = Index::start();
    let names = ["one", "two", "three", "four", "five"];
    for name in names {
        index.wheel(name, "1.0", &[json!({"name": "shared/zeros", "zeros": 120 * 1024 * 1024})]);
    }
    let error = build(&index, &names.join("\n")).await.unwrap_err();
    assert!(error.contains("exceed 512 MB"), "{error}");
}

#[tokio::test]
async fn bytecode_of_a_wheel_is_not_taken() {
    let index = Index::start();
    let version = "import sys; print(sys.implementation.cache_tag)";
    #[expect(clippy::disallowed_methods, reason = "asks the interpreter for the ending of its files")]
    let tag =
        std::process::Command::new("/usr/bin/python3").args(["-I", "-c", version]).output().unwrap().stdout;
    let name = format!("good/__pycache__/__init__.{}.pyc", String::from_utf8(tag).unwrap().trim());
    let pyc = json!({"name": name, "text": "evil"});
    index.wheel("good", "1.0", &[text("good/__init__.py"), pyc]);
    let cache = tempfile::tempdir().unwrap();
    let built = builder(&index.url(), cache.path()).build(Some("good"), None).await.unwrap();
    assert_ne!(compiled(&built.directory.join("good"), "__init__").unwrap(), b"evil");
}

#[tokio::test]
async fn bombs_are_refused_before_they_burst() {
    let large = 200 * 1024 * 1024;
    check(
        &[json!({"name": "evil/zeros", "zeros": large})],
        &["evil 1.0", "`evil/zeros`", "more than 128 MB"],
    )
    .await;
    // The size it states is not believed.
    check(
        &[json!({"name": "evil/zeros", "zeros": large, "lies": 1000})],
        &["evil 1.0", "`evil/zeros`", "cannot be unpacked"],
    )
    .await;
    let each = 120 * 1024 * 1024;
    let many: Vec<_> = (0..5).map(|n| json!({"name": format!("evil/zeros{n}"), "zeros": each})).collect();
    let index = Index::start();
    index.wheel("evil", "1.0", &many);
    let error = build(&index, "evil").await.unwrap_err();
    assert!(error.contains("exceed 512 MB or 30000 files"), "{error}");
}

#[tokio::test]
async fn ten_thousand_files_are_refused() {
    let many: Vec<_> = (0..10_000).map(|n| json!({"name": format!("evil/f{n}"), "text": ""})).collect();
    check(&many, &["evil 1.0", "has 10003 files, more than 8000"]).await;
}

#[tokio::test]
async fn a_wheel_that_describes_another_package_is_refused() {
    let other =
        |version| json!({"name": "evil-1.0.dist-info/METADATA", "text": metadata("innocent", version)});
    check(&[other("1.0")], &["innocent"]).await;
    // Told one thing by the index and another by the wheel.
    let index = Index::start();
    let (file, bytes) = wheel("evil", "1.0", &[other("1.0"), text("evil.py")]);
    index.serve_wheel("evil", &file, bytes.clone());
    describe(&index, &file, &bytes);
    let error = build(&index, "evil").await.unwrap_err();
    assert!(error.contains("evil 1.0") && error.contains("describes itself as `innocent 1.0`"), "{error}");
}

/// Serves the description beside the wheel (as a good one), so that uv does not fetch the wheel itself.
fn describe(index: &Index, file: &str, bytes: &[u8]) {
    use sha2::{Digest, Sha256};
    let hash = hex::encode(Sha256::digest(bytes));
    index.page("evil", &format!("/files/{file}#sha256={hash}"), file, "data-core-metadata=\"true\"");
    index.answer(&format!("/files/{file}.metadata"), "200 OK", "", metadata("evil", "1.0"));
}

#[tokio::test]
async fn a_source_distribution_is_not_built() {
    let index = Index::start();
    index.page("evil", "/files/evil-1.0.tar.gz", "evil-1.0.tar.gz", "");
    index.answer("/files/evil-1.0.tar.gz", "200 OK", "", "anything");
    let error = build(&index, "evil").await.unwrap_err();
    assert!(error.contains("cannot be resolved") && error.contains("only wheels"), "{error}");
    assert!(!index.asked().iter().any(|asked| asked.contains("tar.gz")), "nothing of it is even fetched");
}

#[tokio::test]
async fn a_page_that_leads_to_another_host_is_refused() {
    let (index, elsewhere) = (Index::start(), Index::start());
    let (file, bytes) = wheel("evil", "1.0", &[text("evil.py")]);
    elsewhere.serve_wheel("evil", &file, bytes);
    for host in [format!("127.0.0.1:{}", elsewhere.port), "169.254.169.254:80".to_owned()] {
        index.page("evil", &format!("http://{host}/files/{file}#sha256={}", "0".repeat(64)), &file, "");
        let error = build(&index, "evil").await.unwrap_err();
        assert!(error.contains("the resolver tried to reach"), "{error}");
        assert!(
            error.contains(&format!("`{host}`")) && error.contains("is not the configured index"),
            "{error}"
        );
    }
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused_by_the_resolver_and_by_the_fetching() {
    let (index, elsewhere) = (Index::start(), Index::start());
    let (file, bytes) = wheel("evil", "1.0", &[text("evil.py")]);
    elsewhere.serve_wheel("evil", &file, bytes.clone());
    for host in [format!("127.0.0.1:{}", elsewhere.port), "169.254.169.254:80".to_owned()] {
        for described in [false, true] {
            index.serve_wheel("evil", &file, bytes.clone());
            if described {
                describe(&index, &file, &bytes);
            }
            let location = format!("Location: http://{host}/files/{file}\r\n");
            index.answer(&format!("/files/{file}"), "302 Found", &location, "");
            let error = build(&index, "evil").await.unwrap_err();
            let who = if described { "the file of evil 1.0" } else { "the resolver" };
            assert!(error.starts_with(&format!("{who} tried to reach `{host}`")), "{error}");
        }
    }
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn a_file_that_is_not_the_one_its_hash_says_is_refused() {
    let index = Index::start();
    let (file, bytes) = wheel("evil", "1.0", &[text("evil.py")]);
    index.serve_wheel("evil", &file, bytes.clone());
    describe(&index, &file, &bytes);
    index.answer(&format!("/files/{file}"), "200 OK", "", wheel("evil", "1.0", &[text("other.py")]).1);
    let error = build(&index, "evil").await.unwrap_err();
    assert!(error.contains("evil 1.0") && error.contains("not the file its hash was written for"), "{error}");
}

#[tokio::test]
async fn the_credentials_of_an_index_are_used_and_never_said() {
    let index = Index::start();
    index.wheel("good", "1.0", &[text("good.py")]);
    let cache = tempfile::tempdir().unwrap();
    for (credentials, works) in [("me:p%40ss-word@", true), ("me:wr%40ng-word@", false)] {
        let url = format!("http://{credentials}127.0.0.1:{}/private/simple", index.port);
        // The page leads to a file that needs them as well.
        let (file, bytes) = wheel("good", "1.0", &[text("good.py")]);
        index.serve_wheel("good", &file, bytes);
        let requirements = if works { "good" } else { "good!=2" };
        let built = builder(&url, cache.path()).build(Some(requirements), None).await;
        let said = match built {
            Ok(built) => {
                assert!(works);
                std::fs::read_to_string(built.lock).unwrap()
            }
            Err(error) => {
                assert!(!works, "{error}");
                format!("{error} {error:?}")
            }
        };
        for secret in ["p%40ss", "p@ss", "wr%40ng", "wr@ng", "bWU6"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
    }
    let words =
        format!("{:?}", builder(&format!("http://me:p%40ss-word@127.0.0.1:{}/", index.port), cache.path()));
    assert!(!words.contains("p%40ss") && !words.contains("p@ss"), "{words}");
}
