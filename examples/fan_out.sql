-- Dynamic fan-out: as many activities as the data asks for, several at a time,
-- their results put together.
--
--     createdb shop && psql -d shop -f examples/fan_out.sql
--
-- How many shards there are is known when the workflow runs. wf_map() runs an
-- activity for each, here four at a time, and returns the results in order.
-- The workflow's code does not run for each result: it waits for all of them.
-- What may fail alone is started with wf_start_activity() and settled.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;

-- -- the application's tables and functions ------------------------------------

CREATE TABLE sale (shard int NOT NULL, product text NOT NULL, amount int NOT NULL);
INSERT INTO sale SELECT n % 23, (ARRAY['lamp', 'chair', 'table'])[1 + n % 3], n FROM generate_series(1, 10000) n;
CREATE TABLE summary (product text PRIMARY KEY, amount bigint NOT NULL);

CREATE FUNCTION list_shards() RETURNS SETOF int LANGUAGE sql AS 'SELECT DISTINCT shard FROM sale ORDER BY 1';

CREATE FUNCTION sum_shard(shard int) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_object_agg(product, amount) FROM (SELECT product, sum(amount) AS amount FROM sale s WHERE s.shard = sum_shard.shard GROUP BY 1) p
$$;

CREATE FUNCTION store(totals jsonb) RETURNS void LANGUAGE sql AS $$
  INSERT INTO summary SELECT key, value::bigint FROM jsonb_each_text(totals)
$$;

-- Shard 7 is broken.
CREATE FUNCTION check_shard(shard int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF shard = 7 THEN PERFORM wf_fail('Broken', 'shard 7 is broken', non_retryable => true); END IF;
  RETURN 'good';
END $$;

-- -- the workflows ----------------------------------------------------------------

CREATE FUNCTION aggregate() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  shards jsonb := wf_activity('list_shards');
  parts jsonb;
  totals jsonb;
BEGIN
  parts := wf_map('sum_shard', (SELECT jsonb_agg(jsonb_build_object('shard', s)) FROM jsonb_array_elements(shards) s), max_parallel => 4);
  SELECT jsonb_object_agg(product, amount) INTO totals
  FROM (SELECT sums.key AS product, sum(sums.value::bigint) AS amount FROM jsonb_array_elements(parts) part(totals), jsonb_each_text(part.totals) sums(key, value) GROUP BY 1) t;
  PERFORM wf_activity('store', totals);
  RETURN jsonb_build_object('shards', jsonb_array_length(shards), 'totals', totals);
END $$;

-- Each may fail without the others: settled, a failure is NULL among the results.
CREATE FUNCTION check_all() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  shards jsonb := wf_activity('list_shards');
  handles wf_handle[];
  bad jsonb := '[]';
BEGIN
  FOR s IN 0..jsonb_array_length(shards) - 1 LOOP
    handles := handles || wf_start_activity('check_shard', jsonb_build_object('shard', shards->s));
  END LOOP;
  PERFORM wf_await_all(handles, settle => true);             -- all have ended now, one way or the other
  FOR s IN 1..array_length(handles, 1) LOOP
    BEGIN
      PERFORM wf_await(handles[s]);
    EXCEPTION WHEN SQLSTATE 'WF001' THEN
      bad := bad || jsonb_build_array(jsonb_build_object('shard', shards->(s - 1), 'error', SQLERRM));
    END;
  END LOOP;
  RETURN bad;
END $$;

-- -- and their use ------------------------------------------------------------------

SELECT wf_start('aggregate', id => 'aggregate') AS aggregate, wf_start('check_all', id => 'check') AS check;
SELECT wf_result('aggregate', timeout => '30 s');
SELECT wf_result('check', timeout => '30 s');
SELECT * FROM summary ORDER BY product;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN wf_result('aggregate')->'shards' = '23'
    AND (SELECT array_agg(amount ORDER BY product) FROM summary) = (SELECT array_agg(amount ORDER BY product) FROM (SELECT product, sum(amount) AS amount FROM sale GROUP BY 1) s)
    AND wf_result('check') = '[{"shard": 7, "error": "shard 7 is broken"}]'
  THEN 'ok' ELSE 'not what was expected' END;
