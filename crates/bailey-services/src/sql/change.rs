//! Texts that change the schema, alone or among other statements: one transaction of the host's,
//! each step as the role it is meant for.
//!
//! Rows are otherwise never touched on a connection of the host's. Here they are, because a script
//! is one transaction and the plugin's own role may not change the schema; the steps run under
//! `SET LOCAL ROLE`, and what they say has passed the check.

use bailey_protocol::{CallError, limits};
use bailey_sql::{Bookkeeping, Data, Plan, Refusal, Script, Statement, Step};
use deadpool_postgres::Object;
use serde_json::value::RawValue;
use tokio_postgres::Client;

use super::failure::Failure;

use super::bounds::Bounds;
use super::tenancy::Tenancy;
use super::{facts, parameters, pools};

/// What became of a script.
pub(super) struct Outcome {
    /// Rows of the last statement.
    pub(super) rowcount: u64,
    /// Whether the database's schema was changed.
    pub(super) changed: bool,
    /// Whether nothing at all was changed.
    pub(super) unchanging: bool,
}

/// Runs a script as a whole. `allowed` is asked once, before the first change of the schema.
pub(super) async fn run(
    client: &mut Object,
    tenancy: &Tenancy,
    script: &Script,
    parameters: &[Box<RawValue>],
    bounds: Bounds,
    allowed: impl Fn() -> Result<(), CallError>,
) -> Result<Outcome, Failure> {
    let transaction = client.transaction().await?;
    let mut run = Run { client: transaction.client(), tenancy, changed: false, unchanging: true, allowed };
    run.begin(bounds).await?;
    let mut rowcount = 0;
    for statement in &script.statements {
        rowcount = match statement {
            Statement::Data(data) => run.data(data, parameters).await?,
            Statement::Change(change) => {
                let facts = facts::read(run.client, tenancy).await?;
                let plan = change.plan(&tenancy.space, &facts)?;
                run.plan(plan).await?
            }
        };
    }
    let Run { changed, unchanging, .. } = run;
    if changed {
        let version = "UPDATE bailey_host.spaces SET version = version + 1 WHERE id = $1";
        transaction.execute(version, &[&tenancy.space.id]).await?;
    }
    transaction.commit().await?;
    Ok(Outcome { rowcount, changed, unchanging })
}

struct Run<'a, A> {
    client: &'a Client,
    tenancy: &'a Tenancy,
    changed: bool,
    unchanging: bool,
    allowed: A,
}

impl<A: Fn() -> Result<(), CallError>> Run<'_, A> {
    /// One change of a space at a time; the bounds are the plugin's, not the host's.
    async fn begin(&self, bounds: Bounds) -> Result<(), Failure> {
        let Tenancy { space, token, .. } = self.tenancy;
        let mut script: String =
            bounds.settings().map(|(name, value)| format!("SET LOCAL {name} = {value};")).collect();
        let id = space.id;
        script
            .push_str(&format!("SET LOCAL bailey.token = '{token}'; SELECT pg_advisory_xact_lock({id}, 0)"));
        Ok(self.client.batch_execute(&script).await?)
    }

    async fn become_role(&self, role: &str, schema: &str) -> Result<(), Failure> {
        let script =
            format!("SET LOCAL ROLE {role}; SET LOCAL search_path = {schema}, bailey_sql, pg_catalog");
        Ok(self.client.batch_execute(&script).await?)
    }

    async fn become_host(&self) -> Result<(), Failure> {
        Ok(self.client.batch_execute("RESET ROLE; SET LOCAL search_path = pg_catalog").await?)
    }

    /// A statement on rows, as the plugin's role.
    async fn data(&mut self, data: &Data, parameters: &[Box<RawValue>]) -> Result<u64, Failure> {
        self.unchanging = false;
        let view = self.tenancy.read(self.client, bailey_protocol::Timestamp(0)).await?;
        let prepared = data.prepare(&self.tenancy.space, &view.catalogue, None)?;
        self.as_tenant(&prepared.sql, parameters).await
    }

    async fn as_tenant(&self, sql: &str, parameters: &[Box<RawValue>]) -> Result<u64, Failure> {
        self.become_role(&self.tenancy.space.role, &self.tenancy.space.schema).await?;
        let statement = pools::prepare(self.client, sql, parameters).await?;
        let parameters = parameters::all(parameters);
        let rowcount = self.client.execute_raw(&statement, &parameters).await?;
        self.become_host().await?;
        Ok(rowcount)
    }

    async fn plan(&mut self, plan: Plan) -> Result<u64, Failure> {
        if plan.counts && !self.changed {
            (self.allowed)()?;
            self.changed = true;
        }
        let mut rowcount = 0;
        self.unchanging &= plan.steps.is_empty();
        for step in plan.steps {
            rowcount += self.step(step).await?;
        }
        Ok(rowcount)
    }

    async fn step(&self, step: Step) -> Result<u64, Failure> {
        let space = &self.tenancy.space;
        match step {
            Step::Owner(sql) => {
                self.become_role(&space.owner, &space.rows).await?;
                // Prepared, so that it is one statement whatever it holds.
                self.client.execute(&sql, &[]).await?;
                self.become_host().await?;
                Ok(0)
            }
            Step::Tenant(sql) => {
                self.as_tenant(&sql, &[]).await?;
                Ok(0)
            }
            Step::Compare { create, table } => self.compare(create, &table).await.map(|()| 0),
            Step::Note(note) => self.note(note).await.map(|()| 0),
        }
    }

    /// Makes the table the server asked for beside the one that is there, and compares.
    async fn compare(&self, create: String, table: &str) -> Result<(), Failure> {
        let space = &self.tenancy.space;
        let there = facts::shape(self.client, self.tenancy, table).await?;
        self.become_role(&space.owner, &space.rows).await?;
        self.client.execute(&create, &[]).await?;
        self.become_host().await?;
        let asked = facts::shape(self.client, self.tenancy, Step::BESIDE).await?;
        self.become_role(&space.owner, &space.rows).await?;
        self.client.execute(&format!("DROP TABLE {}.{}", space.rows, Step::BESIDE), &[]).await?;
        self.become_host().await?;
        let only_in = |one: &[String], other: &[String]| {
            one.iter().filter(|part| !other.contains(part)).cloned().collect::<Vec<_>>().join("; ")
        };
        let (missing, added) = (only_in(&there, &asked), only_in(&asked, &there));
        if missing.is_empty() && added.is_empty() {
            return Ok(());
        }
        let said = |what: &str, parts: String| {
            if parts.is_empty() { String::new() } else { format!("; {what}: {parts}") }
        };
        Err(Refusal::Sql {
            sqlstate: "42P07",
            message: format!(
                "relation \"{table}\" already exists for the plugin's servers with another shape{}{}",
                said("only there", missing),
                said("only here", added)
            ),
        }
        .into())
    }

    async fn note(&self, note: Bookkeeping) -> Result<(), Failure> {
        let (client, space, guild) = (self.client, self.tenancy.space.id, self.tenancy.guild);
        match note {
            Bookkeeping::Register { table, number, statement } => {
                self.room_for_a_table().await?;
                client
                    .execute(
                        "INSERT INTO bailey_host.tables (space, name, number, statement) VALUES ($1, $2, $3, $4)",
                        &[&space, &table, &number, &statement],
                    )
                    .await?;
                let next = "UPDATE bailey_host.spaces SET next_table = $2 + 1 WHERE id = $1";
                client.execute(next, &[&space, &number]).await?;
            }
            Bookkeeping::Hold(table) => {
                let hold = "INSERT INTO bailey_host.holdings (space, guild, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
                client.execute(hold, &[&space, &guild, &table]).await?;
            }
            Bookkeeping::Release(table) => {
                let release =
                    "DELETE FROM bailey_host.holdings WHERE space = $1 AND guild = $2 AND name = $3";
                client.execute(release, &[&space, &guild, &table]).await?;
                let unapplied =
                    "DELETE FROM bailey_host.applied WHERE space = $1 AND guild = $2 AND table_name = $3";
                client.execute(unapplied, &[&space, &guild, &table]).await?;
            }
            Bookkeeping::Forget(table) => {
                let gone = "
                    DELETE FROM bailey_host.usage AS usage WHERE usage.space = $1
                       AND NOT EXISTS (SELECT FROM pg_class WHERE oid = usage.relation)";
                client.execute(gone, &[&space]).await?;
                let forget = "DELETE FROM bailey_host.tables WHERE space = $1 AND name = $2";
                client.execute(forget, &[&space, &table]).await?;
            }
            Bookkeeping::Rename { from, to } => {
                let rename = "UPDATE bailey_host.tables SET name = $3 WHERE space = $1 AND name = $2";
                client.execute(rename, &[&space, &from, &to]).await?;
            }
            Bookkeeping::ResetCounters(number) => {
                let reset =
                    "DELETE FROM bailey_host.counters WHERE space = $1 AND guild = $2 AND name LIKE $3";
                client.execute(reset, &[&space, &guild, &format!("{number}.%")]).await?;
            }
            Bookkeeping::Applied { table, statement } => {
                let apply = "
                    INSERT INTO bailey_host.applied (space, guild, table_name, statement)
                    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
                client.execute(apply, &[&space, &guild, &table, &statement]).await?;
            }
            Bookkeeping::Unapplied(statement) => {
                let unapply =
                    "DELETE FROM bailey_host.applied WHERE space = $1 AND guild = $2 AND statement = $3";
                client.execute(unapply, &[&space, &guild, &statement]).await?;
            }
            Bookkeeping::RegisterIndex { index, table, statement } => {
                let register = "
                    INSERT INTO bailey_host.indexes (space, name, table_name, statement)
                    VALUES ($1, $2, $3, $4)";
                client.execute(register, &[&space, &index, &table, &statement]).await?;
            }
            Bookkeeping::ForgetIndex(index) => {
                let forget = "DELETE FROM bailey_host.indexes WHERE space = $1 AND name = $2";
                client.execute(forget, &[&space, &index]).await?;
            }
        }
        Ok(())
    }

    async fn room_for_a_table(&self) -> Result<(), Failure> {
        let count = "SELECT count(*) FROM bailey_host.tables WHERE space = $1";
        let row = self.client.query_one(count, &[&self.tenancy.space.id]).await?;
        let most = limits::SQL_TABLES;
        if row.get::<_, i64>(0) >= most as i64 {
            let message = format!("a plugin can have at most {most} tables; drop one first");
            return Err(Refusal::Sql { sqlstate: "54000", message }.into());
        }
        Ok(())
    }
}
