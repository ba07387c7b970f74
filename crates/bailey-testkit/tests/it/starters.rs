//! Starter plugins of every SDK are packages Bailey takes.

use std::fs;

use bailey_package::Package;
use bailey_testkit::{SDKS, Sdk, TEMPLATES, Template, starter};

use crate::cache;

async fn written(sdk: Sdk, template: Template) -> Package {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("plugin");
    starter(cache(), sdk, template, &target).await;
    Package::from_directory(&target).unwrap_or_else(|findings| panic!("{sdk:?} {template:?}: {findings}"))
}

#[tokio::test]
async fn every_tool_writes_every_starter() {
    for sdk in SDKS {
        for template in TEMPLATES {
            let package = written(sdk, template).await;
            let manifest = &package.manifest;
            assert_eq!(manifest.id.as_str(), format!("starter_{}", template.name()));
            let commands: Vec<_> = manifest.commands.iter().map(|command| command.name.as_str()).collect();
            let expected: &[&str] = match template {
                Template::Basic => &[],
                Template::Slash => &["hello"],
                Template::Welcome => &["welcome-channel"],
                Template::Cron => &["summary-channel"],
            };
            assert_eq!(commands, expected, "{sdk:?} {template:?}");
            assert!(package.requirements.as_deref().unwrap().contains(sdk.distribution));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_made_once_for_everybody_and_again_when_it_is_half() {
    let cache = tempfile::tempdir().unwrap();
    let sdk = SDKS[0];
    let half = cache.path().join("mmo-maid-sdk-0.5.2/lib");
    fs::create_dir_all(&half).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let cache = cache.path().to_path_buf();
        tasks.spawn(async move { sdk.environment(&cache).await });
    }
    for folder in tasks.join_all().await {
        assert!(folder.join("bin/mmo").is_file());
    }
}
