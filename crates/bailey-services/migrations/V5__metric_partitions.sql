-- What plugins measure, split by time: minutes by day, hours by week. The partitions no longer refer to
-- metric_series: a series goes only when everything it could have is dropped by age.
ALTER TABLE metric_minute RENAME TO metric_minute_whole;
ALTER INDEX metric_minute_pkey RENAME TO metric_minute_whole_pkey;
CREATE TABLE metric_minute (
    series bigint           NOT NULL,
    at     bigint           NOT NULL, -- the beginning of the minute
    count  bigint           NOT NULL,
    sum    double precision NOT NULL,
    min    double precision NOT NULL,
    max    double precision NOT NULL,
    PRIMARY KEY (series, at)
) PARTITION BY RANGE (at);
SELECT bailey_make_partition('metric_minute', day * 86400000, (day + 1) * 86400000, 'WITH (fillfactor = 70)')
FROM (SELECT DISTINCT at / 86400000 AS day FROM metric_minute_whole) AS days;
INSERT INTO metric_minute SELECT series, at, count, sum, min, max FROM metric_minute_whole;
DROP TABLE metric_minute_whole;

ALTER TABLE metric_hour RENAME TO metric_hour_whole;
ALTER INDEX metric_hour_pkey RENAME TO metric_hour_whole_pkey;
CREATE TABLE metric_hour (
    series bigint           NOT NULL,
    at     bigint           NOT NULL, -- the beginning of the hour
    count  bigint           NOT NULL,
    sum    double precision NOT NULL,
    min    double precision NOT NULL,
    max    double precision NOT NULL,
    PRIMARY KEY (series, at)
) PARTITION BY RANGE (at);
SELECT bailey_make_partition('metric_hour', week * 604800000, (week + 1) * 604800000, 'WITH (fillfactor = 70)')
FROM (SELECT DISTINCT at / 604800000 AS week FROM metric_hour_whole) AS weeks;
INSERT INTO metric_hour SELECT series, at, count, sum, min, max FROM metric_hour_whole;
DROP TABLE metric_hour_whole;

-- The hosts that record now. Each holds an advisory lock that ends with its connection; a row
-- without that lock is of a host that ended without a word.
CREATE TABLE metric_host (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at bigint NOT NULL,
    seen_at    bigint NOT NULL, -- it was alive then
    written_at bigint NOT NULL  -- what it recorded before then is in the tables
) WITH (fillfactor = 20); -- updated in place every second

-- Stretches of time of which recorded values may be missing.
CREATE TABLE metric_gap (
    after      bigint NOT NULL,
    until      bigint NOT NULL,
    noticed_at bigint NOT NULL
);
