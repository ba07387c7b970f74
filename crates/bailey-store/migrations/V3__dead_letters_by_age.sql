-- The sweep of what was put aside long ago, and the list of the newest, of whatever plugin.
CREATE INDEX dead_letters_by_age ON dead_letters (last_at);
