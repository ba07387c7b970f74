//! Brings plugins alive: bus, router, session, broker.
