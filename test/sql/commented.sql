-- Whatever the extension makes is commented
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
-- Whatever the extension makes is commented: functions, views, tables, types, and each column of the views
SELECT pg_describe_object(classid, objid, objsubid) AS uncommented
FROM pg_depend d JOIN pg_extension x ON d.refobjid = x.oid AND d.refclassid = 'pg_extension'::regclass AND x.extname = 'durable'
WHERE d.deptype = 'e' AND (d.classid IN ('pg_proc'::regclass, 'pg_namespace'::regclass)
    OR d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'v')))
  AND obj_description(d.objid, d.classid::regclass::name) IS NULL
ORDER BY 1;
SELECT c.relname, a.attname AS uncommented
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relkind = 'v' AND c.relname ~ '^wf_' AND c.oid IN (SELECT objid FROM pg_depend WHERE deptype = 'e') AND col_description(c.oid, a.attnum) IS NULL
ORDER BY 1, a.attnum;
SELECT count(*) > 150 AS there_are_many FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relkind = 'v' AND c.relname ~ '^wf_';
