//! What `manifest.json` may say.

use bailey_package::Code;
use bailey_protocol::Capability;
use bailey_protocol::method::sql::SqlIsolation;
use serde_json::{Value, json};

use crate::{errors, warnings, with_manifest};

/// A manifest with these further fields.
fn more(fields: serde_json::Value) -> String {
    let mut manifest = json!({"id": "demo", "name": "Demo", "version": "0.1.0"});
    manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    manifest.to_string()
}

#[test]
fn broken_json_is_shown_with_its_line_and_column() {
    let findings = with_manifest("{\n  \"id\": \"demo\",\n  \"name\" \"Demo\"\n}").unwrap_err();
    let shown = findings.to_string();
    assert_eq!(
        shown,
        "manifest.json:3:10: [manifest_invalid_json] `manifest.json` is not valid JSON: expected `:`.\n  \
         hint: look at that place for a missing or extra comma, quote or bracket"
    );
    assert_eq!(
        serde_json::to_value(findings.iter().next().unwrap()).unwrap()["code"],
        json!("manifest_invalid_json")
    );
}

#[test]
fn each_broken_manifest_has_its_code() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (manifest, codes) in [
        ("", vec![Code::ManifestInvalidJson]),
        ("[]", vec![Code::ManifestNotObject]),
        (&deep, vec![Code::ManifestInvalidJson]),
        ("{}", vec![Code::ManifestMissingField, Code::ManifestMissingField, Code::ManifestMissingField]),
        (r#"{"id": "demo", "name": " ", "version": "1"}"#, vec![Code::ManifestMissingField]),
        (r#"{"id": "Demo!", "name": "x", "version": "1"}"#, vec![Code::ManifestPluginId]),
        (r#"{"id": "demo", "name": "x", "version": 1.0}"#, vec![Code::ManifestFieldType]),
        (&more(json!({"capabilities": "storage:kv"})), vec![Code::CapabilitiesNotList]),
        (&more(json!({"capabilities_required": [5]})), vec![Code::CapabilityMalformed]),
        (&more(json!({"sql": "dedicated"})), vec![Code::ManifestFieldType]),
        (&more(json!({"sql": {"isolation": "Dedicated"}})), vec![Code::SqlIsolationUnknown]),
        (&more(json!({"sql": {"isolation": true}})), vec![Code::SqlIsolationUnknown]),
        (&more(json!({"cron": {}})), vec![Code::CronNotList]),
        (&more(json!({"cron": ["0 9 * * *"]})), vec![Code::CronEntryMalformed]),
        (&more(json!({"cron": [{"spec": "0 9 * * *", "name": " "}]})), vec![Code::CronEntryMalformed]),
        (
            &more(json!({"cron": [{"spec": "0 9 * * *", "name": "daily", "missed": "twice"}]})),
            vec![Code::CronEntryMalformed],
        ),
        (&more(json!({"cron": [{"spec": "0 9 * * *", "name": "daily-task"}]})), vec![Code::CronNameInvalid]),
        (&more(json!({"cron": [{"spec": "0 9 * * *", "name": "class"}]})), vec![Code::CronNameInvalid]),
        (&more(json!({"cron": [{"spec": "0 9 * * MON", "name": "daily"}]})), vec![Code::CronSpecInvalid]),
        (&more(json!({"cron": [{"spec": "@daily", "name": "daily"}]})), vec![Code::CronSpecInvalid]),
        (&more(json!({"cron": [{"spec": "*/4 * * * *", "name": "often"}]})), vec![Code::CronSpecTooFrequent]),
        (
            &more(json!({"cron": [{"spec": "0 9 * * *", "name": "a"}, {"spec": "0 8 * * *", "name": "a"}]})),
            vec![Code::CronNameDuplicate],
        ),
        (
            &more(
                json!({"cron": (0..6).map(|n| json!({"spec": "0 9 * * *", "name": format!("f{n}")})).collect::<Vec<_>>()}),
            ),
            vec![Code::CronTooMany],
        ),
        (
            &more(json!({"proxy_domains": (0..21).map(|n| format!("h{n}.example.com")).collect::<Vec<_>>()})),
            vec![Code::ProxyDomainsTooMany],
        ),
        (&more(json!({"slash_commands": {}})), vec![Code::CommandDefinitionsNotList]),
        (&more(json!({"slash_commands": ["greet"]})), vec![Code::CommandMalformed]),
        (&more(json!({"slash_commands": [{"name": "a b"}]})), vec![Code::CommandNameInvalid]),
        (&more(json!({"slash_commands": [{"name": "a"}, {"name": "A"}]})), vec![Code::CommandDuplicate]),
    ] {
        assert_eq!(errors(with_manifest(manifest)), codes, "{}", &manifest[..manifest.len().min(100)]);
    }
    let bad_text = crate::zip_of(&[("manifest.json", b"{\n\"id\": \"\xff\"}"), ("__main__.py", b"")]);
    let findings = bailey_package::Package::from_zip(&bad_text).unwrap_err();
    let finding = findings.iter().next().unwrap();
    assert_eq!((finding.code, finding.line), (Code::ManifestEncoding, Some(2)));
}

#[test]
fn tables_are_kept_as_the_plugin_asks() {
    for (sql, isolation) in [
        (json!(null), None),
        (json!({}), None),
        (json!({"isolation": null}), None),
        (json!({"isolation": "shared", "later": 1}), Some(SqlIsolation::Shared)),
        (json!({"isolation": "dedicated"}), Some(SqlIsolation::Dedicated)),
    ] {
        let package = with_manifest(&more(json!({ "sql": sql }))).unwrap();
        assert_eq!(package.manifest.sql_isolation, isolation, "{sql}");
    }
    assert_eq!(with_manifest(&more(json!({}))).unwrap().manifest.sql_isolation, None);
    let findings = with_manifest(&more(json!({"sql": {"isolation": "own"}}))).unwrap_err();
    assert_eq!(
        findings.to_string(),
        "manifest.json: [sql_isolation_unknown] Field `sql.isolation` must be \"shared\" or \"dedicated\", not \"own\".\n  \
         hint: leave it out for \"shared\": one set of tables, each server with its own rows"
    );
}

#[test]
fn capabilities_are_the_union_of_every_spelling_and_of_what_is_implied() {
    let package = with_manifest(&more(json!({
        "capabilities_required": ["storage:kv", " discord:read "],
        "capabilities_requested": ["storage:kv"],
        "requested_capabilities": ["discord:add_reaction", "events:member_join"],
        "capabilities": ["kv:write", "strange"],
        "proxy_domains_requested": ["API.example.com"],
        "proxy_domains": ["example.org", "api.example.com"],
        "slash_commands": [{"name": "Greet", "description": "", "options": null, "nsfw": true}],
        "whatever": {"is": "ignored"},
    })))
    .unwrap();
    let manifest = &package.manifest;
    assert_eq!(
        manifest.capabilities.names(),
        ["discord:add_reaction", "discord:read", "interaction:respond", "proxy:http", "storage:kv"]
    );
    assert_eq!(manifest.unknown_capabilities, ["events:member_join", "strange"]);
    assert_eq!(manifest.proxy_domains, ["api.example.com", "example.org"]);
    assert_eq!(manifest.commands[0].name, "greet");
    assert_eq!(
        serde_json::Value::Object(manifest.commands[0].definition.clone()),
        json!({"name": "greet", "description": "No description", "nsfw": true})
    );
    assert_eq!(manifest.document["whatever"]["is"], json!("ignored"));
    assert_eq!(
        warnings(&package),
        [Code::CapabilityUnknown, Code::CapabilityUnknown, Code::CommandNotLowercase]
    );
}

#[test]
fn an_empty_manifest_grants_nothing() {
    let package = with_manifest(&more(json!({"capabilities": null, "slash_commands": []}))).unwrap();
    assert_eq!(package.manifest.capabilities.names(), [""; 0]);
    assert!(package.warnings.is_empty());
    assert!(!package.manifest.capabilities.contains(Capability::InteractionRespond));
}

#[test]
fn handlers_without_an_entry_become_plain_commands() {
    let source = br#"
@plugin.on_slash_command("declared")
def a(): pass
@bot.on_slash_command( 'found-here' )
def b(): pass
@plugin.on_slash_command("Capital")
def c(): pass
@plugin.on_slash_command(NAME)
def d(): pass
@plugin.on_slash_command("two", guild=1)
def e(): pass
# @plugin.on_slash_command("commented")
"#;
    let manifest = more(json!({"slash_commands": [{"name": "declared", "description": "x"}]}));
    let package = bailey_package::Package::from_zip(&crate::zip_of(&[
        ("manifest.json", manifest.as_bytes()),
        ("__main__.py", b""),
        ("parts/greeting.py", source),
        ("notes.txt", source),
    ]))
    .unwrap();
    let names: Vec<_> = package.manifest.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["declared", "found-here"]);
    assert_eq!(warnings(&package), [Code::CommandHandlerNotLowercase, Code::CommandNotDeclared]);
}

#[test]
fn a_handler_alone_implies_answering() {
    let package = bailey_package::Package::from_zip(&crate::zip_of(&[
        ("manifest.json", crate::MANIFEST.as_bytes()),
        ("__main__.py", b"@plugin.on_slash_command(\"hi\")\n"),
    ]))
    .unwrap();
    assert!(package.manifest.capabilities.contains(Capability::InteractionRespond));
}

#[test]
fn commands_in_menus_keep_their_names_and_have_no_description() {
    let manifest = more(json!({"slash_commands": [
        {"name": "Report Message", "type": 3, "description": "gone", "options": []},
        {"name": "Inspect", "type": 2}, {"name": "inspect", "description": "d"}]}));
    let package = with_manifest(&manifest).unwrap();
    let found: Vec<_> =
        package.manifest.commands.iter().map(|one| Value::Object(one.definition.clone())).collect();
    assert_eq!(found[0], json!({"name": "Report Message", "type": 3}));
    assert_eq!(found[1], json!({"name": "Inspect", "type": 2}));
    assert_eq!(found[2]["name"], "inspect");
}

#[test]
fn schedules_are_read_with_their_names() {
    let manifest = more(json!({"cron": [
        {"spec": " 0 9 * * 1-5 ", "name": "daily"},
        {"spec": "*/5 * * * *", "name": "größe", "missed": "run_once"},
    ]}));
    let schedules = with_manifest(&manifest).unwrap().manifest.schedules;
    let shown: Vec<_> =
        schedules.iter().map(|schedule| (schedule.name.as_str(), schedule.spec.as_str())).collect();
    assert_eq!(shown, [("daily", "0 9 * * 1-5"), ("größe", "*/5 * * * *")]);
    assert_eq!(schedules[1].missed, bailey_protocol::schedule::Missed::RunOnce);
}

/// The warnings of a plugin with these schedules and this code.
fn compared(schedules: &[&str], code: &str) -> Vec<String> {
    let cron: Vec<Value> = schedules.iter().map(|name| json!({"spec": "0 9 * * *", "name": name})).collect();
    let package = bailey_package::Package::from_zip(&crate::zip_of(&[
        ("manifest.json", more(json!({"cron": cron})).as_bytes()),
        ("__main__.py", b""),
        ("parts/times.py", code.as_bytes()),
        ("notes.txt", b"@plugin.cron('0 9 * * *')\ndef in_a_text(ctx): pass\n@plugin.schedule(60)"),
    ]))
    .unwrap();
    package.warnings.iter().map(|warning| format!("{} {}", warning.code.as_str(), warning.message)).collect()
}

#[test]
fn schedules_and_their_functions_are_compared() {
    let plain = "@plugin.cron(\"0 9 * * *\")\ndef daily(ctx): pass\n";
    let decorated = "    @bot.cron( '0 9 * * *' )  # at nine\r\n\n    # a remark\n    @other(1)\n    async def daily(self):\n";
    for code in [plain, decorated] {
        assert_eq!(compared(&["daily"], code), [""; 0], "{code}");
        assert_eq!(
            compared(&[], code),
            [
                "cron_task_not_in_manifest `daily` is scheduled in code but not in the manifest, so it will not run here."
            ],
            "{code}"
        );
        assert_eq!(
            compared(&["daily", "weekly"], code),
            ["cron_missing_task Schedule `weekly` fires, but no cron function has that name."],
            "{code}"
        );
    }
    for unseen in [
        "",
        "@plugin.cron(SPEC)\ndef daily(ctx): pass\n",
        "# @plugin.cron('0 9 * * *')\ndef daily(ctx): pass\n",
    ] {
        assert_eq!(
            compared(&["daily"], unseen),
            [
                "cron_tasks_not_found No function with `@plugin.cron(\"...\")` was found; the names of the schedules are unchecked."
            ],
            "{unseen}"
        );
    }
    // Told of every schedule, it needs no functions.
    assert_eq!(compared(&["daily"], "@plugin.on_event('cron')\ndef on_time(ctx, event): pass\n"), [""; 0]);
    assert_eq!(
        compared(&[], "@plugin.schedule(60)\ndef a(ctx): pass\n@plugin.schedule(90)\ndef b(ctx): pass\n"),
        ["schedule_task_never_runs Interval tasks (`@plugin.schedule`) do not run here."]
    );
}

#[test]
fn a_host_that_reaches_nothing_is_said_so_and_the_plugin_runs() {
    for domain in [
        "https://api.example.com",
        "api.example.com/v1",
        "*.example.com",
        "localhost",
        "a..b",
        "x.y:port",
        "x.y:0",
    ] {
        let manifest = more(json!({"proxy_domains_requested": [domain]}));
        assert_eq!(warnings(&with_manifest(&manifest).unwrap()), [Code::ProxyDomainInvalid], "{domain}");
    }
    for domain in [
        "api.example.com",
        "api.example.com:8443",
        "example.com.",
        "203.0.113.7",
        "203.0.113.7:27015",
        "2001:db8::1",
    ] {
        let manifest = more(json!({"proxy_domains_requested": [domain]}));
        assert!(warnings(&with_manifest(&manifest).unwrap()).is_empty(), "{domain}");
    }
}
