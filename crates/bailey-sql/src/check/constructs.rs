//! The constructs of the grammar plugins may use.

use crate::refusal::Refusal;

/// Structs of the parse tree, sorted.
const CONSTRUCTS: &[&str] = &[
    "AArrayExpr",
    "AConst",
    "AExpr",
    "AIndices",
    "AIndirection",
    "AStar",
    "Alias",
    "AlterTableCmd",
    "AlterTableStmt",
    "BoolExpr",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "CollateClause",
    "ColumnDef",
    "ColumnRef",
    "CommonTableExpr",
    "Constraint",
    "CreateStmt",
    "DeleteStmt",
    "DropStmt",
    "FuncCall",
    "GroupingFunc",
    "GroupingSet",
    "IndexElem",
    "IndexStmt",
    "InferClause",
    "InsertStmt",
    "Integer",
    "JoinExpr",
    "List",
    "LockingClause",
    "MinMaxExpr",
    "MultiAssignRef",
    "NamedArgExpr",
    "NullTest",
    "OnConflictClause",
    "ParamRef",
    "RangeFunction",
    "RangeSubselect",
    "RangeVar",
    "RawStmt",
    "RenameStmt",
    "ResTarget",
    "ReturningClause",
    "RowExpr",
    "SelectStmt",
    "SetToDefault",
    "SortBy",
    "SqlValueFunction",
    "String",
    "SubLink",
    "TruncateStmt",
    "TypeCast",
    "TypeName",
    "UpdateStmt",
    "WindowDef",
    "WithClause",
];

/// What a construct is called where people read about it.
const NAMES: &[(&str, &str)] = &[
    ("CallStmt", "CALL"),
    ("CheckPointStmt", "CHECKPOINT"),
    ("ClosePortalStmt", "CLOSE"),
    ("CopyStmt", "COPY"),
    ("CreateExtensionStmt", "CREATE EXTENSION"),
    ("CreateFunctionStmt", "CREATE FUNCTION"),
    ("CreateSeqStmt", "CREATE SEQUENCE (a column of type SERIAL counts by itself)"),
    ("CreateTableAsStmt", "CREATE TABLE .. AS (create the table, then INSERT .. SELECT)"),
    ("CreateTrigStmt", "CREATE TRIGGER"),
    ("CurrentOfExpr", "WHERE CURRENT OF"),
    ("DeclareCursorStmt", "DECLARE"),
    ("DefElem", "an option in WITH (..)"),
    ("DoStmt", "DO"),
    ("ExecuteStmt", "EXECUTE"),
    ("ExplainStmt", "EXPLAIN"),
    ("GrantStmt", "GRANT and REVOKE"),
    ("ListenStmt", "LISTEN"),
    ("LockStmt", "LOCK"),
    ("MergeStmt", "MERGE (use INSERT .. ON CONFLICT)"),
    ("NotifyStmt", "NOTIFY"),
    ("PartitionSpec", "PARTITION BY"),
    ("PrepareStmt", "PREPARE"),
    ("RangeTableSample", "TABLESAMPLE"),
    ("TableLikeClause", "CREATE TABLE .. LIKE"),
    (
        "TransactionStmt",
        "BEGIN, COMMIT and their like: each call is one transaction, and one call may hold several statements",
    ),
    ("VacuumStmt", "VACUUM and ANALYZE"),
    ("VariableSetStmt", "SET"),
    ("VariableShowStmt", "SHOW"),
    ("ViewStmt", "CREATE VIEW"),
    ("XmlExpr", "XML"),
    ("XmlSerialize", "XML"),
];

/// Refuses a construct that is not listed.
pub(super) fn check(name: &'static str) -> Result<(), Refusal> {
    if CONSTRUCTS.binary_search(&name).is_ok() {
        return Ok(());
    }
    let known = NAMES.iter().find(|(construct, _)| *construct == name);
    Err(match known {
        Some((_, words)) => Refusal::forbidden(*words),
        None => Refusal::forbidden(spelled_out(name)),
    })
}

/// `CreateStatsStmt` as `CREATE STATS`, `BitString` as `BIT STRING`.
fn spelled_out(name: &str) -> String {
    let mut words = String::new();
    for letter in name.trim_end_matches("Stmt").chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_uppercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(CONSTRUCTS.is_sorted());
    }

    #[test]
    fn constructs_are_named_as_people_know_them() {
        let words = |name| check(name).unwrap_err().to_string();
        assert!(words("CopyStmt").contains("COPY"));
        assert!(words("CreateStatsStmt").contains("CREATE STATS"));
        assert!(check("SelectStmt").is_ok());
    }
}
