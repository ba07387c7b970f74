-- See guards.rs. `{schema}` and `{work}` are filled in there.

CREATE FUNCTION {schema}.within_reach(what text, work numeric) RETURNS boolean
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
    IF work <= {work} THEN RETURN true; END IF;
    RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE = format(
        'the values are too large for %s: their sizes multiplied must not be above {work}; use shorter ones', what);
END $$;

-- The work in bytes of one text for each byte of the other.
CREATE FUNCTION {schema}.texts(what text, a int, b int) RETURNS boolean
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT a::bigint * b <= {work} OR {schema}.within_reach(what, a::numeric * b)
$$;

-- A first look at what is stored, compressed at best to a ninetieth; then at what it really is.
CREATE FUNCTION {schema}.documents(what text, a jsonb, b jsonb) RETURNS boolean
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT pg_column_size(a)::bigint * pg_column_size(b) <= 20000
        OR {schema}.within_reach(what, 5 * octet_length(a::text)::numeric * octet_length(b::text))
$$;
CREATE FUNCTION {schema}.documents(what text, a jsonb, b text[]) RETURNS boolean
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT pg_column_size(a)::bigint * pg_column_size(b) <= 20000
        OR {schema}.within_reach(what, 5 * octet_length(a::text)::numeric * octet_length(b::text))
$$;
CREATE FUNCTION {schema}.arrays(what text, a anyarray, b anyarray) RETURNS boolean
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT {schema}.within_reach(what, cardinality(a)::numeric * octet_length(b::text))
$$;

CREATE FUNCTION {schema}.strpos(text, text) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('strpos', octet_length($1), octet_length($2)) THEN pg_catalog.strpos($1, $2) END
$$;
CREATE FUNCTION {schema}.replace(text, text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('replace', octet_length($1), greatest(octet_length($2), octet_length($3)))
        THEN pg_catalog.replace($1, $2, $3) END
$$;
CREATE FUNCTION {schema}.translate(text, text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('translate', octet_length($1), octet_length($2))
        THEN pg_catalog.translate($1, $2, $3) END
$$;
CREATE FUNCTION {schema}.split_part(text, text, int) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('split_part', octet_length($1), octet_length($2))
        THEN pg_catalog.split_part($1, $2, $3) END
$$;
-- Without a separator each character stands alone.
CREATE FUNCTION {schema}.string_to_array(text, text) RETURNS text[] IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('string_to_array', octet_length($1), coalesce(octet_length($2), 1))
        THEN pg_catalog.string_to_array($1, $2) END
$$;
CREATE FUNCTION {schema}.string_to_array(text, text, text) RETURNS text[] IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('string_to_array', octet_length($1), coalesce(octet_length($2), 1))
        THEN pg_catalog.string_to_array($1, $2, $3) END
$$;
CREATE FUNCTION {schema}.string_to_table(text, text) RETURNS SETOF text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT pg_catalog.string_to_table($1, $2)
    WHERE {schema}.texts('string_to_table', octet_length($1), coalesce(octet_length($2), 1))
$$;
CREATE FUNCTION {schema}.string_to_table(text, text, text) RETURNS SETOF text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT pg_catalog.string_to_table($1, $2, $3)
    WHERE {schema}.texts('string_to_table', octet_length($1), coalesce(octet_length($2), 1))
$$;
CREATE FUNCTION {schema}.btrim(text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('trim', octet_length($1), octet_length($2)) THEN pg_catalog.btrim($1, $2) END
$$;
CREATE FUNCTION {schema}.ltrim(text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('ltrim', octet_length($1), octet_length($2)) THEN pg_catalog.ltrim($1, $2) END
$$;
CREATE FUNCTION {schema}.rtrim(text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('rtrim', octet_length($1), octet_length($2)) THEN pg_catalog.rtrim($1, $2) END
$$;

CREATE FUNCTION {schema}.is_like(text, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.~~) $2 END
$$;
CREATE FUNCTION {schema}.is_not_like(text, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.!~~) $2 END
$$;
CREATE FUNCTION {schema}.is_ilike(text, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('ILIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.~~*) $2 END
$$;
CREATE FUNCTION {schema}.is_not_ilike(text, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('ILIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.!~~*) $2 END
$$;
CREATE FUNCTION {schema}.is_like(bpchar, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.~~) $2 END
$$;
CREATE FUNCTION {schema}.is_not_like(bpchar, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.!~~) $2 END
$$;
CREATE FUNCTION {schema}.is_ilike(bpchar, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('ILIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.~~*) $2 END
$$;
CREATE FUNCTION {schema}.is_not_ilike(bpchar, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('ILIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.!~~*) $2 END
$$;
CREATE FUNCTION {schema}.is_like(bytea, bytea) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.~~) $2 END
$$;
CREATE FUNCTION {schema}.is_not_like(bytea, bytea) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1), octet_length($2)) THEN $1 OPERATOR(pg_catalog.!~~) $2 END
$$;
CREATE FUNCTION {schema}.is_like(name, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1::text), octet_length($2)) THEN $1 OPERATOR(pg_catalog.~~) $2 END
$$;
CREATE FUNCTION {schema}.is_not_like(name, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('LIKE', octet_length($1::text), octet_length($2)) THEN $1 OPERATOR(pg_catalog.!~~) $2 END
$$;
CREATE FUNCTION {schema}.is_ilike(name, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('ILIKE', octet_length($1::text), octet_length($2)) THEN $1 OPERATOR(pg_catalog.~~*) $2 END
$$;
CREATE FUNCTION {schema}.is_not_ilike(name, text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.texts('ILIKE', octet_length($1::text), octet_length($2)) THEN $1 OPERATOR(pg_catalog.!~~*) $2 END
$$;
CREATE OPERATOR {schema}.~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.is_like);
CREATE OPERATOR {schema}.!~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.is_not_like);
CREATE OPERATOR {schema}.~~* (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.is_ilike);
CREATE OPERATOR {schema}.!~~* (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.is_not_ilike);
CREATE OPERATOR {schema}.~~ (LEFTARG = bpchar, RIGHTARG = text, FUNCTION = {schema}.is_like);
CREATE OPERATOR {schema}.!~~ (LEFTARG = bpchar, RIGHTARG = text, FUNCTION = {schema}.is_not_like);
CREATE OPERATOR {schema}.~~* (LEFTARG = bpchar, RIGHTARG = text, FUNCTION = {schema}.is_ilike);
CREATE OPERATOR {schema}.!~~* (LEFTARG = bpchar, RIGHTARG = text, FUNCTION = {schema}.is_not_ilike);
CREATE OPERATOR {schema}.~~ (LEFTARG = name, RIGHTARG = text, FUNCTION = {schema}.is_like);
CREATE OPERATOR {schema}.!~~ (LEFTARG = name, RIGHTARG = text, FUNCTION = {schema}.is_not_like);
CREATE OPERATOR {schema}.~~* (LEFTARG = name, RIGHTARG = text, FUNCTION = {schema}.is_ilike);
CREATE OPERATOR {schema}.!~~* (LEFTARG = name, RIGHTARG = text, FUNCTION = {schema}.is_not_ilike);
CREATE OPERATOR {schema}.~~ (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = {schema}.is_like);
CREATE OPERATOR {schema}.!~~ (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = {schema}.is_not_like);

CREATE FUNCTION {schema}.overlaps(anyarray, anyarray) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.arrays('&&', $1, $2) THEN $1 OPERATOR(pg_catalog.&&) $2 END
$$;
CREATE FUNCTION {schema}.contains(anyarray, anyarray) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.arrays('@>', $1, $2) THEN $1 OPERATOR(pg_catalog.@>) $2 END
$$;
CREATE FUNCTION {schema}.is_contained(anyarray, anyarray) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.arrays('<@', $1, $2) THEN $1 OPERATOR(pg_catalog.<@) $2 END
$$;
CREATE OPERATOR {schema}.&& (LEFTARG = anyarray, RIGHTARG = anyarray, FUNCTION = {schema}.overlaps);
CREATE OPERATOR {schema}.@> (LEFTARG = anyarray, RIGHTARG = anyarray, FUNCTION = {schema}.contains);
CREATE OPERATOR {schema}.<@ (LEFTARG = anyarray, RIGHTARG = anyarray, FUNCTION = {schema}.is_contained);

CREATE FUNCTION {schema}.contains(jsonb, jsonb) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.documents('@>', $1, $2) THEN $1 OPERATOR(pg_catalog.@>) $2 END
$$;
CREATE FUNCTION {schema}.is_contained(jsonb, jsonb) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.documents('<@', $1, $2) THEN $1 OPERATOR(pg_catalog.<@) $2 END
$$;
CREATE FUNCTION {schema}.has_any(jsonb, text[]) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.documents('?|', $1, $2) THEN $1 OPERATOR(pg_catalog.?|) $2 END
$$;
CREATE FUNCTION {schema}.has_all(jsonb, text[]) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.documents('?&', $1, $2) THEN $1 OPERATOR(pg_catalog.?&) $2 END
$$;
CREATE FUNCTION {schema}.without(jsonb, text[]) RETURNS jsonb IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE WHEN {schema}.documents('-', $1, $2) THEN $1 OPERATOR(pg_catalog.-) $2 END
$$;
CREATE OPERATOR {schema}.@> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = {schema}.contains);
CREATE OPERATOR {schema}.<@ (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = {schema}.is_contained);
CREATE OPERATOR {schema}.?| (LEFTARG = jsonb, RIGHTARG = text[], FUNCTION = {schema}.has_any);
CREATE OPERATOR {schema}.?& (LEFTARG = jsonb, RIGHTARG = text[], FUNCTION = {schema}.has_all);
CREATE OPERATOR {schema}.- (LEFTARG = jsonb, RIGHTARG = text[], FUNCTION = {schema}.without);
