//! The platform's own records in PostgreSQL, and the private cluster Bailey manages.
