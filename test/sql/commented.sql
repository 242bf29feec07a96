-- Whatever the extension makes is commented
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
-- Members of the extension, of any kind (tables, sequences, views, types, functions, procedures, its schema), and the columns of its views
CREATE TEMP VIEW parts AS
SELECT d.classid, d.objid, 0 AS column, pg_describe_object(d.classid, d.objid, 0) AS part
FROM pg_depend d JOIN pg_extension x ON d.refobjid = x.oid AND d.refclassid = 'pg_extension'::regclass AND x.extname = 'durable'
WHERE d.deptype = 'e'
  -- types that come with a table, or as arrays of others, are members from 17 on
  AND NOT (d.classid = 'pg_type'::regclass AND d.objid IN (SELECT t.oid FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typcategory = 'A' OR c.relkind <> 'c'));
CREATE TEMP VIEW uncommented AS
SELECT part FROM parts WHERE obj_description(objid, classid::regclass::name) IS NULL
UNION ALL
SELECT c.relname || '.' || a.attname FROM parts p
  JOIN pg_class c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid AND c.relkind = 'v'
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE col_description(c.oid, a.attnum) IS NULL
ORDER BY 1;
SELECT * FROM uncommented;
-- There is something to look at, and what is missing is found
SELECT kind, count(*) > 0 AS there_are FROM (SELECT split_part(part, ' ', 1) AS kind FROM parts) p GROUP BY kind ORDER BY kind COLLATE "C";
BEGIN;
COMMENT ON COLUMN wf_stuck.why IS NULL;
COMMENT ON TYPE durable.event IS NULL;
COMMENT ON TABLE durable.execution IS NULL;
COMMENT ON FUNCTION wf_now IS NULL;
SELECT part FROM uncommented ORDER BY part COLLATE "C";
ROLLBACK;
