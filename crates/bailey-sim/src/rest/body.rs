//! Request bodies: JSON, or a multipart form with `payload_json` and `files[n]`.

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::model::Upload;

/// Longest file name kept.
const MOST_NAME: usize = 255;

/// JSON of a request that may also carry files.
pub(crate) async fn with_files(request: Request) -> Result<(Value, Vec<Upload>), ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.starts_with("multipart/form-data") {
        return Ok((json_only(request).await?, Vec::new()));
    }
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| ApiError::invalid_json())?;
    let mut payload = None;
    let mut plain = serde_json::Map::new();
    let mut files: Vec<(u64, Upload)> = Vec::new();
    while let Some(field) = form.next_field().await.map_err(refuse)? {
        let name = field.name().unwrap_or("").to_owned();
        let filename = field.file_name().map(clean);
        let content_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let bytes = field.bytes().await.map_err(refuse)?;
        if name == "payload_json" {
            payload = Some(serde_json::from_slice(&bytes).map_err(|_| ApiError::invalid_json())?);
        } else if let Some(filename) = filename {
            let index = name.strip_prefix("files[").and_then(|rest| rest.strip_suffix(']'));
            let index = index.and_then(|index| index.parse().ok()).unwrap_or(files.len() as u64);
            if files.len() >= 64 {
                return Err(ApiError::request_too_large());
            }
            files.push((index, Upload { filename, content_type, bytes }));
        } else {
            plain.insert(name, json!(String::from_utf8_lossy(&bytes)));
        }
    }
    files.sort_by_key(|(index, _)| *index);
    let mut body = payload.unwrap_or(Value::Object(plain));
    // Clients name files by the number in `files[n]`; from here on they are named by position.
    renumber(&mut body, &files);
    if let Some(data) = body.get_mut("data") {
        renumber(data, &files);
    }
    Ok((body, files.into_iter().map(|(_, upload)| upload).collect()))
}

/// JSON and nothing else; an empty body is an empty object.
pub(crate) async fn json_only(request: Request) -> Result<Value, ApiError> {
    let bytes = Bytes::from_request(request, &()).await.map_err(|_| ApiError::request_too_large())?;
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&bytes).map_err(|_| ApiError::invalid_json())
}

fn refuse(error: axum::extract::multipart::MultipartError) -> ApiError {
    if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::request_too_large()
    } else {
        ApiError::invalid_json()
    }
}

fn renumber(body: &mut Value, files: &[(u64, Upload)]) {
    let Some(list) = body.get_mut("attachments").and_then(Value::as_array_mut) else { return };
    for attachment in list {
        let id = match attachment.get("id") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        let place = id.and_then(|id| files.iter().position(|(index, _)| *index == id));
        if let (Some(place), Some(map)) = (place, attachment.as_object_mut()) {
            map.insert("id".to_owned(), json!(place));
        }
    }
}

/// A file name with the letters Discord keeps.
fn clean(name: &str) -> String {
    let keeps = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let cleaned: String =
        name.chars().take(MOST_NAME).map(|letter| if keeps(letter) { letter } else { '_' }).collect();
    if cleaned.is_empty() { "unknown".to_owned() } else { cleaned }
}
