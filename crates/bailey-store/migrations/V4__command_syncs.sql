-- What each server was offered at the last sync of its commands, and what came of it.
CREATE TABLE command_syncs (
    guild    bigint      PRIMARY KEY, -- Discord's id, its 64 bits read as signed
    at       timestamptz NOT NULL,
    error    text,                    -- why Discord does not have it
    commands json        NOT NULL     -- a list: whose, its name, its kind, as what it is shown, why it is left out
);

-- New commands on a server, which Discord counts for 24 hours.
CREATE TABLE command_creations (
    guild   bigint      NOT NULL,
    at      timestamptz NOT NULL, -- by the database's clock
    created integer     NOT NULL
);
CREATE INDEX command_creations_recent ON command_creations (guild, at);
