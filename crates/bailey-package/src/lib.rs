//! What a plugin package must contain. Pure: bytes in, findings out.
