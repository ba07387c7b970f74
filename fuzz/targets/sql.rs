//! A text a plugin sends as SQL: it is refused, or what is run in its place can be read again, passes
//! the check again, and names nothing that is not the plugin's.

#![no_main]

use std::collections::HashSet;

use bailey_sql::{
    Catalogue, Change, ColumnFacts, ConstraintFacts, ConstraintKind, Data, Facts, Refusal, Space, Statement,
    Step, TableFacts, analyse, functions,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// The tables that are there, in the seeds and in the dictionary too.
const TABLES: [(&str, [&str; 4]); 2] = [
    ("wallets", ["user_id", "balance", "bank", "last_daily"]),
    ("transfers", ["id", "from_id", "amount", "note"]),
];
/// The parameter that bounds the rows, as the host numbers it for one of eight values.
const LIMIT: i32 = 9;

fuzz_target!(|text: &str| {
    for space in [Space::new(1, "fuzz", None), Space::new(2, "fuzz", Some(7))] {
        let Ok(script) = analyse(text, &space) else { continue };
        assert!(!script.statements.is_empty(), "an accepted text without a statement");
        for statement in &script.statements {
            match statement {
                Statement::Data(data) => check_data(data, &space),
                Statement::Change(change) => {
                    facts().iter().for_each(|facts| check_change(change, &space, facts))
                }
            }
        }
    }
});

fn check_data(data: &Data, space: &Space) {
    let mut catalogue = Catalogue::default();
    for (table, columns) in TABLES.into_iter().chain(data.tables().map(|table| (table, TABLES[0].1))) {
        let columns = columns.map(str::to_owned).to_vec();
        catalogue.keys.entry(table.to_owned()).or_insert_with(|| columns[..1].to_vec());
        catalogue.tables.entry(table.to_owned()).or_insert(columns);
    }
    for limit in [None, Some(LIMIT)] {
        let Ok(prepared) = data.prepare(space, &catalogue, limit) else { continue };
        // What sharing adds to INSERT .. ON CONFLICT, and nothing else, is not a plugin's to say.
        let sql = if space.is_shared() {
            without_qualifier(&prepared.sql, &format!("{}.", space.rows)).replace("__guild, ", "")
        } else {
            prepared.sql.clone()
        };
        let Some(parsed) = parse(&prepared.sql) else { continue };
        let Value::Array(statements) = &parsed["stmts"] else { panic!("no statements") };
        assert_eq!(statements.len(), 1, "one statement became several: {}", prepared.sql);
        if let Some(parsed) = parse(&sql) {
            check_names(&parsed, &HashSet::from(["", &*space.schema]), &HashSet::new(), &sql);
        }
        match analyse(&sql, space).as_ref().map(|script| script.statements.as_slice()) {
            Ok([Statement::Data(_)]) => {}
            Err(refusal) if is_too_deep(refusal) => {}
            other => panic!("does not pass again: {sql}\n{other:?}"),
        }
    }
}

/// Takes a schema's name away where it is a name of its own and not the end of a longer one.
fn without_qualifier(sql: &str, qualifier: &str) -> String {
    let mut pieces = sql.split(qualifier);
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        if kept.ends_with(|last: char| last.is_alphanumeric() || "_$\"".contains(last)) {
            kept.push_str(qualifier);
        }
        kept.push_str(piece);
    }
    kept
}

fn check_change(change: &Change, space: &Space, facts: &Facts) {
    let Ok(plan) = change.plan(space, facts) else { return };
    for step in &plan.steps {
        let sql = match step {
            Step::Owner(sql) | Step::Tenant(sql) | Step::Compare { create: sql, .. } => sql,
            Step::Note(_) => continue,
        };
        let Some(parsed) = parse(sql) else { continue };
        let Value::Array(statements) = &parsed["stmts"] else { panic!("no statements") };
        assert_eq!(statements.len(), 1, "a step became several: {sql}");
        let schemas = HashSet::from(["", &*space.schema, &*space.rows]);
        let host = HashSet::from(["guild", "next_id", "measure_insert", "measure_update", "measure_delete"]);
        check_names(&parsed, &schemas, &host, sql);
    }
}

/// Every table is in one of `schemas`; every function is of the list or, in the schema of the host's, one of `host`;
/// and without those no name is one of the host's.
fn check_names(tree: &Value, schemas: &HashSet<&str>, host: &HashSet<&str>, sql: &str) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| check_names(item, schemas, host, sql)),
        Value::Object(fields) => {
            if fields.contains_key("isnull") && fields.contains_key("val") {
                return; // a constant
            }
            if let (Some(Value::String(schema)), Some(relation)) =
                (fields.get("schemaname"), fields.get("relname"))
            {
                assert!(schemas.contains(&**schema), "the table {schema}.{relation} in {sql}");
            }
            if let Some(Value::Array(names)) = fields.get("funcname") {
                let names: Vec<&str> = names
                    .iter()
                    .map(|name| name["node"]["String"]["sval"].as_str().unwrap_or_default())
                    .collect();
                let known = match names.as_slice() {
                    [name] => functions().any(|known| known == *name),
                    ["pg_catalog", name] => {
                        functions().chain(["like_escape", "similar_to_escape"]).any(|known| known == *name)
                    }
                    ["bailey_sql", name] => host.contains(name),
                    _ => false,
                };
                assert!(known, "the function {names:?} in {sql}");
            }
            fields.values().for_each(|value| check_names(value, schemas, host, sql));
        }
        Value::String(name) if host.is_empty() => {
            let lower = name.to_lowercase();
            let hidden = ["__", "bailey", "pg_"].iter().any(|start| lower.starts_with(start));
            assert!(!hidden || lower == "pg_catalog", "the name {name} in {sql}");
        }
        _ => {}
    }
}

/// The parse tree; `None` where it nests deeper than the parser's answer can be read.
fn parse(sql: &str) -> Option<Value> {
    match pg_query::parse(sql, pg_query::ParserOptions::default()) {
        Ok(parsed) => Some(serde_json::to_value(&parsed.protobuf).expect("a tree can be written")),
        Err(pg_query::Error::Decode(_)) => None,
        Err(error) => panic!("cannot be read again: {error}\n{sql}"),
    }
}

fn is_too_deep(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Sql { sqlstate: "54001", .. })
}

/// Nothing is there; the tables are this server's; they are another's, with rows.
fn facts() -> [Facts; 3] {
    let table = |number: i32, columns: [&str; 4], held: bool| TableFacts {
        number,
        columns: columns.map(|name| ColumnFacts { name: name.to_owned() }).to_vec(),
        constraints: vec![ConstraintFacts {
            name: format!("key_{number}"),
            kind: ConstraintKind::Primary,
            columns: vec![columns[0].to_owned()],
            references: None,
        }],
        held,
        held_by_others: !held,
        rows_of_others: !held,
        ..TableFacts::default()
    };
    let tables = |held| {
        TABLES
            .iter()
            .zip(1..)
            .map(|((name, columns), number)| ((*name).to_owned(), table(number, *columns, held)))
            .collect()
    };
    [
        Facts { next_table: 1, ..Facts::default() },
        Facts { tables: tables(true), next_table: 3, ..Facts::default() },
        Facts { tables: tables(false), next_table: 3, ..Facts::default() },
    ]
}
