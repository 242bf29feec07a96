-- wf_upsert_search_attributes and wf_upsert_memo.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION act() RETURNS text LANGUAGE sql AS $$ SELECT 'done' $$;
CREATE FUNCTION seen() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_array(wf_info()->'memo', wf_info()->'search_attributes') $$;
-- Code sees what it has set, at each replay the same; the row has it all.
CREATE FUNCTION order_flow(fail boolean DEFAULT false) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := jsonb_build_array(seen());
BEGIN
  PERFORM wf_upsert_search_attributes('{"state": "new", "tags": ["a"], "shop": null}');
  r := r || jsonb_build_array(seen());
  PERFORM wf_activity('act');
  PERFORM wf_upsert_memo('{"note": {"deep": null}}');
  PERFORM wf_wait_signal('go');
  r := r || jsonb_build_array(seen());
  PERFORM wf_upsert_search_attributes('{"state": "paid", "tags": []}');
  PERFORM wf_upsert_memo('{"note": null, "left": 1}');
  r := r || jsonb_build_array(seen());
  IF fail THEN RAISE EXCEPTION 'failed'; END IF;
  PERFORM wf_wait_signal('go');
  RETURN r || jsonb_build_array(seen());
END $$;
SELECT wf_start('order_flow', id => 'o', search_attributes => '{"shop": "Ulm", "kept": true}') \gset
SELECT wf_start('order_flow', id => 'bare') \gset
CALL wf_work();
CREATE FUNCTION shown() RETURNS TABLE (id text, status text, search_attributes jsonb, memo jsonb) LANGUAGE sql AS $$
  SELECT workflow_id, status, search_attributes, memo FROM wf_executions ORDER BY workflow_id, run_id
$$;
SELECT * FROM shown();
SELECT wf_signal(id, 'go') FROM shown();
CALL wf_work();
SELECT * FROM shown();
SELECT wf_describe('o')->'memo' AS memo, wf_describe('o')->'search_attributes' AS search_attributes;
SELECT wf_signal(id, 'go') FROM shown();
CALL wf_work();
SELECT * FROM shown();
SELECT jsonb_array_elements(wf_result('o'));
SELECT jsonb_array_elements(wf_result('bare'));
SELECT * FROM events('o') WHERE event LIKE '%upserted';
SELECT event FROM events('bare');

-- The run that retries has what the failed one set.
SELECT wf_start('order_flow', '{"fail": true}', id => 'r', retry => wf_retry(2)) \gset
CALL wf_work();
SELECT wf_signal('r', 'go');
CALL wf_work();
SELECT * FROM shown() WHERE id = 'r';

-- Again and again.
CREATE FUNCTION loops() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM loops_body(); END $$;
CREATE FUNCTION loops_body() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN 1 .. 1000 LOOP
    PERFORM wf_upsert_search_attributes(jsonb_build_object('n', n));
    PERFORM wf_wait_signal('go');
  END LOOP;
END $$;
SELECT wf_start('loops', id => 'l') \gset
CALL wf_work();
SELECT search_attributes FROM shown() WHERE id = 'l';
SELECT wf_signal('l', 'go') FROM generate_series(1, 20);
CALL wf_work();
SELECT search_attributes FROM shown() WHERE id = 'l';

-- Another call than recorded is told.
CREATE OR REPLACE FUNCTION loops_body() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_upsert_memo('{"n": 1}');
  PERFORM wf_wait_signal('go');
END $$;
SELECT wf_signal('l', 'go');
CALL wf_work();
SELECT * FROM runs('l');
SELECT wf_terminate('l');

-- What is refused, and the limit.
CREATE FUNCTION bad(attributes jsonb, n int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_upsert_search_attributes(attributes);
  RETURN 'well';
END $$;
SELECT wf_start('bad', '{"attributes": [1]}', id => 'b-array') \gset
SELECT wf_start('bad', '{"attributes": null}', id => 'b-null') \gset
SELECT wf_start('bad', jsonb_build_object('attributes', jsonb_build_object('k', repeat('x', 50000))), id => 'b-large') \gset
SELECT wf_start('bad', '{"attributes": {}}', id => 'b-empty') \gset
CALL wf_work();
SELECT * FROM runs('b-%');
SET durable.max_search_attributes_size = '60kB';
SET durable.clock_offset = '2s';
CALL wf_work();
SELECT * FROM runs('b-large');
SELECT fails($$SELECT wf_upsert_memo('{}')$$);
SELECT fails($$SELECT wf_upsert_search_attributes('{}')$$);
