-- What plugins measure, added up by minute and by hour; single points are not kept. Plain tables,
-- cleared by age in small batches; the keys begin so that they may later be split by time.
-- Times are milliseconds since 1970.
CREATE TABLE metric_series (
    id      bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin  text COLLATE "C" NOT NULL,
    guild   bigint           NOT NULL, -- Discord's id, its 64 bits read as signed
    metric  text COLLATE "C" NOT NULL,
    tags    text COLLATE "C" NOT NULL, -- a JSON object of texts, sorted by name
    used_at bigint           NOT NULL  -- the beginning of the last day something was added
);
-- By the digest: tags may be longer than an index entry.
CREATE UNIQUE INDEX metric_series_name ON metric_series (plugin, guild, metric, md5(tags));

CREATE TABLE metric_minute (
    series bigint           NOT NULL REFERENCES metric_series ON DELETE CASCADE,
    at     bigint           NOT NULL, -- the beginning of the minute
    count  bigint           NOT NULL,
    sum    double precision NOT NULL,
    min    double precision NOT NULL,
    max    double precision NOT NULL,
    PRIMARY KEY (series, at)
) WITH (fillfactor = 70); -- room to add up in place
CREATE INDEX metric_minute_age ON metric_minute USING brin (at);

CREATE TABLE metric_hour (
    series bigint           NOT NULL REFERENCES metric_series ON DELETE CASCADE,
    at     bigint           NOT NULL, -- the beginning of the hour
    count  bigint           NOT NULL,
    sum    double precision NOT NULL,
    min    double precision NOT NULL,
    max    double precision NOT NULL,
    PRIMARY KEY (series, at)
) WITH (fillfactor = 70);
CREATE INDEX metric_hour_age ON metric_hour USING brin (at);
