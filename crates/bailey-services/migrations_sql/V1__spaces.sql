-- What Bailey remembers of plugins' tables. Plugins' roles cannot enter this schema; the functions in
-- bailey_sql, which they may call, look things up here for them.
CREATE SCHEMA bailey_host;
REVOKE ALL ON SCHEMA bailey_host FROM PUBLIC;

-- Whether the servers of a plugin share its tables. Decided once, before the first table.
CREATE TABLE bailey_host.plugins (
    plugin    text    PRIMARY KEY,
    dedicated boolean NOT NULL
);

-- The schemas and roles of a plugin, or of a plugin on one server.
CREATE TABLE bailey_host.spaces (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin     text    NOT NULL REFERENCES bailey_host.plugins,
    guild      bigint,           -- Discord's id, its 64 bits read as signed; NULL: all servers
    role       name    NOT NULL UNIQUE, -- logs in and runs what the plugin writes
    password   text    NOT NULL,
    bounds     text,             -- of time and memory, as the role has them
    disk_bytes bigint  NOT NULL DEFAULT 0, -- the rows of each server may take
    version    bigint  NOT NULL DEFAULT 0, -- grows with each change of the schema
    next_table integer NOT NULL DEFAULT 1,
    UNIQUE NULLS NOT DISTINCT (plugin, guild)
);

-- Who may act for a server: whoever knows its token, logged in as the role of the space.
CREATE TABLE bailey_host.tenants (
    token text   PRIMARY KEY, -- 256 random bits
    space integer NOT NULL REFERENCES bailey_host.spaces,
    guild bigint NOT NULL,
    role  name   NOT NULL,
    UNIQUE (space, guild)
);

CREATE TABLE bailey_host.tables (
    space     integer NOT NULL REFERENCES bailey_host.spaces,
    name      text COLLATE "C" NOT NULL,
    number    integer NOT NULL,
    statement text NOT NULL, -- that made it, as printed
    PRIMARY KEY (space, name)
);

-- Which server has which table.
CREATE TABLE bailey_host.holdings (
    space integer NOT NULL,
    guild bigint  NOT NULL,
    name  text COLLATE "C" NOT NULL,
    PRIMARY KEY (space, guild, name),
    FOREIGN KEY (space, name) REFERENCES bailey_host.tables ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX holdings_table ON bailey_host.holdings (space, name);

CREATE TABLE bailey_host.indexes (
    space      integer NOT NULL,
    name       text COLLATE "C" NOT NULL,
    table_name text COLLATE "C" NOT NULL,
    statement  text NOT NULL,
    PRIMARY KEY (space, name),
    FOREIGN KEY (space, table_name) REFERENCES bailey_host.tables ON UPDATE CASCADE ON DELETE CASCADE
);

-- Which server asked for which change: the same statement of another server is then no change.
CREATE TABLE bailey_host.applied (
    space      integer NOT NULL,
    guild      bigint  NOT NULL,
    table_name text COLLATE "C" NOT NULL,
    statement  text NOT NULL,
    FOREIGN KEY (space, table_name) REFERENCES bailey_host.tables ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE UNIQUE INDEX applied_key ON bailey_host.applied (space, guild, md5(statement));

-- Columns that count by themselves, each server from 1.
CREATE TABLE bailey_host.counters (
    space integer NOT NULL,
    guild bigint  NOT NULL,
    name  text COLLATE "C" NOT NULL, -- table's number, dot, column
    value bigint  NOT NULL,
    PRIMARY KEY (space, guild, name)
) WITH (fillfactor = 50);

-- What each server's rows take, kept by the statements that write them.
CREATE TABLE bailey_host.usage (
    space    integer NOT NULL,
    guild    bigint  NOT NULL,
    relation oid     NOT NULL,
    rows     bigint  NOT NULL,
    bytes    bigint  NOT NULL,
    PRIMARY KEY (space, guild, relation)
) WITH (fillfactor = 50);

CREATE SCHEMA bailey_sql;
GRANT USAGE ON SCHEMA bailey_sql TO PUBLIC;

-- The server that asks: whose token the session holds. NULL without one, and with one that is not of
-- the role that logged in. Nothing a plugin can say changes who logged in.
CREATE FUNCTION bailey_sql.guild() RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found bigint;
BEGIN
    -- INTO, because a query within RETURN is set up anew at each call, and rows of an INSERT call this each.
    SELECT tenant.guild INTO found FROM bailey_host.tenants AS tenant
    WHERE tenant.token = current_setting('bailey.token', true)
      AND session_user IN (tenant.role, 'bailey_sql');
    RETURN found;
END
$$;

-- Gives back the numbers a statement took and did not use. They are still ours to give: the counter's row
-- is locked until the transaction ends.
CREATE FUNCTION bailey_host.give_back_numbers() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    taken text[] := string_to_array(nullif(current_setting('bailey.numbers', true), ''), '|');
BEGIN
    IF taken IS NULL THEN
        RETURN;
    END IF;
    IF taken[5]::bigint <= taken[6]::bigint THEN
        -- The setting is a session's to write; whose counter it may touch is not.
        UPDATE bailey_host.counters AS counter SET value = taken[5]::bigint - 1
        FROM bailey_host.tenants AS tenant
        WHERE tenant.token = taken[1] AND session_user IN (tenant.role, 'bailey_sql')
          AND counter.space = tenant.space AND counter.guild = tenant.guild
          AND counter.space = taken[2]::integer AND md5(counter.name) = taken[4]
          AND counter.value = taken[6]::bigint AND taken[5]::bigint > 0;
    END IF;
    PERFORM set_config('bailey.numbers', '', true);
END
$$;

-- The next number of a column that counts by itself. The numbers of one statement are taken in ever larger
-- lots, held in a setting until the statement ends: to change the counter's row for each of thousands
-- of rows would take time with the square of their number. The setting holds
-- token|space|guild|digest of the name|next|last|lot.
CREATE FUNCTION bailey_sql.next_id(of_space integer, of_name text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    asking text := current_setting('bailey.token', true);
    taken text[] := string_to_array(nullif(current_setting('bailey.numbers', true), ''), '|');
    is_same boolean := taken[1] = asking AND taken[2] = of_space::text AND taken[4] = md5(of_name);
    tenant bailey_host.tenants;
    upcoming bigint;
    lot bigint := 1;
    last bigint;
BEGIN
    IF is_same AND taken[5]::bigint <= taken[6]::bigint THEN
        upcoming := taken[5]::bigint;
        taken[5] := (upcoming + 1)::text;
        PERFORM set_config('bailey.numbers', array_to_string(taken, '|'), true);
        RETURN upcoming;
    END IF;
    SELECT * INTO tenant FROM bailey_host.tenants
    WHERE token = asking AND session_user IN (role, 'bailey_sql');
    IF tenant.space IS DISTINCT FROM of_space THEN
        RAISE EXCEPTION 'no server asks' USING ERRCODE = '42501';
    END IF;
    IF is_same THEN
        lot := least(taken[7]::bigint * 2, 1000);
    ELSE
        PERFORM bailey_host.give_back_numbers();
    END IF;
    INSERT INTO bailey_host.counters AS counter (space, guild, name, value)
    VALUES (of_space, tenant.guild, of_name, lot)
    ON CONFLICT (space, guild, name) DO UPDATE SET value = counter.value + lot
    RETURNING value INTO last;
    upcoming := last - lot + 1;
    PERFORM set_config('bailey.numbers', concat_ws('|', asking, of_space, tenant.guild, md5(of_name),
                                                   upcoming + 1, last, lot), true);
    RETURN upcoming;
END
$$;

-- PostgreSQL's own, of the tables the server has; the name instead of a number that tells of others.
CREATE FUNCTION bailey_sql.to_regclass(of_name text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[];
    found text;
BEGIN
    BEGIN
        parts := parse_ident(of_name);
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END;
    SELECT quote_ident(holding.name) INTO found
    FROM bailey_host.tenants AS tenant
    JOIN bailey_host.spaces AS space ON space.id = tenant.space
    JOIN bailey_host.holdings AS holding ON holding.space = space.id AND holding.guild = tenant.guild
    WHERE tenant.token = current_setting('bailey.token', true)
      AND session_user IN (tenant.role, 'bailey_sql')
      AND holding.name = parts[array_upper(parts, 1)]
      AND (array_length(parts, 1) = 1 OR parts[1] = space.role);
    RETURN found;
END
$$;

-- Adds what a statement wrote to what the server's rows take, and fails it past the quota.
CREATE FUNCTION bailey_host.measured(of_space integer, of_relation oid, more_rows bigint, more_bytes bigint)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whose bigint;
    most bigint;
    taken bigint;
BEGIN
    IF more_rows = 0 AND more_bytes = 0 THEN
        RETURN;
    END IF;
    whose := bailey_sql.guild();
    INSERT INTO bailey_host.usage AS usage (space, guild, relation, rows, bytes)
    VALUES (of_space, whose, of_relation, more_rows, more_bytes)
    ON CONFLICT (space, guild, relation)
        DO UPDATE SET rows = usage.rows + more_rows, bytes = usage.bytes + more_bytes;
    IF more_bytes > 0 THEN
        SELECT disk_bytes INTO most FROM bailey_host.spaces WHERE id = of_space;
        SELECT sum(bytes) INTO taken FROM bailey_host.usage WHERE space = of_space AND guild = whose;
        IF taken > most THEN
            RAISE EXCEPTION 'disk quota: the tables would take % bytes, at most % per server; delete rows first',
                taken, most USING ERRCODE = '53100';
        END IF;
    END IF;
END
$$;

CREATE FUNCTION bailey_sql.measure_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    more_rows bigint;
    more_bytes bigint;
BEGIN
    PERFORM bailey_host.give_back_numbers();
    SELECT count(*), coalesce(sum(pg_column_size(added)), 0) INTO more_rows, more_bytes FROM added;
    PERFORM bailey_host.measured(TG_ARGV[0]::integer, TG_RELID, more_rows, more_bytes);
    RETURN NULL;
END
$$;

CREATE FUNCTION bailey_sql.measure_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before bigint;
    after bigint;
BEGIN
    SELECT coalesce(sum(pg_column_size(removed)), 0) INTO before FROM removed;
    SELECT coalesce(sum(pg_column_size(added)), 0) INTO after FROM added;
    PERFORM bailey_host.measured(TG_ARGV[0]::integer, TG_RELID, 0, after - before);
    RETURN NULL;
END
$$;

CREATE FUNCTION bailey_sql.measure_delete() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    less_rows bigint;
    less_bytes bigint;
BEGIN
    SELECT count(*), coalesce(sum(pg_column_size(removed)), 0) INTO less_rows, less_bytes FROM removed;
    PERFORM bailey_host.measured(TG_ARGV[0]::integer, TG_RELID, -less_rows, -less_bytes);
    RETURN NULL;
END
$$;
