-- Takes from everybody what no plugin needs, in the database of plugins' SQL. Run by a superuser, before
-- a plugin's role exists and again after the server was upgraded; running it again is safe.
--
-- The list of functions plugins may call is filled in below; the role bailey_sql keeps what everybody had.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA information_schema FROM PUBLIC;
REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql, sql TO bailey_sql;
-- The bound on temporary files is a superuser's to set; bailey_sql sets it for each plugin's role.
GRANT SET ON PARAMETER temp_file_limit TO bailey_sql;

DO $harden$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END
$harden$;
DO $harden$
DECLARE
    taken text;
    kept  text;
BEGIN
    -- Functions: what operators, casts, aggregates, indexes and types are made of stays, and what the
    -- list names. The rest goes, except to bailey_sql.
    SELECT string_agg(format('%I.%I(%s)', space.nspname, function.proname,
                             pg_get_function_identity_arguments(function.oid)), ', ')
    INTO taken
    FROM pg_proc AS function JOIN pg_namespace AS space ON space.oid = function.pronamespace
    WHERE space.nspname IN ('pg_catalog', 'information_schema')
      AND function.prokind <> 'p'
      AND NOT (function.proname = ANY ('{functions}'::text[]))
      AND NOT EXISTS (SELECT FROM pg_operator WHERE oprcode = function.oid)
      AND NOT EXISTS (SELECT FROM pg_cast WHERE castfunc = function.oid)
      AND NOT EXISTS (SELECT FROM pg_amproc WHERE amproc = function.oid)
      AND NOT EXISTS (SELECT FROM pg_type WHERE function.oid IN (typinput, typoutput))
      AND has_function_privilege('public', function.oid, 'EXECUTE');
    IF taken IS NOT NULL THEN
        EXECUTE 'GRANT EXECUTE ON ROUTINE ' || taken || ' TO bailey_sql';
        EXECUTE 'REVOKE EXECUTE ON ROUTINE ' || taken || ' FROM PUBLIC';
    END IF;
    -- Catalogues and views: who exists, what they have, what they run.
    SELECT string_agg(format('%I.%I', space.nspname, relation.relname), ', ') INTO kept
    FROM pg_class AS relation JOIN pg_namespace AS space ON space.oid = relation.relnamespace
    WHERE space.nspname IN ('pg_catalog', 'information_schema')
      AND relation.relkind IN ('r', 'v')
      AND has_table_privilege('public', relation.oid, 'SELECT');
    IF kept IS NOT NULL THEN
        EXECUTE 'GRANT SELECT ON ' || kept || ' TO bailey_sql';
    END IF;
END
$harden$;
REVOKE ALL ON ALL TABLES IN SCHEMA pg_catalog FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA information_schema FROM PUBLIC;
