//! What a plugin may call. One folder a service.
