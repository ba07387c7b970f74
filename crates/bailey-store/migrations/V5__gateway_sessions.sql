-- Where each connection to Discord's gateway stands, so that the next Bailey goes on there.
CREATE TABLE gateway_sessions (
    application bigint      NOT NULL, -- Discord's id, its 64 bits read as signed
    shard       integer     NOT NULL,
    shards      integer     NOT NULL,
    saved_at    timestamptz NOT NULL, -- by the database's clock
    point       json        NOT NULL, -- with the session's id, which together with the bot's token opens the session
    directory   bytea       NOT NULL, -- what was known of the servers, compressed
    PRIMARY KEY (application, shard, shards)
);
