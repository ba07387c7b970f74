//! Turns a plugin's requirements into a read-only folder of wheels, stored by content hash.
