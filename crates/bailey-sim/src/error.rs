//! What goes wrong: Discord's own error bodies, what a driver did wrong, and why the simulator cannot start.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The control side has no password, so it may only be reached from this machine.
    #[error(
        "the simulator cannot listen on {0}: it has no password\nhint: use a loopback address such as 127.0.0.1:0"
    )]
    NotLoopback(std::net::SocketAddr),
    /// The port is taken, or may not be used.
    #[error("the simulator cannot listen on {address}: {source}\nhint: port 0 picks a free one")]
    Bind {
        /// The address that was asked for.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The world to start with contradicts itself.
    #[error("the simulated world is not usable: {0}")]
    World(String),
}

/// What a driver asked for cannot be done; says what exists instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}\nhint: {hint}")]
pub struct ControlError {
    /// What was asked for and why it failed.
    pub message: String,
    /// What to do instead.
    pub hint: String,
}

impl ControlError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// An error as Discord's REST API words it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: u32,
    pub(crate) message: &'static str,
    pub(crate) errors: Option<Value>,
}

macro_rules! api_errors {
    ($($name:ident = $status:ident, $code:literal, $message:literal;)*) => {
        impl ApiError {
            $(pub(crate) fn $name() -> Self {
                Self { status: StatusCode::$status, code: $code, message: $message, errors: None }
            })*
        }
    };
}

api_errors! {
    unauthorized = UNAUTHORIZED, 0, "401: Unauthorized";
    not_found = NOT_FOUND, 0, "404: Not Found";
    method_not_allowed = METHOD_NOT_ALLOWED, 0, "405: Method Not Allowed";
    unknown_application = NOT_FOUND, 10002, "Unknown Application";
    unknown_channel = NOT_FOUND, 10003, "Unknown Channel";
    unknown_guild = NOT_FOUND, 10004, "Unknown Guild";
    unknown_member = NOT_FOUND, 10007, "Unknown Member";
    unknown_message = NOT_FOUND, 10008, "Unknown Message";
    unknown_user = NOT_FOUND, 10013, "Unknown User";
    unknown_emoji = BAD_REQUEST, 10014, "Unknown Emoji";
    unknown_role = NOT_FOUND, 10011, "Unknown Role";
    unknown_ban = NOT_FOUND, 10026, "Unknown Ban";
    unknown_overwrite = NOT_FOUND, 10009, "Unknown Overwrite";
    too_many_pins = BAD_REQUEST, 30003, "Maximum number of pins reached for the channel (250)";
    too_many_webhooks = BAD_REQUEST, 30007, "Maximum number of webhooks reached (15)";
    too_many_channels = BAD_REQUEST, 30013, "Maximum number of server channels reached (500)";
    wrong_channel_type = BAD_REQUEST, 50024, "Cannot execute action on this channel type";
    managed_role = BAD_REQUEST, 50028, "Invalid Role";
    thread_archived = BAD_REQUEST, 50083, "Thread is archived";
    thread_exists = BAD_REQUEST, 160004, "A thread has already been created for this message";
    thread_locked = BAD_REQUEST, 160005, "Thread is locked";
    not_simulated = NOT_IMPLEMENTED, 0, "501: Discord has this route, the simulated one does not";
    unknown_webhook = NOT_FOUND, 10015, "Unknown Webhook";
    unknown_interaction = NOT_FOUND, 10062, "Unknown interaction";
    unknown_command = NOT_FOUND, 10063, "Unknown application command";
    too_many_commands = BAD_REQUEST, 30032, "Maximum number of application commands reached (100)";
    too_many_creations = BAD_REQUEST, 30034, "Max number of daily application command creates has been reached (200)";
    too_many_reactions = BAD_REQUEST, 30010, "Maximum number of reactions reached (20)";
    request_too_large = PAYLOAD_TOO_LARGE, 40005, "Request entity too large";
    already_acknowledged = BAD_REQUEST, 40060, "Interaction has already been acknowledged.";
    missing_access = FORBIDDEN, 50001, "Missing Access";
    other_author = FORBIDDEN, 50005, "Cannot edit a message authored by another user";
    empty_message = BAD_REQUEST, 50006, "Cannot send an empty message";
    not_a_text_channel = BAD_REQUEST, 50008, "Cannot send messages in a non-text channel";
    missing_permissions = FORBIDDEN, 50013, "Missing Permissions";
    bulk_delete_count = BAD_REQUEST, 50016, "Provided too few or too many messages to delete. Must provide at least 2 and at most 100 messages.";
    invalid_webhook_token = UNAUTHORIZED, 50027, "Invalid Webhook Token";
    too_old_to_bulk_delete = BAD_REQUEST, 50034, "You can only bulk delete messages that are under 14 days old.";
    invalid_json = BAD_REQUEST, 50109, "The request body contains invalid JSON.";
}

impl ApiError {
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"message": self.message, "code": self.code});
        if let (Some(errors), Some(map)) = (&self.errors, body.as_object_mut()) {
            map.insert("errors".to_owned(), errors.clone());
        }
        body
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.body())).into_response()
    }
}

/// Collects what is wrong with each field and gives Discord's nested `errors` object (code 50035).
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    root: Map<String, Value>,
}

impl FieldErrors {
    /// `path` is dotted: `components.0.custom_id`.
    pub(crate) fn add(&mut self, path: &str, code: &str, message: impl Into<String>) {
        let mut at = &mut self.root;
        for step in path.split('.') {
            let next = at.entry(step).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(map) = next else { return };
            at = map;
        }
        let list = at.entry("_errors").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(json!({"code": code, "message": message.into()}));
        }
    }

    pub(crate) fn required(&mut self, path: &str) {
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required");
    }

    pub(crate) fn too_long(&mut self, path: &str, most: usize) {
        self.add(path, "BASE_TYPE_MAX_LENGTH", format!("Must be {most} or fewer in length."));
    }

    pub(crate) fn length(&mut self, path: &str, least: usize, most: usize) {
        self.add(path, "BASE_TYPE_BAD_LENGTH", format!("Must be between {least} and {most} in length."));
    }

    pub(crate) fn choices(&mut self, path: &str, choices: &str) {
        self.add(path, "BASE_TYPE_CHOICES", format!("Value must be one of {{{choices}}}."));
    }

    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.root.is_empty() {
            return Ok(());
        }
        Err(ApiError {
            status: StatusCode::BAD_REQUEST,
            code: 50035,
            message: "Invalid Form Body",
            errors: Some(Value::Object(self.root)),
        })
    }

    /// One wrong field, as an error.
    pub(crate) fn one(path: &str, code: &str, message: impl Into<String>) -> ApiError {
        let mut errors = Self::default();
        errors.add(path, code, message);
        errors.finish().err().unwrap_or_else(ApiError::not_found)
    }
}
