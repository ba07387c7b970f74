-- The internet hosts a server agreed to let a plugin reach, as the manifest names them.
ALTER TABLE installations ADD COLUMN domains text[] NOT NULL DEFAULT '{}';
