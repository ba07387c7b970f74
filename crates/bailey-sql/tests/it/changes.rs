//! Changes of the schema: plans, step by step.

use bailey_sql::{
    ColumnFacts, ConstraintFacts, ConstraintKind, Facts, Plan, Refusal, Statement, Step, TableFacts,
};

use crate::{script, shared};

/// A table `t (id primary key, a)`, made by another server and this one.
fn facts() -> Facts {
    let column = |name: &str| ColumnFacts { name: name.to_owned() };
    let key = ConstraintFacts {
        name: "t_pkey".to_owned(),
        kind: ConstraintKind::Primary,
        columns: vec!["id".to_owned()],
        references: None,
    };
    let table = TableFacts {
        number: 3,
        columns: vec![column("id"), column("a")],
        constraints: vec![key],
        statement: "CREATE TABLE t (id int PRIMARY KEY, a int)".to_owned(),
        held: true,
        held_by_others: true,
        ..TableFacts::default()
    };
    Facts { tables: [("t".to_owned(), table)].into(), next_table: 4, ..Facts::default() }
}

fn with_rows_of_others() -> Facts {
    let mut facts = facts();
    facts.tables.get_mut("t").unwrap().rows_of_others = true;
    facts
}

fn plan(sql: &str, facts: &Facts) -> Result<Plan, Refusal> {
    let script = script(sql);
    let [Statement::Change(change)] = script.statements.as_slice() else { panic!("no change: {sql}") };
    change.plan(&shared(), facts)
}

/// The steps as lines.
fn steps(sql: &str, facts: &Facts) -> String {
    let plan = plan(sql, facts).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    let line = |step: &Step| match step {
        Step::Owner(sql) => format!("owner: {sql}"),
        Step::Tenant(sql) => format!("tenant: {sql}"),
        Step::Compare { create, table } => format!("compare with {table}: {create}"),
        Step::Note(note) => format!("note: {note:?}"),
    };
    let counts = if plan.counts { "counts" } else { "does not count" };
    let lines: Vec<String> = std::iter::once(counts.to_owned()).chain(plan.steps.iter().map(line)).collect();
    lines.join("\n")
}

#[test]
fn a_table_for_all_servers() {
    let create = "CREATE TABLE IF NOT EXISTS replies (
        id SERIAL PRIMARY KEY, t INT NOT NULL REFERENCES t ON DELETE SET NULL, slug TEXT UNIQUE,
        parent INT REFERENCES replies, score NUMERIC(5, 2) DEFAULT 0 CHECK (score >= 0),
        UNIQUE (t, slug))";
    insta::assert_snapshot!(steps(create, &facts()));
}

#[test]
fn the_same_statement_of_another_server_is_no_change() {
    let mut others = facts();
    others.tables.get_mut("t").unwrap().held = false;
    let same = steps("create table t (id INT primary key, a integer)", &others);
    assert_eq!(same, "does not count\nnote: Hold(\"t\")");
    let other = steps("CREATE TABLE t (id INT PRIMARY KEY, b INT)", &others);
    assert!(other.contains("compare with t: CREATE TABLE rows_demo.__beside (__guild"), "{other}");
    assert_eq!(steps("CREATE TABLE IF NOT EXISTS t (other INT)", &facts()), "does not count");
    let refused = plan("CREATE TABLE t (id INT)", &facts()).unwrap_err();
    assert_eq!(refused.to_string(), "relation \"t\" already exists");
}

#[test]
fn columns_and_indexes() {
    let add = "ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'x', ADD COLUMN IF NOT EXISTS a INT";
    insta::assert_snapshot!("add", steps(add, &with_rows_of_others()));
    insta::assert_snapshot!("drop_hides", steps("ALTER TABLE t DROP COLUMN id", &with_rows_of_others()));
    insta::assert_snapshot!("drop", steps("ALTER TABLE t DROP COLUMN a", &facts()));
    insta::assert_snapshot!("rename", steps("ALTER TABLE t RENAME a TO b", &with_rows_of_others()));
    insta::assert_snapshot!(
        "index",
        steps("CREATE INDEX ON t (lower(a)) WHERE id > 0", &with_rows_of_others())
    );
}

#[test]
fn dropping_and_emptying_are_about_the_server_that_asks() {
    assert_eq!(
        steps("DROP TABLE t", &facts()),
        "does not count\ntenant: DELETE FROM \"t\"\nnote: Release(\"t\")\nnote: ResetCounters(3)"
    );
    for sql in ["DROP TABLE rows_demo.t", "DROP INDEX other.i"] {
        assert!(matches!(plan(sql, &facts()), Err(Refusal::Forbidden { .. })), "{sql}");
    }
    let mut alone = facts();
    alone.tables.get_mut("t").unwrap().held_by_others = false;
    insta::assert_snapshot!("drop_alone", steps("DROP TABLE IF EXISTS t, nothing", &alone));
    assert_eq!(
        steps("TRUNCATE t RESTART IDENTITY", &facts()),
        "does not count\ntenant: DELETE FROM \"t\"\nnote: ResetCounters(3)"
    );
}

#[test]
fn what_would_look_at_rows_of_others_is_refused_as_long_as_there_are_any() {
    for sql in [
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)",
        "ALTER TABLE t ADD UNIQUE (a)",
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES t",
        "ALTER TABLE t ADD COLUMN b INT NOT NULL",
        "ALTER TABLE t ADD COLUMN b INT UNIQUE",
        "ALTER TABLE t ADD COLUMN b INT CHECK (b > 0)",
        "ALTER TABLE t ADD COLUMN b SERIAL",
        "ALTER TABLE t ADD COLUMN b INT GENERATED ALWAYS AS (a + 1) STORED",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t ALTER a TYPE text",
        "ALTER TABLE t ALTER a SET DEFAULT 1",
        "CREATE UNIQUE INDEX i ON t (a)",
        "CREATE INDEX i ON t ((1 / a))",
        "CREATE INDEX i ON t (a) WHERE 1 / a > 0",
    ] {
        let refused = plan(sql, &with_rows_of_others()).unwrap_err();
        assert!(matches!(refused, Refusal::SharedOnly { .. }), "{sql}: {refused}");
        assert!(refused.to_string().contains("dedicated"), "{refused}");
        assert!(plan(sql, &facts()).is_ok_and(|plan| plan.counts), "{sql}");
    }
    for sql in ["ALTER TABLE t RENAME TO u", "ALTER TABLE t DROP CONSTRAINT t_pkey"] {
        assert!(matches!(plan(sql, &facts()), Err(Refusal::SharedOnly { .. })), "{sql}");
    }
}
