-- When the keys of all tenants were last counted anew. One row; whoever holds it does the counting.
CREATE TABLE kv_recount (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    counted_at bigint  NOT NULL -- milliseconds since 1970
);
INSERT INTO kv_recount (counted_at) VALUES (0);
