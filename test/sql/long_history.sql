-- What a call reads of the history of a run with many turns.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
CREATE FUNCTION collects() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  n int := 0;
BEGIN
  PERFORM wf_set('n', '0');
  WHILE wf_wait_signal('s') <> '"end"' LOOP
    n := n + 1;
  END LOOP;
  RETURN n;
END $$;
SELECT wf_start('collects', id => 'long') \gset
CALL wf_work();
-- 60 turns
\set ECHO none
\o /dev/null
SELECT format('SELECT wf_signal(%L, %L, %L)', 'long', 's', i), 'CALL wf_work()' FROM generate_series(1, 60) i \gexec
\o
\set ECHO all
SELECT count(*) > 50 AS many_rows FROM durable.history h JOIN wf_executions e USING (run_id) WHERE e.workflow_id = 'long';
-- Rows of durable.history that a call reads
CREATE FUNCTION rows_read() RETURNS bigint LANGUAGE sql AS $$
  SELECT coalesce(pg_stat_get_xact_tuples_returned(t), 0) + coalesce(pg_stat_get_xact_tuples_fetched(t), 0)
    + coalesce(pg_stat_get_xact_tuples_fetched(i), 0)
  FROM (VALUES ('durable.history'::regclass::oid, 'durable.history_pkey'::regclass::oid)) v(t, i)
$$;
CREATE FUNCTION reads(call text, OUT rows bigint) LANGUAGE plpgsql AS $$
DECLARE
  before bigint := rows_read();
BEGIN
  EXECUTE 'SELECT ' || call;
  rows := rows_read() - before;
END $$;
\set ECHO none
SELECT format('SELECT %L AS call, rows FROM reads(%L)', call, call)
FROM unnest(ARRAY[
  $$wf_signal('long', 'other')$$,
  $$wf_signal('long', 'other', request_id => 'r')$$,
  $$wf_update('long', 'u', '{}', 'u', 'admitted')$$,
  $$wf_cancel('long')$$,
  $$wf_cancel('long')$$,
  $$wf_pause('long')$$,
  $$wf_unpause('long')$$,
  $$wf_query('long', 'n')$$
]) call \gexec
CALL wf_work();
SELECT rows AS cancel FROM reads($$wf_cancel('long')$$);
SELECT rows AS terminate FROM reads($$wf_terminate('long')$$);
SELECT rows AS result FROM reads($$wf_wait('long')$$);
SELECT rows AS list FROM reads($$* FROM wf_executions WHERE workflow_id = 'long'$$);
SELECT rows > 50 AS all_of_it FROM reads($$count(*) FROM wf_history('long')$$);
