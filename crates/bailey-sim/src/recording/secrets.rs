//! Takes secrets out of what is recorded. What the simulator gave out itself is known and found wherever it stands,
//! also inside other words; what only looks like a secret, or stands where one belongs, goes too. Each known secret
//! has a name of its own, so that a recording still tells which is which, and equal runs name them alike.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};

/// Secrets remembered; the oldest are long worth nothing by then.
const MOST_SECRETS: usize = 16_384;
/// What stands for a secret nobody knows the name of.
const UNKNOWN: &str = "SECRET";
/// Secrets are looked for by their first letters; what is shorter is no secret.
const PREFIX: usize = 8;
/// Fields whose text is a secret wherever they are.
const FIELDS: [&str; 6] =
    ["token", "access_token", "refresh_token", "client_secret", "code_verifier", "authorization"];
/// The parts of a bot token, the shortest there are: the bot's id, when it was made, and the signature.
const TOKEN_PARTS: [usize; 3] = [18, 6, 27];

/// The secrets a simulator knows.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Secret and name, by the secret's first letters.
    known: HashMap<[u8; PREFIX], Vec<(String, String)>>,
    order: VecDeque<[u8; PREFIX]>,
    counts: HashMap<&'static str, u64>,
}

impl Secrets {
    /// Remembers a secret, which is `SECRET-kind-number` from now on.
    pub(super) fn learn(&mut self, kind: &'static str, secret: &str) {
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        let name = format!("{UNKNOWN}-{kind}-{count}");
        self.learn_as(secret, name);
    }

    /// Remembers a text that is to be called otherwise.
    pub(super) fn learn_as(&mut self, secret: &str, name: String) {
        let Some(prefix) = secret.as_bytes().first_chunk::<PREFIX>().copied() else { return };
        if self.order.len() == MOST_SECRETS
            && let Some(oldest) = self.order.pop_front()
            && let Some(list) = self.known.get_mut(&oldest)
        {
            list.remove(0);
            if list.is_empty() {
                self.known.remove(&oldest);
            }
        }
        self.order.push_back(prefix);
        self.known.entry(prefix).or_default().push((secret.to_owned(), name));
    }

    /// A text without secrets.
    pub(super) fn clean_text(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let candidates =
                rest.as_bytes().first_chunk::<PREFIX>().and_then(|prefix| self.known.get(prefix));
            let found =
                candidates.into_iter().flatten().find(|(secret, _)| rest.starts_with(secret.as_str()));
            if let Some((secret, name)) = found {
                clean.push_str(name);
                rest = rest.get(secret.len()..).unwrap_or_default();
            } else {
                clean.push(letter);
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            }
        }
        without_bot_tokens(&clean)
    }

    /// A path without secrets: also unknown tokens where tokens stand.
    pub(super) fn clean_path(&self, path: &str) -> String {
        let clean = self.clean_text(path);
        let (path, query) =
            clean.split_once('?').map_or((clean.as_str(), None), |(path, query)| (path, Some(query)));
        let mut segments: Vec<&str> = path.split('/').collect();
        if matches!(segments.get(1), Some(&("webhooks" | "interactions")))
            && let Some(token) = segments.get_mut(3)
            && !token.starts_with(UNKNOWN)
        {
            *token = UNKNOWN;
        }
        let path = segments.join("/");
        query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
    }

    /// A value without secrets, in names of fields too.
    pub(super) fn clean(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean_text(text)),
            Value::Array(list) => list.iter().map(|one| self.clean(one)).collect(),
            Value::Object(map) => {
                let field = |(name, value): (&String, &Value)| {
                    let mut cleaned = self.clean(value);
                    if let Value::String(text) = &cleaned
                        && FIELDS.contains(&name.to_lowercase().as_str())
                        && !text.starts_with(UNKNOWN)
                    {
                        cleaned = Value::String(UNKNOWN.to_owned());
                    }
                    (self.clean_text(name), cleaned)
                };
                Value::Object(map.iter().map(field).collect::<Map<String, Value>>())
            }
            other => other.clone(),
        }
    }
}

/// A text without what looks like a bot token, whoever it belongs to.
fn without_bot_tokens(text: &str) -> String {
    let belongs = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(word);
        clean.push_str(if is_bot_token(head) { UNKNOWN } else { head });
        let between = tail.find(belongs).unwrap_or(tail.len());
        let (head, tail) = tail.split_at(between);
        clean.push_str(head);
        rest = tail;
    }
    clean
}

fn is_bot_token(word: &str) -> bool {
    let parts: Vec<&str> = word.trim_end_matches('.').split('.').collect();
    parts.windows(TOKEN_PARTS.len()).any(|window| {
        window.iter().zip(TOKEN_PARTS).all(|(part, least)| part.len() >= least) && window[1].len() <= 12
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BOT: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.abcdefghijklmnopqrstuvwxyz01";

    #[test]
    fn known_secrets_go_wherever_they_stand_and_keep_apart() {
        let mut secrets = Secrets::default();
        secrets.learn("interaction", "0123456789abcdef");
        secrets.learn("interaction", "0123456789abcdefff");
        secrets.learn("webhook", "fedcba9876543210");
        let text = secrets.clean_text("é0123456789abcdef, xfedcba9876543210x");
        assert_eq!(text, "éSECRET-interaction-1, xSECRET-webhook-1x");
        let value =
            json!({"fedcba9876543210": ["0123456789abcdef"], "token": "another", "code": "BASE_TYPE"});
        let clean =
            json!({"SECRET-webhook-1": ["SECRET-interaction-1"], "token": "SECRET", "code": "BASE_TYPE"});
        assert_eq!(secrets.clean(&value), clean);
    }

    #[test]
    fn unknown_tokens_go_from_paths_and_texts() {
        let secrets = Secrets::default();
        assert_eq!(
            secrets.clean_path("/webhooks/1/abc/messages/2?wait=true"),
            "/webhooks/1/SECRET/messages/2?wait=true"
        );
        assert_eq!(secrets.clean_path("/webhooks/1"), "/webhooks/1");
        assert_eq!(secrets.clean_text(&format!("it is {BOT}.")), "it is SECRET");
        assert_eq!(secrets.clean_text(&format!("Bot {BOT}\nnext")), "Bot SECRET\nnext");
        assert_eq!(secrets.clean_text("https://example.org/a.b.c"), "https://example.org/a.b.c");
    }

    proptest::proptest! {
        #[test]
        fn no_known_secret_survives_wherever_it_stands(
            secrets in proptest::collection::vec("[0-9a-f]{30,34}", 1..5),
            around in proptest::collection::vec("\\PC{0,6}", 10),
        ) {
            let mut known = Secrets::default();
            secrets.iter().for_each(|secret| known.learn("interaction", secret));
            let mut text = String::new();
            for (index, between) in around.iter().enumerate() {
                text.push_str(between);
                text.push_str(&secrets[index % secrets.len()]);
            }
            let clean = known.clean(&json!({"content": text, (text.clone()): [text]})).to_string();
            for secret in &secrets {
                proptest::prop_assert!(!clean.contains(secret.as_str()), "{}", clean);
            }
        }
    }

    #[test]
    fn the_oldest_secrets_are_forgotten() {
        let mut secrets = Secrets::default();
        for number in 0..=MOST_SECRETS {
            secrets.learn("interaction", &format!("same prefix {number}"));
        }
        assert_eq!(secrets.order.len(), MOST_SECRETS);
        assert_eq!(secrets.known.values().map(Vec::len).sum::<usize>(), MOST_SECRETS);
    }
}
