-- What plugins keep under keys. `value` is JSON as text: the order of keys, 5 against 5.0 and
-- integers of any size stay as the plugin wrote them. Times are milliseconds since 1970.
CREATE TABLE kv (
    plugin     text COLLATE "C" NOT NULL,
    guild      bigint           NOT NULL, -- Discord's id, its 64 bits read as signed
    key        text COLLATE "C" NOT NULL, -- listed by code point
    value      text             NOT NULL CHECK (octet_length(value) <= 65536),
    expires_at bigint,                    -- NULL: never
    PRIMARY KEY (plugin, guild, key)
) WITH (fillfactor = 70); -- room to update a counter in place
CREATE INDEX kv_expiry ON kv (expires_at) WHERE expires_at IS NOT NULL;

-- How many rows each tenant has in kv, kept by the statements that add and remove them. The check
-- is the quota: a statement that would break it fails as a whole.
CREATE TABLE kv_usage (
    plugin text COLLATE "C" NOT NULL,
    guild  bigint           NOT NULL,
    keys   bigint           NOT NULL CONSTRAINT kv_quota CHECK (keys <= 10000),
    PRIMARY KEY (plugin, guild)
) WITH (fillfactor = 50);
