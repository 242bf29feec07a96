/* durable: the extension's SQL, joined from sql/ by the Makefile */
\echo Use "CREATE EXTENSION durable" to load this file. \quit

/*
 * Tables and all that is not for users live here; what users call lives in
 * the schema chosen at CREATE EXTENSION.
 */
CREATE SCHEMA durable;
COMMENT ON SCHEMA durable IS 'durable: internal tables and functions, not for direct use';
