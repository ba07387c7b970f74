-- How the connections of a host to Discord are doing, one for each of the bot's shards, as the host last said.
CREATE TABLE gateway_shards (
    host          text    NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    shard         integer NOT NULL,
    shards        integer NOT NULL,
    state         text    NOT NULL,
    reason        text,
    guilds        bigint  NOT NULL, -- servers on this shard
    latency       bigint, -- of the last heartbeat, in microseconds
    last_event_at timestamptz,
    PRIMARY KEY (host, shard)
);
