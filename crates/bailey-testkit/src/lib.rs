//! For tests only: throwaway PostgreSQL, real SDK environments, fixture plugins.
