/* durable: the extension's SQL, joined from sql/ by the Makefile */
\echo Use "CREATE EXTENSION durable" to load this file. \quit

/*
 * The schema chosen at CREATE EXTENSION may be one where others can create
 * functions and operators.  None of theirs is found here: a view or a body that
 * called one would do so for everybody.  The Makefile writes that schema before
 * the names of ours.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

/*
 * Tables and all that is not for users live here; what users call lives in
 * the schema chosen at CREATE EXTENSION.
 */
CREATE SCHEMA durable;
COMMENT ON SCHEMA durable IS 'durable: internal tables and functions, not for direct use';
