-- Tables split by time: a stretch of time is a partition, and what is too old is dropped with it.
-- A partition is named after the table and the day it begins, for example plugin_log_20260131. Whoever
-- makes or drops one holds a lock on the table first, so that several hosts may do it at once.

-- Makes the partition for the times from `lower` up to `upper`, if it is not there.
CREATE FUNCTION bailey_make_partition(parent text, lower bigint, upper bigint, storage text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    name text := parent || to_char(to_timestamp(lower / 1000) AT TIME ZONE 'UTC', '_YYYYMMDD');
BEGIN
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', parent); -- readers and writers pass
    IF to_regclass(quote_ident(name)) IS NULL THEN
        -- Made apart and then attached: that waits for nobody who reads or writes the table.
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) %s', name, parent, storage);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                       parent, name, lower, upper);
    END IF;
END $$;

-- Drops a partition with everything in it; false when another has done so. Waits two seconds at most
-- for those who use the table, because everybody who comes later waits behind.
CREATE FUNCTION bailey_drop_partition(parent text, name text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', parent); -- readers and writers pass
    IF to_regclass(quote_ident(name)) IS NULL THEN
        RETURN false;
    END IF;
    PERFORM set_config('lock_timeout', '2s', true);
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
END $$;

-- The partitions of a table, oldest first, with the bytes they take on disk.
CREATE FUNCTION bailey_partitions(parent text)
RETURNS TABLE (name text, lower bigint, upper bigint, bytes bigint)
LANGUAGE sql AS $$
    SELECT relname::text, (bound[1])::bigint, (bound[2])::bigint, coalesce(pg_total_relation_size(oid), 0)
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid,
        regexp_match(pg_get_expr(relpartbound, oid), 'FROM \(''?(-?\d+)''?\) TO \(''?(-?\d+)''?\)') AS bound
    WHERE inhparent = to_regclass(quote_ident(parent))
        AND bound IS NOT NULL -- else it is being dropped at this moment
    ORDER BY 2
$$;

-- Text as it is compared when capitals do not count. ICU knows every script's; a server built without
-- it knows those of its own locale.
DO $$
DECLARE
    collated text := CASE WHEN EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')
                          THEN ' COLLATE "und-x-icu"' ELSE '' END;
BEGIN
    EXECUTE format('CREATE FUNCTION bailey_fold(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
                    AS $fold$ SELECT lower(given%s) $fold$', collated);
END $$;

-- What plugins log, a partition a day.
ALTER TABLE plugin_log RENAME TO plugin_log_whole;
ALTER INDEX plugin_log_pkey RENAME TO plugin_log_whole_pkey;
CREATE SEQUENCE plugin_log_number;
CREATE TABLE plugin_log (
    plugin  text COLLATE "C" NOT NULL,
    guild   bigint           NOT NULL, -- Discord's id, its 64 bits read as signed
    at      bigint           NOT NULL, -- milliseconds since 1970
    id      bigint           NOT NULL DEFAULT nextval('plugin_log_number'),
    written xid8             NOT NULL DEFAULT pg_current_xact_id(), -- for those who follow: none is passed by
    version text             NOT NULL,
    level   text             NOT NULL,
    message text             NOT NULL,
    tags    json             NOT NULL, -- a list of texts
    extra   json             NOT NULL, -- an object of texts
    PRIMARY KEY (plugin, guild, at, id)
) PARTITION BY RANGE (at);
CREATE INDEX plugin_log_of_plugin ON plugin_log (plugin, at, id); -- all servers of a plugin, by time

SELECT bailey_make_partition('plugin_log', day * 86400000, (day + 1) * 86400000, '')
FROM (SELECT DISTINCT at / 86400000 AS day FROM plugin_log_whole) AS days;
INSERT INTO plugin_log (plugin, guild, at, version, level, message, tags, extra)
SELECT plugin, guild, at, version, level, message, tags, extra FROM plugin_log_whole ORDER BY at, id;
DROP TABLE plugin_log_whole;
