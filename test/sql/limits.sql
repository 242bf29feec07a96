-- Limits: each is a WF011 that names itself, the value and the setting; and large payloads.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION act(n int DEFAULT 0) RETURNS int LANGUAGE sql AS 'SELECT n';
CREATE FUNCTION steps(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..n LOOP PERFORM wf_activity('act'); END LOOP;
  RETURN n;
END $$;
CREATE FUNCTION naps(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..n LOOP PERFORM wf_sleep('1 s'); END LOOP;
  RETURN n;
END $$;
CREATE FUNCTION stuck() RETURNS TABLE (id text, why text, state text, hint text) LANGUAGE sql AS $$
  SELECT workflow_id, why, error->>'sqlstate', error->>'hint' FROM wf_stuck ORDER BY 1
$$;

-- durable.max_turn_commands: the turn fails, what it did before is not there.
SET durable.max_turn_commands = 10;
SELECT wf_start('steps', '{"n": 10}', id => 'ten') \gset
SELECT wf_start('steps', '{"n": 11}', id => 'eleven') \gset
CALL wf_work();
SELECT * FROM runs();
SELECT * FROM stuck();
-- The setting raised, the run goes on.
RESET durable.max_turn_commands;
SET durable.clock_offset = '10s';
CALL wf_work();
SELECT * FROM runs();

-- durable.max_history_events, reached over many turns
SET durable.max_history_events = 20;
SELECT wf_start('naps', '{"n": 12}', id => 'naps') \gset
CALL wf_work();
SET durable.clock_offset = '20s';
CALL wf_work();
SET durable.clock_offset = '30s';
CALL wf_work();
SET durable.clock_offset = '40s';
CALL wf_work();
SET durable.clock_offset = '50s';
CALL wf_work();
SET durable.clock_offset = '60s';
CALL wf_work();
SET durable.clock_offset = '70s';
CALL wf_work();
SET durable.clock_offset = '80s';
CALL wf_work();
SET durable.clock_offset = '90s';
CALL wf_work();
SET durable.clock_offset = '100s';
CALL wf_work();
SET durable.clock_offset = '110s';
CALL wf_work();
SELECT * FROM stuck();
SET durable.clock_offset = '120s';
RESET durable.max_history_events;
CALL wf_work();
SELECT * FROM stuck();
SELECT wf_terminate('naps');
RESET durable.clock_offset;

-- durable.max_history_size
SET durable.max_history_size = '16kB';
CREATE FUNCTION big_steps(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..n LOOP PERFORM wf_sql('SELECT $1', repeat(md5(i::text), 200)); PERFORM wf_wait_signal('next'); END LOOP;
  RETURN n;
END $$;
SELECT wf_start('big_steps', '{"n": 3}', id => 'big') \gset
CALL wf_work();
SELECT wf_signal('big', 'next') \gset
CALL wf_work();
SELECT wf_signal('big', 'next') \gset
CALL wf_work();
SELECT id, regexp_replace(why, 'history of \d+ kB', 'history of N kB') AS why, state, hint FROM stuck();
RESET durable.max_history_size;
SELECT wf_terminate('big');

-- durable.max_payload_size: an input, a signal, a result, a step's input and result, a published value, memo
SET durable.max_payload_size = '1kB';
CREATE FUNCTION eats(v text, how text DEFAULT 'input') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF how = 'step' THEN PERFORM wf_activity('eats', jsonb_build_object('v', repeat('x', 5000))); END IF;
  IF how = 'step result' THEN PERFORM wf_sql('SELECT repeat(''x'', 5000)'); END IF;
  IF how = 'set' THEN PERFORM wf_set('k', to_jsonb(repeat('x', 5000))); END IF;
  IF how = 'result' THEN RETURN repeat('x', 5000); END IF;
  RETURN 'small';
END $$;
SELECT fails($$SELECT wf_start('eats', jsonb_build_object('v', repeat('x', 5000)))$$);
SELECT fails($$SELECT wf_start('eats', '{"v": ""}', memo => jsonb_build_object('v', repeat('x', 5000)))$$);
SELECT fails($$SELECT wf_start('eats', '{"v": ""}', search_attributes => jsonb_build_object('v', repeat('x', 5000)))$$);
SELECT wf_start('eats', '{"v": ""}', id => 'fed') \gset
SELECT fails($$SELECT wf_signal('fed', 's', to_jsonb(repeat('x', 5000)))$$);
SELECT fails($$SELECT wf_signal_with_start('eats', 'fed', 's', to_jsonb(repeat('x', 5000)), '{"v": ""}')$$);
SELECT count(wf_start('eats', jsonb_build_object('v', '', 'how', h), id => 'p ' || h)) FROM unnest('{step,step result,set,result}'::text[]) h;
CALL wf_work();
-- In workflow code they fail the turn, but for a step's result: that is the step's failure.
SELECT * FROM stuck();
SELECT workflow_id, status, error->>'sqlstate' AS state, error->>'message' AS error FROM wf_executions WHERE workflow_id LIKE 'p %' ORDER BY 1;
RESET durable.max_payload_size;
SET durable.clock_offset = '10s';
CALL wf_work();
RESET durable.clock_offset;
SELECT workflow_id, status, length(result::text) FROM wf_executions WHERE workflow_id LIKE 'p %' ORDER BY 1;

-- Ids of 1000 bytes and not a byte more
SELECT wf_start('act', id => repeat('i', 1000), request_id => repeat('r', 1000), namespace => repeat('n', 1000)) IS NOT NULL AS started;
CALL wf_work();
SELECT wf_signal_with_start('steps', repeat('i', 1000), repeat('s', 1000), input => '{"n": 1}') IS NOT NULL AS started;
SELECT fails($$SELECT wf_start('act', id => repeat('i', 1001))$$);
SELECT fails($$SELECT wf_start('act', request_id => repeat('i', 1001))$$);
SELECT fails($$SELECT wf_start('act', namespace => repeat('i', 1001))$$);
SELECT fails($$SELECT wf_start(repeat('i', 1001))$$);
SELECT fails($$SELECT wf_signal('fed', repeat('i', 1001))$$);
-- counted in bytes: 500 letters of two bytes
SELECT wf_start('act', id => repeat('ü', 500)) IS NOT NULL AS started;
SELECT fails($$SELECT wf_start('act', id => repeat('ü', 501))$$);
-- Spans of time: what is too long for a time is refused as that, and a patience that no clock outlives is no negative one.
SELECT fails($$SELECT wf_start('act', execution_timeout => '300000 years')$$);
SELECT fails($$SELECT wf_result(repeat('i', 1000), namespace => repeat('n', 1000), timeout => '292200 years')$$);
SELECT fails($$SELECT count(*) FROM wf_poll_activities('q', wait => '-170000000 years')$$);
-- Settings are limits of the administrator.
SELECT name, context FROM pg_settings WHERE name LIKE 'durable.%' ORDER BY name;
CALL wf_work();

-- Nothing of the above was left behind by what was refused.
SELECT count(*) FROM wf_stuck;
