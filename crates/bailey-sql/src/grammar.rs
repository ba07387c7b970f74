//! Small words of PostgreSQL's grammar: nodes made and read, statements printed.

use pg_query::protobuf::{
    AConst, AStar, Alias, ColumnRef, Integer, MinMaxExpr, MinMaxOp, ParamRef, ParseResult, RangeVar, RawStmt,
    ResTarget, TypeCast, TypeName, a_const,
};
use pg_query::{Node, NodeEnum};

use crate::refusal::Refusal;

/// The column that says whose a row is. Plugins cannot name it.
pub(crate) const GUILD: &str = "__guild";

/// Prints one statement.
pub(crate) fn print(statement: NodeEnum) -> Result<String, Refusal> {
    let stmt = Some(Box::new(node(statement)));
    let parsed = ParseResult { version: 0, stmts: vec![RawStmt { stmt, stmt_location: 0, stmt_len: 0 }] };
    pg_query::deparse(&parsed, pg_query::DeparseOptions::default())
        .map_err(|error| Refusal::forbidden(format!("a statement that cannot be printed ({error})")))
}

/// A name in quotes, whatever it holds.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn node(inner: NodeEnum) -> Node {
    Node { node: Some(inner) }
}

/// The grammar's `String`.
pub(crate) fn string(text: &str) -> Node {
    node(NodeEnum::String(pg_query::protobuf::String { sval: text.to_owned() }))
}

/// The text of the grammar's `String`.
pub(crate) fn text_of(of: &Node) -> &str {
    match &of.node {
        Some(NodeEnum::String(text)) => &text.sval,
        _ => "",
    }
}

/// The texts of a list of the grammar's `String`s.
pub(crate) fn texts_of(list: &[Node]) -> Vec<String> {
    list.iter().map(|item| text_of(item).to_owned()).collect()
}

/// `qualifier.column`, or the column alone.
pub(crate) fn column_reference(qualifier: Option<&str>, column: &str) -> Node {
    let fields = qualifier.into_iter().chain([column]).map(string).collect();
    node(NodeEnum::ColumnRef(ColumnRef { fields, location: 0 }))
}

/// An item of a target list without a name of its own.
pub(crate) fn target(value: Node) -> Node {
    let target = ResTarget { val: Some(Box::new(value)), ..ResTarget::default() };
    node(NodeEnum::ResTarget(Box::new(target)))
}

/// An item that only names a column, as in `INSERT INTO t (a, b)`.
pub(crate) fn target_column(name: &str) -> Node {
    node(NodeEnum::ResTarget(Box::new(ResTarget { name: name.to_owned(), ..ResTarget::default() })))
}

/// A type of `pg_catalog`.
pub(crate) fn catalogue_type(name: &str) -> TypeName {
    TypeName { names: vec![string("pg_catalog"), string(name)], typemod: -1, ..TypeName::default() }
}

/// `$number::bigint`
pub(crate) fn bigint_parameter(number: i32) -> Node {
    cast(node(NodeEnum::ParamRef(ParamRef { number, location: 0 })), "int8")
}

/// `value::type`
pub(crate) fn cast(value: Node, to: &str) -> Node {
    let cast = TypeCast { arg: Some(Box::new(value)), type_name: Some(catalogue_type(to)), location: 0 };
    node(NodeEnum::TypeCast(Box::new(cast)))
}

/// `LEAST(one, other)`
pub(crate) fn least(one: Node, other: Node) -> Node {
    let least = MinMaxExpr { op: MinMaxOp::IsLeast.into(), args: vec![one, other], ..MinMaxExpr::default() };
    node(NodeEnum::MinMaxExpr(Box::new(least)))
}

/// A whole number as a constant.
pub(crate) fn integer(value: i32) -> Node {
    let val = Some(a_const::Val::Ival(Integer { ival: value }));
    node(NodeEnum::AConst(AConst { isnull: false, val, location: 0 }))
}

/// Whether it is `*` or `t.*`; of the latter the `t`.
pub(crate) fn star(of: &Node) -> Option<Option<&str>> {
    let Some(NodeEnum::ColumnRef(reference)) = &of.node else { return None };
    let (last, before) = reference.fields.split_last()?;
    matches!(last.node, Some(NodeEnum::AStar(AStar {}))).then(|| before.last().map(text_of))
}

/// Points a relation at `schema`, keeping the name it is known by in the statement.
pub(crate) fn move_to(relation: &mut RangeVar, schema: &str) {
    if relation.alias.is_none() {
        relation.alias = Some(Alias { aliasname: relation.relname.clone(), colnames: Vec::new() });
    }
    schema.clone_into(&mut relation.schemaname);
}
