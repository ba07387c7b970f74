//! Every number a package author can hit.

/// Bytes of a packed archive.
pub const PACKED_BYTES: usize = 10 * 1024 * 1024;
/// Bytes of all files together, counted while they are read and not believed from headers.
pub const UNPACKED_BYTES: u64 = 40 * 1024 * 1024;
/// Files in a package.
pub const FILES: usize = 200;
/// Bytes of one file's path.
pub const PATH_BYTES: usize = 512;
/// Bytes of one part of a path: what file systems take.
pub const NAME_BYTES: usize = 255;
/// Folders looked into below a plugin directory; the ignored ones do not count.
pub const FOLDERS: usize = 1000;
/// Bytes of `manifest.json`.
pub const MANIFEST_BYTES: usize = 1024 * 1024;
/// Bytes of `requirements.txt`.
pub const REQUIREMENTS_BYTES: usize = 64 * 1024;
/// Characters of a description before a warning.
pub const DESCRIPTION_CHARACTERS: usize = 2000;
/// Characters of a slash command's name. Discord's.
pub const COMMAND_NAME_CHARACTERS: usize = 32;
/// Slash commands of one plugin. Discord takes no more of one application.
pub const COMMANDS: usize = 100;
/// Hosts a manifest may ask for. Bailey's choice.
pub const PROXY_DOMAINS: usize = 20;
/// Findings reported for one package; an author fixes these before seeing more.
pub const FINDINGS: usize = 50;
