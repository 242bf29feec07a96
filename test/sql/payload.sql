-- Large payloads: 100 MB in and out, stored once, out of line, and loaded only where the code asks.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION through(v text, unused int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN v;
END $$;
SELECT wf_start('through', jsonb_build_object('v', repeat('0123456789abcdef', 100 * 65536)), id => 'large') \gset
-- It is in a row of its own, not in the message, and later not in the history.
SELECT payload IS NULL AS not_here, payload_id IS NOT NULL AS "there" FROM durable.message;
CALL wf_work();
SELECT pg_column_size(events) < 1000 AS history_is_small FROM durable.history;
SELECT wf_signal('large', 'go') \gset
CALL wf_work();
SELECT length(r #>> '{}'), md5(r #>> '{}') = md5(repeat('0123456789abcdef', 100 * 65536)) AS same FROM wf_result('large') r;
SELECT count(*) AS payloads, bool_and(pg_column_size(data) < 10000000) AS compressed FROM durable.payload;
SELECT history_bytes < 10000 AS history_is_small FROM wf_executions;
SELECT wf_delete('large');
SELECT count(*) AS payloads FROM durable.payload;

-- As a signal, an activity's input and result, and a published value, of a size that TOAST would take and beyond.
CREATE FUNCTION echo(v text, unused int DEFAULT 0) RETURNS text LANGUAGE sql AS 'SELECT v';
CREATE FUNCTION all_ways() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE s jsonb; r jsonb; sums jsonb = '[]';
BEGIN
  FOR i IN 1..2 LOOP
    s := wf_wait_signal('s');
    r := wf_activity('echo', jsonb_build_object('v', s));
    r := wf_sql('SELECT $1 AS v', r)->0->'v';
    PERFORM wf_set('v', r);
    sums := sums || to_jsonb(md5(r #>> '{}'));
  END LOOP;
  RETURN sums;
END $$;
CREATE FUNCTION noise(n int) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(md5(i::text), '') FROM generate_series(1, n / 32) i $$;
SELECT wf_start('all_ways', id => 'ways') \gset
CALL wf_work();
SELECT wf_signal('ways', 's', to_jsonb(noise(12000))), wf_signal('ways', 's', to_jsonb(noise(3000000))) \gset
CALL wf_work();
SELECT wf_result('ways') = jsonb_build_array(md5(noise(12000)), md5(noise(3000000))) AS same;
SELECT md5(wf_query('ways', 'v') #>> '{}') = md5(noise(3000000)) AS same;
SELECT event_id, event_type, length(attributes::text) > 12000 AS large FROM wf_history('ways');
-- A retry takes the same input.
CREATE FUNCTION fails_once(v text, unused int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF (wf_info()->>'attempt')::int = 1 THEN RAISE EXCEPTION 'once'; END IF;
  RETURN length(v);
END $$;
SELECT wf_start('fails_once', jsonb_build_object('v', noise(100000)), id => 'retry', retry => wf_retry()) \gset
CALL wf_work();
SET durable.clock_offset = '10s';
CALL wf_work();
SELECT wf_result('retry');
