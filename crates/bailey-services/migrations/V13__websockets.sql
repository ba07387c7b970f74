-- Connections plugins want kept, so that they are made again when Bailey starts anew.
CREATE TABLE websockets (
    plugin     text COLLATE "C" NOT NULL,
    guild      bigint           NOT NULL, -- Discord's id, its 64 bits read as signed
    name       text COLLATE "C" NOT NULL,
    url        text             NOT NULL,
    auth       json,                      -- {"scheme", "secret"}: the secret's name, never its value
    subscribe  json             NOT NULL, -- a list of texts, sent after every connect
    "binary"   boolean          NOT NULL,
    ensured_at bigint           NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (plugin, guild, name)
);
