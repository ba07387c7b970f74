//! What is there, read for a change of the schema, within its transaction and under its lock.

use bailey_sql::{ColumnFacts, ConstraintFacts, ConstraintKind, Facts, IndexFacts, TableFacts};
use tokio_postgres::Client;

use super::failure::Failure;
use super::tenancy::Tenancy;

/// Reads a space as one server meets it.
pub(super) async fn read(client: &Client, tenancy: &Tenancy) -> Result<Facts, Failure> {
    let mut facts = Facts::default();
    tables(client, tenancy, &mut facts).await?;
    columns(client, tenancy, &mut facts).await?;
    constraints(client, tenancy, &mut facts).await?;
    indexes(client, tenancy, &mut facts).await?;
    applied(client, tenancy, &mut facts).await?;
    Ok(facts)
}

async fn tables(client: &Client, tenancy: &Tenancy, facts: &mut Facts) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT space.next_table, known.name, known.number, known.statement,
               coalesce(bool_or(holding.guild = $2), false) AS held,
               coalesce(bool_or(holding.guild <> $2), false) AS held_by_others,
               EXISTS (SELECT FROM bailey_host.usage AS usage
                       WHERE usage.space = space.id AND usage.guild <> $2 AND usage.rows > 0
                         AND usage.relation = relation.oid) AS rows_of_others
        FROM bailey_host.spaces AS space
        LEFT JOIN bailey_host.tables AS known ON known.space = space.id
        LEFT JOIN bailey_host.holdings AS holding ON holding.space = space.id AND holding.name = known.name
        LEFT JOIN pg_class AS relation
            ON relation.relname = known.name
           AND relation.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $3)
        WHERE space.id = $1
        GROUP BY space.id, known.space, known.name, relation.oid";
    let space = &tenancy.space;
    for row in client.query(SQL, &[&space.id, &tenancy.guild, &space.rows]).await? {
        facts.next_table = row.get("next_table");
        let Some(name) = row.get::<_, Option<String>>("name") else { continue };
        let table = TableFacts {
            number: row.get("number"),
            statement: row.get("statement"),
            held: row.get("held"),
            held_by_others: row.get("held_by_others"),
            rows_of_others: row.get("rows_of_others"),
            ..TableFacts::default()
        };
        facts.tables.insert(name, table);
    }
    Ok(())
}

async fn columns(client: &Client, tenancy: &Tenancy, facts: &mut Facts) -> Result<(), Failure> {
    const SQL: &str = r"
        SELECT relation.relname, attribute.attname, attribute.attname LIKE '\_\_dropped%' AS hidden
        FROM pg_attribute AS attribute JOIN pg_class AS relation ON relation.oid = attribute.attrelid
        WHERE relation.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
          AND relation.relkind = 'r' AND attribute.attnum > 0 AND NOT attribute.attisdropped
          AND attribute.attname <> '__guild'
        ORDER BY relation.relname, attribute.attnum";
    for row in client.query(SQL, &[&tenancy.space.rows]).await? {
        let Some(table) = facts.tables.get_mut(row.get::<_, &str>("relname")) else { continue };
        if row.get("hidden") {
            table.hidden += 1;
        } else {
            table.columns.push(ColumnFacts { name: row.get("attname") });
        }
    }
    Ok(())
}

async fn constraints(client: &Client, tenancy: &Tenancy, facts: &mut Facts) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT relation.relname, rule.conname, rule.contype::text AS kind, other.relname AS references,
               ARRAY(SELECT attribute.attname::text
                     FROM unnest(rule.conkey) WITH ORDINALITY AS key (number, place)
                     JOIN pg_attribute AS attribute
                         ON attribute.attrelid = rule.conrelid AND attribute.attnum = key.number
                     WHERE attribute.attname <> '__guild'
                     ORDER BY key.place) AS columns
        FROM pg_constraint AS rule
        JOIN pg_class AS relation ON relation.oid = rule.conrelid
        LEFT JOIN pg_class AS other ON other.oid = rule.confrelid
        WHERE relation.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)";
    for row in client.query(SQL, &[&tenancy.space.rows]).await? {
        let Some(table) = facts.tables.get_mut(row.get::<_, &str>("relname")) else { continue };
        let kind = match row.get::<_, &str>("kind") {
            "p" => ConstraintKind::Primary,
            "u" => ConstraintKind::Unique,
            "f" => ConstraintKind::Foreign,
            "c" => ConstraintKind::Check,
            _ => continue,
        };
        table.constraints.push(ConstraintFacts {
            name: row.get("conname"),
            kind,
            columns: row.get("columns"),
            references: row.get("references"),
        });
    }
    Ok(())
}

async fn indexes(client: &Client, tenancy: &Tenancy, facts: &mut Facts) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT known.name, known.table_name, known.statement,
               ARRAY(SELECT DISTINCT attribute.attname::text
                     FROM pg_depend AS needed
                     JOIN pg_attribute AS attribute
                         ON attribute.attrelid = needed.refobjid AND attribute.attnum = needed.refobjsubid
                     WHERE needed.classid = 'pg_class'::regclass AND needed.objid = relation.oid
                       AND needed.refobjsubid > 0) AS columns
        FROM bailey_host.indexes AS known
        JOIN pg_class AS relation
            ON relation.relname = known.name
           AND relation.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $2)
        WHERE known.space = $1";
    for row in client.query(SQL, &[&tenancy.space.id, &tenancy.space.rows]).await? {
        let index = IndexFacts {
            table: row.get("table_name"),
            statement: row.get("statement"),
            columns: row.get("columns"),
        };
        facts.indexes.insert(row.get("name"), index);
    }
    Ok(())
}

async fn applied(client: &Client, tenancy: &Tenancy, facts: &mut Facts) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT statement, bool_or(guild = $2) AS here, bool_or(guild <> $2) AS elsewhere
        FROM bailey_host.applied
        WHERE space = $1 GROUP BY statement";
    for row in client.query(SQL, &[&tenancy.space.id, &tenancy.guild]).await? {
        let statement: String = row.get("statement");
        if row.get("here") {
            facts.applied_here.insert(statement.clone());
        }
        if row.get("elsewhere") {
            facts.applied_elsewhere.insert(statement.clone());
        }
        facts.applied_anywhere.insert(statement);
    }
    Ok(())
}

/// The shape of a table, to compare: columns and rules as the server prints them, without names.
pub(super) async fn shape(client: &Client, tenancy: &Tenancy, table: &str) -> Result<Vec<String>, Failure> {
    const SQL: &str = r"
        SELECT part FROM (
            SELECT 'column ' || attribute.attname || ' '
                   || format_type(attribute.atttypid, attribute.atttypmod)
                   || CASE WHEN attribute.attnotnull THEN ' NOT NULL' ELSE '' END
                   || CASE WHEN attribute.attgenerated <> '' THEN ' GENERATED' ELSE '' END
                   || CASE attribute.attidentity WHEN '' THEN '' ELSE ' IDENTITY' END
                   || coalesce(' DEFAULT ' || regexp_replace(
                          pg_get_expr(preset.adbin, preset.adrelid),
                          'next_id\([^)]*\)|nextval\([^)]*\)', 'the next number'), '') AS part
            FROM pg_attribute AS attribute
            LEFT JOIN pg_attrdef AS preset
                ON preset.adrelid = attribute.attrelid AND preset.adnum = attribute.attnum
            WHERE attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
              AND attribute.attname NOT LIKE '\_\_%'
            UNION ALL
            SELECT replace(regexp_replace(pg_get_constraintdef(rule.oid),
                                          '(\(|, )__guild(, )?', '\1', 'g'), '()', '')
            FROM pg_constraint AS rule WHERE rule.conrelid = relation.oid AND rule.contype <> 't'
        ) AS parts
        ORDER BY part";
    let sql = SQL.replace("relation.oid", "(SELECT oid FROM pg_class WHERE relname = $1 AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $2))");
    let rows = client.query(&sql, &[&table, &tenancy.space.rows]).await?;
    Ok(rows.iter().map(|row| row.get("part")).collect())
}
