//! How a frame travels: plain text, or one never-ending zlib or zstd stream per connection, flushed per message.

use std::io::{self, Write};

use axum::extract::ws::Message;

/// The transport asked for with `compress=`.
pub(crate) enum Transport {
    Plain,
    Zlib(flate2::write::ZlibEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Transport {
    /// `zlib-stream`, `zstd-stream`, or plain for anything else (as Discord does).
    pub(crate) fn named(name: Option<&str>) -> Self {
        match name {
            Some("zlib-stream") => {
                Self::Zlib(flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast()))
            }
            Some("zstd-stream") => {
                zstd::stream::write::Encoder::new(Vec::new(), 1).map_or(Self::Plain, Self::Zstd)
            }
            _ => Self::Plain,
        }
    }

    pub(crate) fn pack(&mut self, text: &str) -> io::Result<Message> {
        let packed = match self {
            Self::Plain => return Ok(Message::text(text)),
            Self::Zlib(encoder) => {
                encoder.write_all(text.as_bytes())?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(text.as_bytes())?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
        };
        Ok(Message::binary(packed))
    }
}
