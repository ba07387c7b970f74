//! Counting anew, once a night, what each server's rows take. The statements that write keep the
//! count; what they cannot see (a column dropped, a type changed) makes it drift.

use bailey_protocol::Timestamp;
use bailey_sql::Space;
use deadpool_postgres::{Object, Pool};

use super::failure::Failure;

/// The hour of the day, UTC, from which a night's count is due.
const HOUR: u8 = 3;

/// Whose rows are to be counted.
struct Whose {
    space: Space,
    guild: i64,
    token: String,
}

/// Counts for everybody if tonight's count is due and nobody has begun it. How many counts were wrong.
pub(super) async fn run_if_due(host: &Pool, now: Timestamp) -> Result<u64, Failure> {
    const BEGIN: &str = "
        INSERT INTO bailey_host.recounts (day) VALUES (to_timestamp($1::bigint / 1000)::date) ON CONFLICT DO NOTHING";
    if now.to_date_time().hour() < HOUR {
        return Ok(0);
    }
    let mut client = host.get().await?;
    if client.execute(BEGIN, &[&now.0]).await? == 0 {
        return Ok(0);
    }
    let mut wrong = 0;
    for whose in everybody(&client).await? {
        wrong += count(&mut client, &whose).await?;
    }
    Ok(wrong)
}

async fn everybody(client: &Object) -> Result<Vec<Whose>, Failure> {
    const SQL: &str = "
        SELECT space.id, space.plugin, space.guild IS NOT NULL AS dedicated, tenant.guild, tenant.token
        FROM bailey_host.tenants AS tenant JOIN bailey_host.spaces AS space ON space.id = tenant.space
        WHERE EXISTS (SELECT FROM bailey_host.usage AS usage
                      WHERE usage.space = tenant.space AND usage.guild = tenant.guild)
        ORDER BY space.id, tenant.guild";
    let rows = client.query(SQL, &[]).await?;
    let whose = rows.iter().map(|row| {
        let (guild, dedicated): (i64, bool) = (row.get("guild"), row.get("dedicated"));
        let space = Space::new(row.get("id"), row.get("plugin"), dedicated.then_some(guild.cast_unsigned()));
        Whose { space, guild, token: row.get("token") }
    });
    Ok(whose.collect())
}

/// Counts for one server, while its writers wait: they change the same rows of `usage` last.
async fn count(client: &mut Object, whose: &Whose) -> Result<u64, Failure> {
    const LOCK: &str = "
        SELECT usage.relation, usage.rows, usage.bytes, relation.relname
        FROM bailey_host.usage AS usage LEFT JOIN pg_class AS relation ON relation.oid = usage.relation
        WHERE usage.space = $1 AND usage.guild = $2
        ORDER BY usage.relation
        FOR UPDATE OF usage";
    const CORRECT: &str = "
        UPDATE bailey_host.usage SET rows = $4, bytes = $5 WHERE space = $1 AND guild = $2 AND relation = $3";
    const GONE: &str = "DELETE FROM bailey_host.usage WHERE space = $1 AND guild = $2 AND relation = $3";
    let Whose { space, guild, token } = whose;
    let transaction = client.transaction().await?;
    let mut wrong = 0;
    for noted in transaction.query(LOCK, &[&space.id, guild]).await? {
        let (relation, rows, bytes): (u32, i64, i64) = (noted.get(0), noted.get(1), noted.get(2));
        let Some(table) = noted.get::<_, Option<String>>(3) else {
            transaction.execute(GONE, &[&space.id, guild, &relation]).await?;
            continue;
        };
        let role = format!("SET LOCAL bailey.token = '{token}'; SET LOCAL ROLE {}", space.owner);
        transaction.batch_execute(&role).await?;
        let name = format!("{}.\"{}\"", space.rows, table.replace('"', "\"\""));
        let sql = format!(
            "SELECT count(*), coalesce(sum(pg_column_size(counted)), 0)::bigint FROM {name} AS counted"
        );
        let found = transaction.query_one(&sql, &[]).await?;
        transaction.batch_execute("RESET ROLE").await?;
        let counted: (i64, i64) = (found.get(0), found.get(1));
        if counted != (rows, bytes) {
            wrong += 1;
            transaction.execute(CORRECT, &[&space.id, guild, &relation, &counted.0, &counted.1]).await?;
            tracing::info!(
                role = space.role,
                guild = guild.cast_unsigned(),
                table,
                rows,
                bytes,
                counted_rows = counted.0,
                counted_bytes = counted.1,
                "counted anew what a server's rows take"
            );
        }
    }
    transaction.commit().await?;
    Ok(wrong)
}
