//! `CREATE TABLE`.

use pg_query::NodeEnum;
use pg_query::protobuf::{ColumnDef, ConstrType, Constraint, CreateStmt, FuncCall, Node, RangeVar, TypeName};

use super::facts::Facts;
use super::names::made_up;
use super::plan::{Bookkeeping, Plan, Step};
use crate::grammar::{GUILD, catalogue_type, node, print, string, text_of, texts_of};
use crate::refusal::Refusal;
use crate::space::Space;

/// Columns of a table at most; PostgreSQL's own bound depends on their types.
const COLUMNS: usize = 500;

/// Refuses what no table of a plugin may be.
pub(super) fn check(create: &CreateStmt) -> Result<(), Refusal> {
    if !create.inh_relations.is_empty() {
        return Err(Refusal::forbidden("INHERITS"));
    }
    if create.of_typename.is_some() || create.partbound.is_some() || create.partspec.is_some() {
        return Err(Refusal::forbidden("a table of a type or of partitions"));
    }
    if !create.options.is_empty() || !create.tablespacename.is_empty() || !create.access_method.is_empty() {
        return Err(Refusal::forbidden("an option of storage"));
    }
    if create.table_elts.len() > COLUMNS {
        return Err(Refusal::sql("54011", format!("tables can have at most {COLUMNS} columns")));
    }
    for element in &create.table_elts {
        match &element.node {
            Some(NodeEnum::ColumnDef(column)) => check_column(column)?,
            Some(NodeEnum::Constraint(constraint)) => check_constraint(constraint)?,
            _ => return Err(Refusal::forbidden("CREATE TABLE .. LIKE")),
        }
    }
    Ok(())
}

/// Refuses what no column may be.
pub(super) fn check_column(column: &ColumnDef) -> Result<(), Refusal> {
    if !column.compression.is_empty() || !column.storage_name.is_empty() {
        return Err(Refusal::forbidden("an option of storage"));
    }
    column.constraints.iter().try_for_each(|constraint| match &constraint.node {
        Some(NodeEnum::Constraint(constraint)) => check_constraint(constraint),
        _ => Ok(()),
    })
}

/// Refuses what no constraint may be.
pub(super) fn check_constraint(constraint: &Constraint) -> Result<(), Refusal> {
    if kind(constraint) == ConstrType::ConstrExclusion {
        return Err(Refusal::forbidden("EXCLUDE"));
    }
    if !constraint.options.is_empty() || !constraint.indexspace.is_empty() || !constraint.indexname.is_empty()
    {
        return Err(Refusal::forbidden("an option of storage"));
    }
    Ok(())
}

pub(super) fn kind(constraint: &Constraint) -> ConstrType {
    ConstrType::try_from(constraint.contype).unwrap_or(ConstrType::Undefined)
}

pub(super) fn plan(create: &CreateStmt, space: &Space, facts: &Facts) -> Result<Plan, Refusal> {
    let Some(relation) = &create.relation else { return Err(Refusal::forbidden("a table without a name")) };
    let name = relation.relname.as_str();
    let mut plain = create.clone();
    plain.if_not_exists = false;
    if let Some(relation) = &mut plain.relation {
        relation.schemaname.clear();
    }
    let statement = print(NodeEnum::CreateStmt(plain.clone()))?;
    match facts.tables.get(name) {
        Some(table) if table.held => {
            return if create.if_not_exists {
                Ok(Plan::default())
            } else {
                Err(Refusal::sql("42P07", format!("relation \"{name}\" already exists")))
            };
        }
        // Made by another server: this one only begins to use it.
        Some(table) => {
            let mut plan = Plan::default();
            if table.statement != statement {
                let beside = shared_table(&plain, space, facts, Step::BESIDE, facts.next_table)?;
                plan.steps.push(Step::Compare { create: beside.0, table: name.to_owned() });
            }
            plan.note(Bookkeeping::Hold(name.to_owned()));
            return Ok(plan);
        }
        None => {}
    }
    let mut plan = Plan::default();
    let number = facts.next_table;
    if space.is_shared() {
        let (sql, columns) = shared_table(&plain, space, facts, name, number)?;
        plan.owner(sql);
        plan.govern(space, name);
        plan.create_view(space, name, &columns.iter().map(String::as_str).collect::<Vec<_>>());
    } else {
        move_references(&mut plain.table_elts, space);
        if let Some(relation) = &mut plain.relation {
            relation.schemaname.clone_from(&space.rows);
        }
        plan.owner(print(NodeEnum::CreateStmt(plain))?);
        plan.govern(space, name);
    }
    plan.note(Bookkeeping::Register { table: name.to_owned(), number, statement });
    plan.note(Bookkeeping::Hold(name.to_owned()));
    Ok(plan)
}

/// The tables a dedicated table leads to, named with their schema.
pub(super) fn move_references(elements: &mut [Node], space: &Space) {
    for element in elements {
        match &mut element.node {
            Some(NodeEnum::Constraint(constraint)) => {
                if let Some(table) = &mut constraint.pktable {
                    table.schemaname.clone_from(&space.rows);
                }
            }
            Some(NodeEnum::ColumnDef(column)) => move_references(&mut column.constraints, space),
            _ => {}
        }
    }
}

/// The statement that makes the table for all servers under `named`, and the columns a plugin sees.
/// For a table made to compare, everything an author named goes without a name.
fn shared_table(
    create: &CreateStmt,
    space: &Space,
    facts: &Facts,
    named: &str,
    number: i32,
) -> Result<(String, Vec<String>), Refusal> {
    let author = create.relation.as_ref().map_or("", |relation| relation.relname.as_str());
    let mut sharing = Sharing { table: author, space, facts, own_key: own_primary_key(create), number };
    let (mut columns, mut elements, mut constraints) = (Vec::new(), vec![hidden_column()], Vec::new());
    for element in &create.table_elts {
        match &element.node {
            Some(NodeEnum::ColumnDef(column)) => {
                columns.push(column.colname.clone());
                let (column, moved) = sharing.column(column)?;
                elements.push(node(NodeEnum::ColumnDef(Box::new(column))));
                constraints.extend(moved);
            }
            Some(NodeEnum::Constraint(constraint)) => constraints.push(sharing.constraint(constraint, None)?),
            _ => {}
        }
    }
    let beside = named == Step::BESIDE;
    elements.extend(constraints.into_iter().map(|mut constraint| {
        if beside {
            constraint.conname.clear();
        }
        node(NodeEnum::Constraint(Box::new(constraint)))
    }));
    let mut shared = create.clone();
    shared.table_elts = elements;
    shared.relation = Some(RangeVar {
        schemaname: space.rows.clone(),
        relname: named.to_owned(),
        inh: true,
        relpersistence: "p".to_owned(),
        ..RangeVar::default()
    });
    Ok((print(NodeEnum::CreateStmt(shared))?, columns))
}

/// The primary key a table is made with, for references to itself.
fn own_primary_key(create: &CreateStmt) -> Vec<String> {
    for element in &create.table_elts {
        match &element.node {
            Some(NodeEnum::Constraint(constraint)) if kind(constraint) == ConstrType::ConstrPrimary => {
                return texts_of(&constraint.keys);
            }
            Some(NodeEnum::ColumnDef(column)) => {
                let is_key = column.constraints.iter().any(|constraint| {
                    matches!(&constraint.node, Some(NodeEnum::Constraint(constraint))
                        if kind(constraint) == ConstrType::ConstrPrimary)
                });
                if is_key {
                    return vec![column.colname.clone()];
                }
            }
            _ => {}
        }
    }
    Vec::new()
}

/// `__guild bigint NOT NULL DEFAULT bailey_sql.guild()`
fn hidden_column() -> Node {
    let column = ColumnDef {
        colname: GUILD.to_owned(),
        type_name: Some(catalogue_type("int8")),
        is_local: true,
        constraints: vec![
            simple(ConstrType::ConstrNotnull, None),
            simple(ConstrType::ConstrDefault, Some(call("guild", vec![]))),
        ],
        ..ColumnDef::default()
    };
    node(NodeEnum::ColumnDef(Box::new(column)))
}

/// `bailey_sql.function(arguments)`
fn call(function: &str, args: Vec<Node>) -> Node {
    let call = FuncCall {
        funcname: vec![string("bailey_sql"), string(function)],
        args,
        funcformat: pg_query::protobuf::CoercionForm::CoerceExplicitCall.into(),
        ..FuncCall::default()
    };
    node(NodeEnum::FuncCall(Box::new(call)))
}

/// A text as a constant.
fn text_constant(text: &str) -> Node {
    use pg_query::protobuf::{AConst, String as Text, a_const};
    let val = Some(a_const::Val::Sval(Text { sval: text.to_owned() }));
    node(NodeEnum::AConst(AConst { isnull: false, val, location: 0 }))
}

fn simple(contype: ConstrType, raw_expr: Option<Node>) -> Node {
    let constraint = Constraint {
        contype: contype.into(),
        raw_expr: raw_expr.map(Box::new),
        is_enforced: true,
        initially_valid: true,
        ..Constraint::default()
    };
    node(NodeEnum::Constraint(Box::new(constraint)))
}

/// Rewrites columns and constraints of one table for all servers.
pub(super) struct Sharing<'a> {
    /// The table's name as its author knows it.
    pub(super) table: &'a str,
    pub(super) space: &'a Space,
    pub(super) facts: &'a Facts,
    /// The primary key of the table itself, where it is being made.
    pub(super) own_key: Vec<String>,
    /// The table's number: counters of its columns go by it.
    pub(super) number: i32,
}

impl Sharing<'_> {
    /// The column, and those of its constraints that need the hidden column.
    pub(super) fn column(&mut self, column: &ColumnDef) -> Result<(ColumnDef, Vec<Constraint>), Refusal> {
        let mut shared = column.clone();
        let (mut stays, mut moved, mut counts) = (Vec::new(), Vec::new(), false);
        if let Some(counted) = shared.type_name.as_ref().and_then(serial) {
            shared.type_name = Some(catalogue_type(counted));
            counts = true;
        }
        for constraint in std::mem::take(&mut shared.constraints) {
            let Some(NodeEnum::Constraint(inner)) = &constraint.node else { continue };
            match kind(inner) {
                ConstrType::ConstrPrimary | ConstrType::ConstrUnique | ConstrType::ConstrForeign => {
                    moved.push(self.constraint(inner, Some(&column.colname))?);
                }
                ConstrType::ConstrIdentity => counts = true,
                ConstrType::ConstrAttrDeferrable | ConstrType::ConstrAttrDeferred => return Err(deferred()),
                _ => stays.push(constraint),
            }
        }
        if counts {
            let key = text_constant(&format!("{}.{}", self.number, column.colname));
            let space = crate::grammar::integer(self.space.id);
            stays.push(simple(ConstrType::ConstrNotnull, None));
            stays.push(simple(ConstrType::ConstrDefault, Some(call("next_id", vec![space, key]))));
        }
        shared.constraints = stays;
        Ok((shared, moved))
    }

    /// A constraint of the table, `of` one column or of those it names.
    pub(super) fn constraint(
        &self,
        constraint: &Constraint,
        of: Option<&str>,
    ) -> Result<Constraint, Refusal> {
        if constraint.deferrable || constraint.initdeferred {
            return Err(deferred());
        }
        let mut shared = constraint.clone();
        match kind(constraint) {
            kind @ (ConstrType::ConstrPrimary | ConstrType::ConstrUnique) => {
                let keys = of.map_or_else(|| texts_of(&constraint.keys), |column| vec![column.to_owned()]);
                if shared.conname.is_empty() {
                    let columns = keys.iter().map(String::as_str);
                    shared.conname = match kind {
                        ConstrType::ConstrPrimary => made_up(self.table, [], "pkey"),
                        _ => made_up(self.table, columns, "key"),
                    };
                }
                shared.keys = with_hidden(&keys);
            }
            ConstrType::ConstrForeign => self.foreign(&mut shared, of)?,
            _ => {}
        }
        Ok(shared)
    }

    fn foreign(&self, shared: &mut Constraint, of: Option<&str>) -> Result<(), Refusal> {
        let columns = of.map_or_else(|| texts_of(&shared.fk_attrs), |column| vec![column.to_owned()]);
        let Some(target) = &mut shared.pktable else { return Ok(()) };
        let other = self.facts.held(&target.relname);
        if other.is_none() && target.relname != self.table {
            return Err(Refusal::missing_table(&target.relname));
        }
        let mut keys = texts_of(&shared.pk_attrs);
        if keys.is_empty() {
            let own = || (!self.own_key.is_empty()).then(|| self.own_key.clone());
            let key = other.map_or_else(own, |table| table.primary_key().map(<[String]>::to_vec));
            let Some(key) = key else {
                let message = format!("there is no primary key for referenced table \"{}\"", target.relname);
                return Err(Refusal::sql("42704", message));
            };
            keys = key;
        }
        if shared.fk_matchtype == "f" && columns.len() > 1 {
            return Err(Refusal::shared("MATCH FULL", "the hidden column of the key is never empty"));
        }
        shared.fk_matchtype = "s".to_owned();
        if matches!(shared.fk_upd_action.as_str(), "n" | "d") {
            return Err(Refusal::shared(
                "ON UPDATE SET NULL or SET DEFAULT",
                "it would empty the hidden column of the key",
            ));
        }
        // Only the plugin's columns are emptied, never the hidden one.
        if matches!(shared.fk_del_action.as_str(), "n" | "d") && shared.fk_del_set_cols.is_empty() {
            shared.fk_del_set_cols = columns.iter().map(|column| string(column)).collect();
        }
        if shared.conname.is_empty() {
            shared.conname = made_up(self.table, columns.iter().map(String::as_str), "fkey");
        }
        target.schemaname.clone_from(&self.space.rows);
        shared.fk_attrs = with_hidden(&columns);
        shared.pk_attrs = with_hidden(&keys);
        Ok(())
    }
}

fn with_hidden(columns: &[String]) -> Vec<Node> {
    std::iter::once(GUILD).chain(columns.iter().map(String::as_str)).map(string).collect()
}

fn deferred() -> Refusal {
    Refusal::shared("a DEFERRABLE constraint", "ON CONFLICT on shared tables cannot use it")
}

/// What a `SERIAL` counts in.
pub(super) fn serial(name: &TypeName) -> Option<&'static str> {
    match text_of(name.names.last()?) {
        "serial" | "serial4" => Some("int4"),
        "bigserial" | "serial8" => Some("int8"),
        "smallserial" | "serial2" => Some("int2"),
        _ => None,
    }
}
