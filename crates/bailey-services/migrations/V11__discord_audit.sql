-- What plugins did on Discord, a partition a day: who, what, to whom, what came of it. Never what was said.
CREATE SEQUENCE discord_audit_number;
CREATE TABLE discord_audit (
    at          bigint           NOT NULL, -- milliseconds since 1970
    id          bigint           NOT NULL DEFAULT nextval('discord_audit_number'),
    plugin      text COLLATE "C" NOT NULL,
    guild       bigint           NOT NULL, -- Discord's id, its 64 bits read as signed
    method      text             NOT NULL,
    targets     json             NOT NULL, -- an object: the ids the call named, and those Discord gave
    interaction bigint,                    -- the interaction the plugin was handling, as far as is known
    error       text,                      -- the code the plugin got; null when it was done
    detail      text,                      -- the words with it
    took_ms     bigint           NOT NULL,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX discord_audit_of_plugin ON discord_audit (plugin, guild, at, id);
