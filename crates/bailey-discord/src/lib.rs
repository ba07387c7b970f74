//! Speaks to Discord: gateway, normalised events, REST through our own egress.
