-- What plugins log. The key begins with the tenant and holds the time, so that the table can later
-- be split by day without touching a statement.
CREATE TABLE plugin_log (
    plugin  text COLLATE "C" NOT NULL,
    guild   bigint           NOT NULL,
    at      bigint           NOT NULL, -- milliseconds since 1970
    id      bigint           GENERATED ALWAYS AS IDENTITY,
    version text             NOT NULL,
    level   text             NOT NULL,
    message text             NOT NULL,
    tags    json             NOT NULL, -- a list of texts
    extra   json             NOT NULL, -- an object of texts
    PRIMARY KEY (plugin, guild, at, id)
);
CREATE INDEX plugin_log_age ON plugin_log USING brin (at);
