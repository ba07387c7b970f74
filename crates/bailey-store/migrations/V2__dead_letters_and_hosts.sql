-- An event put aside for good, whole but for what would answer an interaction.
CREATE TABLE dead_letters (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin      text        NOT NULL,
    guild       bigint      NOT NULL, -- Discord's id, its 64 bits read as signed
    event_id    text        NOT NULL,
    kind        text        NOT NULL,
    payload     json        NOT NULL, -- json, not jsonb: plugins see the keys in this order
    received_at timestamptz NOT NULL, -- when Bailey learned of the event
    attempts    integer     NOT NULL, -- to deliver it, the last time
    times       integer     NOT NULL, -- it was put aside
    reason      text        NOT NULL,
    first_at    timestamptz NOT NULL, -- it was put aside
    last_at     timestamptz NOT NULL,
    status      text        NOT NULL CHECK (status IN ('kept', 'wanted', 'claimed')),
    claimed_by  text, -- the host that delivers it once more
    UNIQUE (plugin, guild, event_id)
);
CREATE INDEX dead_letters_by_time ON dead_letters (plugin, guild, last_at);
CREATE INDEX dead_letters_to_deliver ON dead_letters (id) WHERE status <> 'kept';

-- A Bailey that runs plugins, for as long as it says so every few seconds.
CREATE TABLE hosts (
    id           text        PRIMARY KEY,
    machine      text        NOT NULL,
    pid          bigint      NOT NULL,
    version      text        NOT NULL,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL, -- by the database's clock
    letters_lost bigint      NOT NULL  -- dead letters that could not be kept
);

-- What a host says of the sessions it runs.
CREATE TABLE sessions (
    host      text        NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    plugin    text        NOT NULL,
    guild     bigint      NOT NULL,
    state     text        NOT NULL,
    reason    text,
    since     timestamptz NOT NULL,
    until     timestamptz,
    pid       bigint,
    memory    bigint, -- bytes
    queued    bigint      NOT NULL,
    in_flight bigint      NOT NULL,
    dropped   bigint      NOT NULL,
    restarts  bigint      NOT NULL,
    PRIMARY KEY (host, plugin, guild)
);
