-- Credentials of plugins, sealed with a key that is not in the database.
CREATE TABLE secrets (
    plugin text COLLATE "C" NOT NULL,
    guild  bigint,                    -- Discord's id, its 64 bits read as signed; null is the default for every server
    name   text COLLATE "C" NOT NULL,
    host   text,                      -- the host it may be sent to by the host itself; null: none
    key    integer          NOT NULL, -- which key of the key file it is sealed with
    sealed bytea            NOT NULL, -- 24 bytes of nonce, then XChaCha20-Poly1305; plugin, server, name and host are bound in
    set_at bigint           NOT NULL, -- milliseconds since 1970
    UNIQUE NULLS NOT DISTINCT (plugin, guild, name)
);
CREATE INDEX secrets_of_key ON secrets (key);

-- Hosts that an administrator of a server added to what a plugin may reach there.
CREATE TABLE allowed_hosts (
    plugin     text COLLATE "C" NOT NULL,
    guild      bigint           NOT NULL,
    way        text             NOT NULL CHECK (way IN ('http', 'websocket')),
    host       text COLLATE "C" NOT NULL,
    allowed_by bigint           NOT NULL, -- the person, Discord's id
    allowed_at bigint           NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (plugin, guild, way, host)
);
