-- A plugin by its platform-wide id.
CREATE TABLE plugins (
    id         text        PRIMARY KEY,
    created_at timestamptz NOT NULL
);

-- What was published under a version number: a package by its content, with its manifest.
CREATE TABLE plugin_versions (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin       text        NOT NULL REFERENCES plugins (id),
    version      text        NOT NULL,
    package_hash text        NOT NULL,
    manifest     json        NOT NULL, -- json, not jsonb: the text as published
    created_at   timestamptz NOT NULL,
    UNIQUE (plugin, version)
);

-- A plugin on a server, with what the server's admin allowed it.
CREATE TABLE installations (
    plugin       text        NOT NULL,
    guild        bigint      NOT NULL, -- Discord's id, its 64 bits read as signed
    version      text        NOT NULL,
    capabilities text[]      NOT NULL,
    enabled      boolean     NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (plugin, guild),
    FOREIGN KEY (plugin, version) REFERENCES plugin_versions (plugin, version)
);
CREATE INDEX installations_guild ON installations (guild);
