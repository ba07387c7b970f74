//! `ALTER TABLE`: columns and constraints.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, Constraint, DropBehavior,
    ObjectType,
};

use super::create_table::{self, Sharing, kind, serial};
use super::facts::{ColumnFacts, Facts, TableFacts};
use super::plan::{Bookkeeping, Plan, refuse_over_others};
use crate::grammar::{node, print, quoted};
use crate::refusal::Refusal;
use crate::space::Space;

/// Commands in one statement at most.
const COMMANDS: usize = 100;

fn subtype(command: &AlterTableCmd) -> AlterTableType {
    AlterTableType::try_from(command.subtype).unwrap_or(AlterTableType::Undefined)
}

fn commands(alter: &AlterTableStmt) -> impl Iterator<Item = &AlterTableCmd> {
    alter.cmds.iter().filter_map(|command| match &command.node {
        Some(NodeEnum::AlterTableCmd(command)) => Some(command.as_ref()),
        _ => None,
    })
}

/// Refuses commands plugins have no business with.
pub(super) fn check(alter: &AlterTableStmt) -> Result<(), Refusal> {
    if alter.objtype != i32::from(ObjectType::ObjectTable) || alter.cmds.len() > COMMANDS {
        return Err(Refusal::forbidden("ALTER of anything but a table, or of more than 100 things at once"));
    }
    for command in commands(alter) {
        match subtype(command) {
            AlterTableType::AtAddColumn | AlterTableType::AtAlterColumnType => {
                if let Some(column) = column_of(command) {
                    create_table::check_column(column)?;
                }
            }
            AlterTableType::AtAddConstraint => {
                if let Some(constraint) = constraint_of(command) {
                    create_table::check_constraint(constraint)?;
                }
            }
            AlterTableType::AtDropColumn
            | AlterTableType::AtColumnDefault
            | AlterTableType::AtDropNotNull
            | AlterTableType::AtSetNotNull
            | AlterTableType::AtDropConstraint => {}
            other => {
                let what = other.as_str_name().trim_start_matches("AT_").replace('_', " ");
                return Err(Refusal::forbidden(format!("ALTER TABLE with {}", words(&what))));
            }
        }
    }
    Ok(())
}

/// `EnableRowSecurity` as `ENABLE ROW SECURITY`.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut before_was_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && before_was_small {
            words.push(' ');
        }
        before_was_small = letter.is_ascii_lowercase();
        words.push(letter.to_ascii_uppercase());
    }
    words
}

fn column_of(command: &AlterTableCmd) -> Option<&ColumnDef> {
    match command.def.as_ref()?.node.as_ref()? {
        NodeEnum::ColumnDef(column) => Some(column),
        _ => None,
    }
}

fn constraint_of(command: &AlterTableCmd) -> Option<&Constraint> {
    match command.def.as_ref()?.node.as_ref()? {
        NodeEnum::Constraint(constraint) => Some(constraint),
        _ => None,
    }
}

pub(super) fn plan(alter: &AlterTableStmt, space: &Space, facts: &Facts) -> Result<Plan, Refusal> {
    let Some(relation) = &alter.relation else {
        return Err(Refusal::forbidden("ALTER TABLE without a name"));
    };
    let name = relation.relname.as_str();
    let Some(table) = facts.held(name) else {
        if alter.missing_ok {
            return Ok(Plan::default());
        }
        return Err(Refusal::missing_table(name));
    };
    let mut altering = Altering { name, table: table.clone(), space, facts, plan: Plan::default() };
    altering.plan.drop_view(space, name);
    let before = altering.plan.steps.len();
    altering.plan.counts = false;
    for command in commands(alter) {
        altering.command(command)?;
    }
    let Altering { table, mut plan, .. } = altering;
    if plan.counts {
        plan.create_view(space, name, &table.names());
        if !space.is_shared() {
            let (rows, role) = (&space.rows, &space.role);
            plan.owner(format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {rows} TO {role}"));
        }
    } else {
        plan.steps.drain(..before); // nothing changed: the view stays
    }
    Ok(plan)
}

/// A table on its way from what it was to what it is to be.
struct Altering<'a> {
    name: &'a str,
    /// As it is after the commands so far.
    table: TableFacts,
    space: &'a Space,
    facts: &'a Facts,
    plan: Plan,
}

impl Altering<'_> {
    fn command(&mut self, command: &AlterTableCmd) -> Result<(), Refusal> {
        let statement = self.statement(command)?;
        let asked = match subtype(command) {
            AlterTableType::AtAddColumn => self.add_column(command, &statement)?,
            AlterTableType::AtDropColumn => self.drop_column(command, &statement)?,
            AlterTableType::AtAddConstraint => self.add_constraint(command, &statement)?,
            AlterTableType::AtDropConstraint => self.drop_constraint(command)?,
            AlterTableType::AtSetNotNull => self.over_all_rows(command, &statement, "SET NOT NULL")?,
            AlterTableType::AtAlterColumnType => self.over_all_rows(command, &statement, "a new type")?,
            AlterTableType::AtColumnDefault => self.over_all_rows(command, &statement, "another DEFAULT")?,
            _ => {
                self.column_is_there(command)?;
                self.unless_others_asked(command, &statement)?
            }
        };
        if asked && !self.facts.applied_here.contains(&statement) {
            self.plan.note(Bookkeeping::Applied { table: self.name.to_owned(), statement });
        }
        Ok(())
    }

    /// One command as a statement of its own, as plugins' servers are compared by.
    fn statement(&self, command: &AlterTableCmd) -> Result<String, Refusal> {
        let mut plain = command.clone();
        plain.missing_ok = false;
        self.print(plain, "")
    }

    fn print(&self, command: AlterTableCmd, schema: &str) -> Result<String, Refusal> {
        print(NodeEnum::AlterTableStmt(AlterTableStmt {
            relation: Some(pg_query::protobuf::RangeVar {
                schemaname: schema.to_owned(),
                relname: self.name.to_owned(),
                inh: true,
                relpersistence: "p".to_owned(),
                ..Default::default()
            }),
            cmds: vec![node(NodeEnum::AlterTableCmd(Box::new(command)))],
            objtype: ObjectType::ObjectTable.into(),
            missing_ok: false,
        }))
    }

    /// Runs a command as it is.
    fn run(&mut self, command: &AlterTableCmd) -> Result<(), Refusal> {
        let mut plain = command.clone();
        plain.missing_ok = false;
        let sql = self.print(plain, &self.space.rows)?;
        self.plan.owner(sql);
        Ok(())
    }

    fn alter(&mut self, what: &str) {
        self.plan.owner(format!("ALTER TABLE {}.{} {what}", self.space.rows, quoted(self.name)));
    }

    fn column_is_there(&self, command: &AlterTableCmd) -> Result<(), Refusal> {
        if self.table.has(&command.name) {
            return Ok(());
        }
        Err(Refusal::no_such_column(self.name, &command.name))
    }

    /// Runs a command that looks at no rows, once for all servers.
    fn unless_others_asked(&mut self, command: &AlterTableCmd, statement: &str) -> Result<bool, Refusal> {
        if !self.facts.only_others_asked(statement) {
            self.run(command)?;
        }
        Ok(true)
    }

    /// Runs a command that looks at all rows, or decides over those to come, as long as they are this
    /// server's.
    fn over_all_rows(
        &mut self,
        command: &AlterTableCmd,
        statement: &str,
        what: &str,
    ) -> Result<bool, Refusal> {
        self.column_is_there(command)?;
        if self.facts.only_others_asked(statement) {
            return Ok(true);
        }
        self.refuse_over_others(&format!("ALTER COLUMN with {what}"))?;
        self.run(command)?;
        Ok(true)
    }

    fn refuse_over_others(&self, what: &str) -> Result<(), Refusal> {
        if self.space.is_shared() { refuse_over_others(&self.table, self.name, what) } else { Ok(()) }
    }

    fn add_column(&mut self, command: &AlterTableCmd, statement: &str) -> Result<bool, Refusal> {
        let Some(column) = column_of(command) else {
            return Err(Refusal::forbidden("ADD COLUMN of nothing"));
        };
        if self.table.has(&column.colname) {
            if command.missing_ok || self.facts.only_others_asked(statement) {
                return Ok(true);
            }
            let message =
                format!("column \"{}\" of relation \"{}\" already exists", column.colname, self.name);
            return Err(Refusal::sql("42701", message));
        }
        self.table.columns.push(ColumnFacts { name: column.colname.clone() });
        if !self.space.is_shared() {
            let mut moved = vec![node(NodeEnum::ColumnDef(Box::new(column.clone())))];
            create_table::move_references(&mut moved, self.space);
            let command = AlterTableCmd { def: moved.pop().map(Box::new), ..command.clone() };
            self.run(&command)?;
            return Ok(true);
        }
        self.refuse_column_over_others(column)?;
        let mut sharing = self.sharing();
        let (shared, moved) = sharing.column(column)?;
        let def = node(NodeEnum::ColumnDef(Box::new(shared)));
        self.run(&AlterTableCmd { def: Some(Box::new(def)), ..command.clone() })?;
        for constraint in moved {
            self.add_shared(constraint)?;
        }
        Ok(true)
    }

    /// What PostgreSQL would decide, or fill in, by the rows there are.
    fn refuse_column_over_others(&self, column: &ColumnDef) -> Result<(), Refusal> {
        let kinds: Vec<ConstrType> = column
            .constraints
            .iter()
            .filter_map(|constraint| match &constraint.node {
                Some(NodeEnum::Constraint(constraint)) => Some(kind(constraint)),
                _ => None,
            })
            .collect();
        let has = |wanted| kinds.contains(&wanted);
        if column.type_name.as_ref().and_then(serial).is_some() || has(ConstrType::ConstrIdentity) {
            self.refuse_over_others("ADD COLUMN of a number that counts by itself")?;
        }
        if has(ConstrType::ConstrGenerated) {
            self.refuse_over_others("ADD COLUMN .. GENERATED")?;
        }
        if has(ConstrType::ConstrUnique) || has(ConstrType::ConstrPrimary) || has(ConstrType::ConstrCheck) {
            self.refuse_over_others("ADD COLUMN with UNIQUE, PRIMARY KEY or CHECK")?;
        }
        if has(ConstrType::ConstrNotnull) && !has(ConstrType::ConstrDefault) {
            self.refuse_over_others("ADD COLUMN with NOT NULL and no DEFAULT")?;
        }
        if has(ConstrType::ConstrForeign) && has(ConstrType::ConstrDefault) {
            self.refuse_over_others("ADD COLUMN with REFERENCES and a DEFAULT")?;
        }
        Ok(())
    }

    fn sharing(&self) -> Sharing<'_> {
        Sharing {
            table: self.name,
            space: self.space,
            facts: self.facts,
            own_key: Vec::new(),
            number: self.table.number,
        }
    }

    fn add_constraint(&mut self, command: &AlterTableCmd, statement: &str) -> Result<bool, Refusal> {
        let Some(constraint) = constraint_of(command) else {
            return Err(Refusal::forbidden("ADD CONSTRAINT of nothing"));
        };
        if self.facts.only_others_asked(statement) {
            return Ok(true);
        }
        if self.table.constraints.iter().any(|known| known.name == constraint.conname) {
            let message = format!(
                "constraint \"{}\" for relation \"{}\" already exists",
                constraint.conname, self.name
            );
            return Err(Refusal::sql("42710", message));
        }
        if !self.space.is_shared() {
            let mut moved = vec![node(NodeEnum::Constraint(Box::new(constraint.clone())))];
            create_table::move_references(&mut moved, self.space);
            self.run(&AlterTableCmd { def: moved.pop().map(Box::new), ..command.clone() })?;
            return Ok(true);
        }
        let shared = self.sharing().constraint(constraint, None)?;
        self.refuse_over_others("ADD CONSTRAINT")?;
        self.add_shared(shared)?;
        Ok(true)
    }

    fn add_shared(&mut self, constraint: Constraint) -> Result<(), Refusal> {
        let def = node(NodeEnum::Constraint(Box::new(constraint)));
        let command = AlterTableCmd {
            subtype: AlterTableType::AtAddConstraint.into(),
            def: Some(Box::new(def)),
            behavior: DropBehavior::DropRestrict.into(),
            ..AlterTableCmd::default()
        };
        self.run(&command)
    }

    fn drop_column(&mut self, command: &AlterTableCmd, statement: &str) -> Result<bool, Refusal> {
        let column = command.name.as_str();
        if !self.table.has(column) {
            if command.missing_ok || self.facts.only_others_asked(statement) {
                return Ok(true);
            }
            return Err(Refusal::no_such_column(self.name, column));
        }
        self.table.columns.retain(|known| known.name != column);
        if self.space.is_shared() && self.table.rows_of_others {
            self.hide_column(column, command.behavior == i32::from(DropBehavior::DropCascade));
        } else {
            self.run(command)?;
        }
        self.table.constraints.retain(|constraint| !constraint.columns.iter().any(|known| known == column));
        Ok(true)
    }

    /// Takes a column out of everybody's sight and keeps what other servers have in it: one server
    /// may not destroy what belongs to another.
    fn hide_column(&mut self, column: &str, cascade: bool) {
        let cascade = if cascade { " CASCADE" } else { "" };
        let involved = |columns: &[String]| columns.iter().any(|known| known == column);
        let constraints: Vec<String> = self
            .table
            .constraints
            .iter()
            .filter(|constraint| involved(&constraint.columns))
            .map(|constraint| quoted(&constraint.name))
            .collect();
        for constraint in constraints {
            self.alter(&format!("DROP CONSTRAINT {constraint}{cascade}"));
        }
        let indexes: Vec<&String> = self
            .facts
            .indexes
            .iter()
            .filter(|(_, index)| index.table == self.name && involved(&index.columns))
            .map(|(name, _)| name)
            .collect();
        for index in indexes {
            self.plan.owner(format!("DROP INDEX {}.{}", self.space.rows, quoted(index)));
            self.plan.note(Bookkeeping::ForgetIndex(index.clone()));
        }
        let name = quoted(column);
        self.table.hidden += 1;
        let hidden: String = format!("__dropped_{}_{column}", self.table.hidden).chars().take(40).collect();
        self.alter(&format!("ALTER COLUMN {name} DROP NOT NULL, ALTER COLUMN {name} DROP DEFAULT"));
        self.alter(&format!("RENAME COLUMN {name} TO {}", quoted(&hidden)));
    }

    fn drop_constraint(&mut self, command: &AlterTableCmd) -> Result<bool, Refusal> {
        let name = command.name.as_str();
        if !self.table.constraints.iter().any(|constraint| constraint.name == name) {
            if command.missing_ok {
                return Ok(false);
            }
            let message = format!("constraint \"{name}\" of relation \"{}\" does not exist", self.name);
            return Err(Refusal::sql("42704", message));
        }
        if self.space.is_shared() && self.table.held_by_others {
            return Err(Refusal::shared(format!("DROP CONSTRAINT {name}"), "other servers rely on it"));
        }
        self.run(command)?;
        self.table.constraints.retain(|constraint| constraint.name != name);
        Ok(false)
    }
}
