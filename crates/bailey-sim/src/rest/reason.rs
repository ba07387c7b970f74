//! Why something is done: the header that ends up in the audit log.

use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;

/// Longest reason kept.
const MOST_REASON: usize = 512;

/// The reason a request gives, decoded.
pub(super) fn reason(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-audit-log-reason")?.to_str().ok()?;
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    Some(decoded.chars().take(MOST_REASON).collect::<String>()).filter(|reason| !reason.is_empty())
}
