//! `kv.list`, its count, and `kv.list_values`: ranges of the primary key, so that a prefix means
//! exactly its characters and nothing is scanned that is not asked for.

use bailey_protocol::capability::StorageKv;
use bailey_protocol::limits::KV_KEY_BYTES;
use bailey_protocol::method::kv::{List, ListValues, Listed, Values};
use bailey_protocol::{CallError, Grant};

use super::{Kv, values};
use crate::database::stored_guild;

impl Kv {
    /// `kv.list`: keys ascending by code point, or how many there are.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn list(&self, grant: &Grant<StorageKv>, params: &List) -> Result<Listed, CallError> {
        const KEYS: &str = "
            SELECT key FROM kv
            WHERE plugin = $1 AND guild = $2 AND key >= $3 AND key < $4 AND key > $5
              AND (expires_at IS NULL OR expires_at > $6)
            ORDER BY key LIMIT $7";
        const COUNT: &str = "
            SELECT count(*) AS count FROM kv
            WHERE plugin = $1 AND guild = $2 AND key >= $3 AND key < $4
              AND (expires_at IS NULL OR expires_at > $5)";
        let tenant = grant.tenant();
        let (plugin, guild, now) = (tenant.plugin.as_str(), stored_guild(tenant), self.now());
        let work = async {
            let client = self.database.client().await?;
            match params {
                List::Keys { prefix, limit, start_after } => {
                    let statement = client.prepare_cached(KEYS).await?;
                    let end = end_of_prefix(prefix);
                    let cursor = start_after.as_deref().unwrap_or(""); // before every key
                    let limit = i64::from(*limit);
                    let rows = client
                        .query(&statement, &[&plugin, &guild, &prefix, &end, &cursor, &now, &limit])
                        .await?;
                    Ok(Listed::Keys { keys: rows.iter().map(|row| row.get("key")).collect() })
                }
                List::Count { prefix } => {
                    let statement = client.prepare_cached(COUNT).await?;
                    let end = end_of_prefix(prefix);
                    let row = client.query_one(&statement, &[&plugin, &guild, &prefix, &end, &now]).await?;
                    Ok(Listed::Count { count: row.get::<_, i64>("count").unsigned_abs() })
                }
            }
        };
        self.database.bounded("kv.list", tenant, work).await
    }

    /// `kv.list_values`: keys and values, ascending by code point.
    ///
    /// # Errors
    /// [`CallError`] when the database fails.
    pub async fn list_values(
        &self,
        grant: &Grant<StorageKv>,
        params: &ListValues,
    ) -> Result<Values, CallError> {
        const SQL: &str = "
            SELECT key, value FROM kv
            WHERE plugin = $1 AND guild = $2 AND key >= $3 AND key < $4
              AND (expires_at IS NULL OR expires_at > $5)
            ORDER BY key LIMIT $6";
        let tenant = grant.tenant();
        let (plugin, guild) = (tenant.plugin.as_str(), stored_guild(tenant));
        let work = async {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(SQL).await?;
            let (end, limit) = (end_of_prefix(&params.prefix), i64::from(params.limit));
            let rows = client
                .query(&statement, &[&plugin, &guild, &params.prefix, &end, &self.now(), &limit])
                .await?;
            Ok(Values { values: values(&rows)? })
        };
        self.database.bounded("kv.list_values", tenant, work).await
    }
}

/// The smallest text above everything that begins with `prefix`: its last character raised by one.
/// When there is none, a text above every key there can be.
fn end_of_prefix(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = following(last) {
            end.push(next);
            return end;
        }
    }
    char::MAX.to_string().repeat(KV_KEY_BYTES / char::MAX.len_utf8() + 1)
}

/// The next character by code point; surrogates are no characters.
fn following(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        char::MAX => None,
        other => char::from_u32(u32::from(other) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_last_character_does() {
        assert_eq!(end_of_prefix("user:"), "user;");
        assert_eq!(end_of_prefix("a%"), "a&");
        assert_eq!(end_of_prefix("é"), "ê");
        assert_eq!(end_of_prefix("\u{d7ff}"), "\u{e000}");
        assert_eq!(end_of_prefix("a\u{10ffff}"), "b");
    }

    #[test]
    fn no_prefix_ends_above_every_key() {
        let largest = char::MAX.to_string().repeat(KV_KEY_BYTES / 4);
        for prefix in ["", "\u{10ffff}", &largest] {
            assert!(end_of_prefix(prefix) > largest);
        }
    }
}
