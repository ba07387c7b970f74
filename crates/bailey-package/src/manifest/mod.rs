//! `manifest.json`, read liberally: every spelling the SDKs and their authors have used.
//!
//! Keys nobody knows are ignored. What a manifest implies is added: commands need
//! `interaction:respond`, domains need `proxy:http`.

mod command;
mod cron;
mod text;

use bailey_protocol::method::sql::SqlIsolation;
use bailey_protocol::{Capability, CapabilitySet, PluginId, Schedule};
use serde_json::{Map, Value};

pub use command::Command;
pub use cron::schedules_of;

use crate::finding::{Code, Finding, Findings};
use crate::limits;

/// The name of the file, as findings show it.
pub(crate) const PATH: &str = "manifest.json";

/// All keys under which capabilities have been asked for; their union counts.
const CAPABILITY_KEYS: &[&str] =
    &["capabilities_required", "capabilities_requested", "requested_capabilities", "capabilities"];
const DOMAIN_KEYS: &[&str] = &["proxy_domains_requested", "proxy_domains"];

/// What a plugin says about itself.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The plugin's platform-wide id.
    pub id: PluginId,
    /// The name people see.
    pub name: String,
    /// The version's label; semantic versions by convention only.
    pub version: String,
    /// The listing's text; empty when there is none.
    pub description: String,
    /// Capabilities asked for or implied. Asking is not having: a server's admin grants.
    pub capabilities: CapabilitySet,
    /// Names asked for that this Bailey does not know, sorted. They grant nothing.
    pub unknown_capabilities: Vec<String>,
    /// Slash commands, in the order written.
    pub commands: Vec<Command>,
    /// Internet hosts the plugin wants to reach, lower case, sorted.
    pub proxy_domains: Vec<String>,
    /// When the plugin wants to be told the time, in the order written.
    pub schedules: Vec<Schedule>,
    /// How the plugin wants its tables kept: `sql.isolation`, `None` when it does not say.
    pub sql_isolation: Option<SqlIsolation>,
    /// The whole document as written, also the parts nothing here reads.
    pub document: Map<String, Value>,
}

impl Manifest {
    /// Reads a manifest; `None` when a finding of severity error was added.
    pub(crate) fn parse(bytes: &[u8], findings: &mut Findings) -> Option<Self> {
        let document = match text::document(bytes, findings) {
            Ok(document) => document,
            Err(finding) => {
                findings.push(finding);
                return None;
            }
        };
        let mut fields = Fields { document: &document, findings, failed: false };
        let id = fields.plugin_id();
        let name = fields.required("name");
        let version = fields.required("version");
        let description = fields.description();
        let (mut capabilities, unknown_capabilities) = fields.capabilities();
        let commands = fields.commands();
        let proxy_domains = fields.domains();
        let schedules = fields.schedules();
        let sql_isolation = fields.sql_isolation();
        if !commands.is_empty() {
            capabilities.insert(Capability::InteractionRespond);
        }
        if !proxy_domains.is_empty() {
            capabilities.insert(Capability::ProxyHttp);
        }
        if fields.failed {
            return None;
        }
        Some(Self {
            id: id?,
            name: name?,
            version: version?,
            description,
            capabilities,
            unknown_capabilities,
            commands,
            proxy_domains,
            schedules,
            sql_isolation,
            document,
        })
    }

    /// Adds a command found in the code; `false` when there are as many as Discord takes.
    pub(crate) fn add_command(&mut self, command: Command) -> bool {
        if self.commands.len() >= limits::COMMANDS {
            return false;
        }
        self.commands.push(command);
        self.capabilities.insert(Capability::InteractionRespond);
        true
    }
}

/// Reads fields one after the other, so that an author sees every problem at once.
struct Fields<'a> {
    document: &'a Map<String, Value>,
    findings: &'a mut Findings,
    failed: bool,
}

impl Fields<'_> {
    fn error(&mut self, finding: Finding) {
        self.failed = true;
        self.findings.push(finding.at(PATH));
    }

    fn warning(&mut self, code: Code, message: String) {
        self.findings.push(Finding::warning(code, message).at(PATH));
    }

    fn required(&mut self, field: &'static str) -> Option<String> {
        match self.document.get(field) {
            Some(Value::String(text)) if !text.trim().is_empty() => return Some(text.trim().to_owned()),
            Some(Value::String(_) | Value::Null) | None => {
                let hint = match field {
                    "id" => "add `\"id\": \"my_plugin\"`: 3 to 32 of a-z, 0-9 and _, starting with a letter",
                    "version" => "add `\"version\": \"0.1.0\"`",
                    _ => "add it as a text",
                };
                let message = format!("Field `{field}` is missing or empty.");
                self.error(Finding::error(Code::ManifestMissingField, message).hint(hint));
            }
            Some(other) => {
                let message = format!("Field `{field}` must be a text, not {}.", kind(other));
                self.error(Finding::error(Code::ManifestFieldType, message).hint("put it in double quotes"));
            }
        }
        None
    }

    fn plugin_id(&mut self) -> Option<PluginId> {
        let text = self.required("id")?;
        match text.parse() {
            Ok(id) => Some(id),
            Err(error) => {
                let message = format!("Field `id`: {error}.");
                self.error(Finding::error(Code::ManifestPluginId, message).hint("for example `welcome_bot`"));
                None
            }
        }
    }

    fn description(&mut self) -> String {
        let text = self.document.get("description").and_then(Value::as_str).unwrap_or_default().trim();
        let length = text.chars().count();
        if length > limits::DESCRIPTION_CHARACTERS {
            let most = limits::DESCRIPTION_CHARACTERS;
            let message = format!("The description has {length} characters; keep it under {most}.");
            self.warning(Code::DescriptionTooLong, message);
        }
        text.to_owned()
    }

    /// The texts of a list; an absent or empty value is an empty list.
    fn texts(&mut self, field: &str, not_list: Code, not_text: Code) -> Vec<String> {
        let items = match self.document.get(field) {
            None | Some(Value::Null | Value::Bool(false)) => return Vec::new(),
            Some(Value::String(text)) if text.is_empty() => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                let message = format!("Field `{field}` must be a list, not {}.", kind(other));
                let hint = format!("write `\"{field}\": [\"...\"]`");
                self.error(Finding::error(not_list, message).hint(hint));
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for item in items {
            match item {
                Value::String(text) => texts.push(text.trim().to_owned()),
                other => {
                    let message =
                        format!("Field `{field}` holds {}, but only texts belong there.", kind(other));
                    self.error(Finding::error(not_text, message));
                }
            }
        }
        texts
    }

    fn capabilities(&mut self) -> (CapabilitySet, Vec<String>) {
        let mut known = CapabilitySet::default();
        let mut unknown = Vec::new();
        for key in CAPABILITY_KEYS {
            for text in self.texts(key, Code::CapabilitiesNotList, Code::CapabilityMalformed) {
                match text.parse() {
                    Ok(capability) => known.insert(capability),
                    Err(_) => unknown.push(text.chars().take(80).collect::<String>()),
                }
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        for name in &unknown {
            let message =
                format!("Nobody knows the capability `{}`; it grants nothing.", name.escape_debug());
            self.warning(Code::CapabilityUnknown, message);
        }
        (known, unknown)
    }

    fn domains(&mut self) -> Vec<String> {
        let mut domains: Vec<String> = DOMAIN_KEYS
            .iter()
            .flat_map(|key| self.texts(key, Code::ManifestFieldType, Code::ManifestFieldType))
            .map(|domain| domain.to_lowercase())
            .filter(|domain| !domain.is_empty())
            .collect();
        domains.sort_unstable();
        domains.dedup();
        if domains.len() > limits::PROXY_DOMAINS {
            let most = limits::PROXY_DOMAINS;
            let message = format!("{} hosts are asked for; a manifest may ask for {most}.", domains.len());
            let hint =
                "a host covers those below it; hosts only a server knows are added with ctx.http.allow_host";
            self.error(Finding::error(Code::ProxyDomainsTooMany, message).hint(hint));
        }
        for domain in &domains {
            if let Some(rule) = broken_rule(domain) {
                let shown: String = domain.chars().take(80).collect();
                let message = format!("Host `{}` reaches nothing: {rule}.", shown.escape_debug());
                let hint = "write a bare host such as `api.example.com`, or `api.example.com:8443` for a port of its own";
                self.findings.push(Finding::warning(Code::ProxyDomainInvalid, message).at(PATH).hint(hint));
            }
        }
        domains
    }

    fn sql_isolation(&mut self) -> Option<SqlIsolation> {
        let isolation = match self.document.get("sql")? {
            Value::Null => return None,
            Value::Object(sql) => sql.get("isolation").filter(|isolation| !isolation.is_null())?,
            other => {
                let message = format!("Field `sql` must be an object, not {}.", kind(other));
                let hint = "write `\"sql\": {\"isolation\": \"shared\"}`, or leave it out";
                self.error(Finding::error(Code::ManifestFieldType, message).hint(hint));
                return None;
            }
        };
        match isolation.as_str() {
            Some("shared") => Some(SqlIsolation::Shared),
            Some("dedicated") => Some(SqlIsolation::Dedicated),
            _ => {
                let shown: String = isolation.to_string().chars().take(80).collect();
                let message =
                    format!("Field `sql.isolation` must be \"shared\" or \"dedicated\", not {shown}.");
                let hint = "leave it out for \"shared\": one set of tables, each server with its own rows";
                self.error(Finding::error(Code::SqlIsolationUnknown, message).hint(hint));
                None
            }
        }
    }

    fn commands(&mut self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        let items = match self.document.get("slash_commands") {
            None | Some(Value::Null) => return commands,
            Some(Value::Array(items)) => items,
            Some(other) => {
                let message = format!("`slash_commands` must be a list, not {}.", kind(other));
                self.error(Finding::error(Code::CommandDefinitionsNotList, message).hint(
                    "write `\"slash_commands\": [{\"name\": \"hello\", \"description\": \"Says hello\"}]`",
                ));
                return commands;
            }
        };
        if items.len() > limits::COMMANDS {
            let message =
                format!("{} slash commands are declared; Discord takes {}.", items.len(), limits::COMMANDS);
            self.error(Finding::error(Code::CommandTooMany, message).hint("use subcommands"));
            return commands;
        }
        for item in items {
            match Command::parse(item) {
                Ok(command) if commands.iter().any(|earlier| is_same(earlier, &command)) => {
                    let message = format!("`/{}` appears twice.", command.name);
                    self.error(Finding::error(Code::CommandDuplicate, message).hint("keep one of them"));
                }
                Ok(command) => {
                    if item
                        .get("name")
                        .and_then(Value::as_str)
                        .is_some_and(|name| name.trim() != command.name)
                    {
                        let message =
                            format!("Discord will show the command as `/{}`, in lower case.", command.name);
                        self.warning(Code::CommandNotLowercase, message);
                    }
                    commands.push(command);
                }
                Err(finding) => self.error(finding),
            }
        }
        commands
    }
}

/// Why a host is none a manifest may ask for.
fn broken_rule(domain: &str) -> Option<&'static str> {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (domain, None),
    };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Some("what follows `:` is no port");
    }
    if domain.parse::<std::net::IpAddr>().is_ok() || host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    if host.contains('*') {
        return Some("a host covers those below it without a `*`");
    }
    if host.contains(['/', '@', '?', '#', '\\', ' ', ':']) {
        return Some("it is a host alone, without `https://`, path or user");
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if !host.contains('.') || host.split('.').any(str::is_empty) {
        return Some("it has two labels or more, separated by single dots");
    }
    None
}

/// Whether Discord takes two commands for one: of one kind, with one name.
fn is_same(one: &Command, other: &Command) -> bool {
    let kind = |command: &Command| command.definition.get("type").and_then(Value::as_u64).unwrap_or(1);
    one.name == other.name && kind(one) == kind(other)
}

/// What a JSON value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
