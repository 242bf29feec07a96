-- Continue-as-new: a new run of the same workflow, with a history of its own.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

-- A loop: each round is a run; the result is the last one's, whoever asks for it.
CREATE FUNCTION rounds(n int, total int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  total := total + (wf_sql('SELECT $1 AS n', n)->0->>'n')::int;
  IF n > 1 THEN PERFORM wf_continue_as_new(jsonb_build_object('n', n - 1, 'total', total)); END IF;
  RETURN total;
END $$;
SELECT wf_start('rounds', '{"n": 4}', id => 'loop', memo => '{"m": 1}', search_attributes => '{"a": 2}', priority => 2) AS first \gset
CALL wf_work();
SELECT * FROM runs('loop');
SELECT wf_result('loop'), wf_result('loop', run_id => :'first');
-- Memo, search attributes and the first run's id stay; the history and the attempt are new.
SELECT count(*), count(DISTINCT run_id) AS ids, count(DISTINCT first_run_id) AS firsts, bool_and(first_run_id = :'first') AS first,
  array_agg(DISTINCT memo || search_attributes) AS memo, array_agg(DISTINCT history_events) AS events FROM wf_executions WHERE workflow_id = 'loop';
SELECT count(*) AS linked FROM wf_executions a JOIN wf_executions b ON b.continued_from = a.run_id AND a.next_run_id = b.run_id;
SELECT h.event_id, h.event_type, h.attributes - 'new_run_id' AS attributes, h.attributes ? 'new_run_id' AS next FROM wf_history('loop', :'first') h;
SELECT wf_describe('loop', :'first')->>'status' AS status, wf_describe('loop')->>'status' AS now;

-- Code cannot catch it, not even as what it is.
CREATE FUNCTION catches(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF n = 2 THEN RETURN 'done'; END IF;
  BEGIN
    PERFORM wf_continue_as_new(jsonb_build_object('n', n + 1));
  EXCEPTION WHEN OTHERS OR query_canceled THEN
    RETURN 'caught';
  END;
  RETURN 'came back';
END $$;
SELECT wf_start('catches', '{"n": 1}', id => 'catch') \gset
CALL wf_work();
SELECT * FROM runs('catch');

-- The same input, another workflow, other options.
CREATE FUNCTION second(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE i jsonb = wf_info();
BEGIN
  RETURN jsonb_build_object('n', n, 'workflow', i->'workflow', 'memo', i->'memo', 'sa', i->'search_attributes',
    'run_timeout', i->'run_timeout', 'attempt', i->'attempt', 'priority', i->'priority', 'new', i->>'run_id' <> i->>'first_run_id', 'old', i->>'continued_from' = i->>'first_run_id');
END $$;
CREATE FUNCTION first(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_continue_as_new(workflow => 'second', run_timeout => '2 h', memo => '{"new": true}', priority => 5);
END $$;
SELECT wf_start('first', '{"n": 7}', id => 'other', memo => '{"old": true}', search_attributes => '{"k": "v"}') \gset
CALL wf_work();
SELECT wf_result('other');

-- A wrong workflow or input is an error of the code, as at the start.
CREATE FUNCTION wrong(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  CASE what
    WHEN 'workflow' THEN PERFORM wf_continue_as_new(workflow => 'nowhere');
    WHEN 'input' THEN PERFORM wf_continue_as_new('{"wat": 1}');
    WHEN 'memo' THEN PERFORM wf_continue_as_new(memo => '3');
    WHEN 'retry' THEN PERFORM wf_continue_as_new(retry => '{"often": true}');
    WHEN 'priority' THEN PERFORM wf_continue_as_new(priority => 9);
  END CASE;
END $$;
SELECT count(wf_start('wrong', jsonb_build_object('what', w), id => 'wrong-' || w)) FROM unnest('{workflow,input,memo,retry,priority}'::text[]) w;
CALL wf_work();
SELECT id, status, error FROM runs('wrong-%');
SELECT fails('SELECT wf_continue_as_new()');

-- Signals that the code has not read go to the new run, in their order: those in its history and those in its mailbox.
CREATE FUNCTION fold(seen jsonb DEFAULT '[]', rounds int DEFAULT 0) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE s jsonb = wf_wait_signal('s');
BEGIN
  seen := seen || s;
  IF s = '"end"' THEN RETURN jsonb_build_object('seen', seen, 'rounds', rounds, 'other', wf_poll_signal('other')); END IF;
  PERFORM wf_continue_as_new(jsonb_build_object('seen', seen, 'rounds', rounds + 1));
END $$;
SELECT wf_signal_with_start('fold', 'fold', 's', '1') \gset
SELECT wf_signal('fold', 's', '2'), wf_signal('fold', 'other', '"o"'), wf_signal('fold', 's', '3'), wf_signal('fold', 's', '4') \gset
CALL wf_work();
SELECT wf_signal('fold', 's', '5'), wf_signal('fold', 's', '"end"') \gset
CALL wf_work();
SELECT result FROM runs('fold') WHERE result IS NOT NULL;
SELECT count(*) AS mail FROM durable.message;
-- A large one is the new run's own: the old one can be deleted.
SELECT wf_start('fold', id => 'large') AS large \gset
SELECT wf_signal('large', 's', '1'), wf_signal('large', 's', jsonb_build_object('text', repeat('x', 30000))) \gset
CALL wf_work(max_turns => 1);
SELECT wf_delete('large', run_id => :'large');
CALL wf_work();
SELECT wf_signal('large', 's', '"end"') \gset
CALL wf_work();
SELECT jsonb_array_length(result->'seen') AS seen, length(result->'seen'->1->>'text') AS length FROM runs('large') WHERE result IS NOT NULL;
-- So is a large input that stays the same.
CREATE FUNCTION twice(t text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF wf_info()->>'continued_from' IS NULL THEN PERFORM wf_continue_as_new(); END IF;
  RETURN length(t);
END $$;
SELECT wf_start('twice', jsonb_build_object('t', repeat('y', 40000)), id => 'twice') AS twice \gset
CALL wf_work(max_turns => 1);
SELECT wf_delete('twice', run_id => :'twice');
CALL wf_work();
SELECT * FROM runs('twice');

-- What was started and is not done ends with the old run, also what this very turn started; a signal of a handle that was not awaited goes along.
CREATE FUNCTION started(n int DEFAULT 1) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE h wf_handle;
BEGIN
  IF n = 2 THEN RETURN jsonb_build_array(wf_poll_signal('s'), wf_poll_signal('s')); END IF;
  h := wf_start_timer('1 h');
  h := wf_start_activity('work', task_queue => 'q');
  h := wf_signal_handle('s');
  PERFORM wf_wait_signal('go');
  h := wf_start_timer('2 h');
  h := wf_start_activity('work', task_queue => 'q');
  PERFORM wf_continue_as_new('{"n": 2}');
END $$;
SELECT wf_start('started', id => 'started') \gset
CALL wf_work();
SELECT wf_signal('started', 's', '1'), wf_signal('started', 'go'), wf_signal('started', 's', '2') \gset
CALL wf_work();
SELECT id, status, result FROM runs('started');
SELECT (SELECT count(*) FROM durable.timer) AS timers, (SELECT count(*) FROM durable.activity) AS activities, (SELECT count(*) FROM durable.message) AS mail;

-- A request to cancel that was not delivered goes along; one that was is dealt with.
CREATE FUNCTION cancelled(shield boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF wf_info()->>'continued_from' IS NULL THEN
    PERFORM wf_shield(shield);
    BEGIN PERFORM wf_wait_signal('go'); EXCEPTION WHEN SQLSTATE 'WF003' THEN NULL; END;
    PERFORM wf_continue_as_new();
  END IF;
  PERFORM wf_sleep('1 s');
  RETURN 'not cancelled';
END $$;
SELECT wf_start('cancelled', '{"shield": true}', id => 'cancel-along'), wf_start('cancelled', '{"shield": false}', id => 'cancel-done') \gset
CALL wf_work();
SELECT wf_cancel('cancel-along', 'why'), wf_signal('cancel-along', 'go'), wf_cancel('cancel-done');
CALL wf_work();
SET durable.clock_offset = '10';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('cancel-%');

-- The execution timeout spans the chain; the run timeout is each run's own.
CREATE FUNCTION naps(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('40 min');
  IF n < 5 THEN PERFORM wf_continue_as_new(jsonb_build_object('n', n + 1)); END IF;
  RETURN n;
END $$;
SELECT wf_start('naps', '{"n": 1}', id => 'naps-execution', execution_timeout => '1 h'), wf_start('naps', '{"n": 4}', id => 'naps-run', run_timeout => '1 h') \gset
CALL wf_work();
SET durable.clock_offset = '41min';
CALL wf_work();
SET durable.clock_offset = '82min';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, result, error FROM runs('naps-%');

-- A run that fails is retried as itself; the chain keeps its first run.
CREATE FUNCTION flaky(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE i jsonb = wf_info();
BEGIN
  IF n = 1 THEN PERFORM wf_continue_as_new('{"n": 2}'); END IF;
  IF (i->>'attempt')::int < 3 THEN RAISE EXCEPTION 'attempt %', i->>'attempt'; END IF;
  RETURN jsonb_build_object('n', n, 'attempt', i->'attempt');
END $$;
SELECT wf_start('flaky', '{"n": 1}', id => 'flaky', retry => wf_retry(initial_interval => '1 min')) AS flaky \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SET durable.clock_offset = '10min';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('flaky');
SELECT wf_result('flaky', run_id => :'flaky'), count(*) FROM wf_executions WHERE first_run_id = :'flaky';

-- Client calls by workflow id mean the run that goes on.
CREATE FUNCTION stays(n int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF n = 1 THEN PERFORM wf_continue_as_new('{"n": 2}'); END IF;
  PERFORM wf_set('n', to_jsonb(n));
  PERFORM wf_wait_signal('go');
  RETURN n;
END $$;
SELECT wf_start('stays', id => 'stays') AS stays \gset
CALL wf_work();
SELECT wf_query('stays', 'n'), wf_query('stays', '__stack')->>'waiting_for' AS waiting;
SELECT fails(format('SELECT wf_signal(''stays'', ''go'', run_id => %L)', :'stays'));
SELECT wf_cancel('stays', run_id => :'stays') AS old, wf_terminate('stays', 'enough');
SELECT * FROM runs('stays');
SELECT fails('SELECT wf_result(''stays'')');
CALL wf_execute('rounds', '{"n": 3}', NULL, id => 'execute');

-- wf_info suggests it, by events or by size; the same at each replay, whatever becomes of the settings.
CREATE FUNCTION asks(steps int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]';
BEGIN
  FOR i IN 1..steps LOOP
    r := r || (wf_info()->'continue_as_new_suggested');
    PERFORM wf_wait_signal('s');
  END LOOP;
  RETURN r || jsonb_build_object('bytes', (wf_info()->>'history_bytes')::int > 300);
END $$;
SELECT wf_start('asks', '{"steps": 4}', id => 'asks') \gset
SET durable.suggest_continue_events = 3;
CALL wf_work();
SELECT wf_signal('asks', 's') \gset
CALL wf_work();
SELECT wf_signal('asks', 's') \gset
CALL wf_work();
SET durable.suggest_continue_events = 1;
SELECT wf_signal('asks', 's') \gset
CALL wf_work();
SET durable.suggest_continue_events = 1000;
SELECT wf_signal('asks', 's') \gset
CALL wf_work();
RESET durable.suggest_continue_events;
SELECT * FROM runs('asks');
SELECT n, event FROM events('asks');

-- What would go along does not count: mail for more than a run is read in one, not one by one in as many.
CREATE FUNCTION adds(total int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS $$
DECLARE s jsonb;
BEGIN
  LOOP
    s := wf_wait_signal('add');
    EXIT WHEN s = '"end"';
    total := total + s::int;
    IF (wf_info()->>'continue_as_new_suggested')::boolean THEN
      PERFORM wf_continue_as_new(jsonb_build_object('total', total));
    END IF;
  END LOOP;
  RETURN total;
END $$;
SET durable.suggest_continue_events = 10;
SELECT wf_start('adds', id => 'adds') \gset
SELECT wf_signal('adds', 'other') FROM generate_series(1, 20) \g /dev/null
SELECT wf_signal('adds', 'add', to_jsonb(i)) FROM generate_series(1, 30) i \g /dev/null
CALL wf_work();
SELECT wf_signal('adds', 'add', '1') \g /dev/null
CALL wf_work();
SELECT wf_signal('adds', 'add', to_jsonb(i)) FROM generate_series(1, 5) i \g /dev/null
CALL wf_work();
SELECT wf_signal('adds', 'add', '"end"') \g /dev/null
CALL wf_work();
RESET durable.suggest_continue_events;
SELECT status, result, history_events FROM wf_executions WHERE workflow_id = 'adds' ORDER BY run_id;

-- Code that continued before it gave the commands it once gave is nondeterministic.
-- (The run keeps its own text, but not that of the functions it calls.)
CREATE FUNCTION changed_body() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 h'); RETURN 1; END $$;
CREATE FUNCTION changed() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN changed_body(); END $$;
SELECT wf_start('changed', id => 'changed') \gset
CALL wf_work();
CREATE OR REPLACE FUNCTION changed_body() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_continue_as_new(); END $$;
SET durable.clock_offset = '1h';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('changed');
SELECT wf_terminate('changed');

-- Runs of a chain are deleted one by one.
SELECT wf_delete('loop'), count(*) FROM wf_executions WHERE workflow_id = 'loop';
SELECT count(*), bool_or(run_id = :'first') AS first FROM wf_executions WHERE workflow_id = 'loop';

-- Updates that were not answered go along, and their clients ask the new run.
CREATE FUNCTION answers_later(generation int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
  IF generation = 1 THEN
    PERFORM wf_wait_signal('continue');
    PERFORM wf_continue_as_new('{"generation": 2}');
  END IF;
  u := wf_next_update();
  PERFORM wf_reply(u.update_id, jsonb_build_object('by', generation, 'args', u.args));
  RETURN generation;
END $$;
SELECT wf_start('answers_later', id => 'answers') \gset
CALL wf_work();
SELECT wf_update('answers', 'early', '{"n": 1}', update_id => 'u1', wait_for => 'admitted');
CALL wf_work();
SELECT state FROM wf_updates WHERE update_id = 'u1';
SELECT wf_signal('answers', 'continue');
CALL wf_work();
SELECT wf_update('answers', 'early', '{"n": 1}', update_id => 'u1');
SELECT id, status, result FROM runs('answers');
SELECT count(*), bool_and(state = 'completed') FROM wf_updates WHERE update_id = 'u1';

-- One that was answered is known to all that go on, and when they are closed; the request has one effect.
CREATE TABLE deposit (n int);
CREATE FUNCTION add_deposit(n int) RETURNS void LANGUAGE sql AS 'INSERT INTO deposit VALUES (n)';
CREATE FUNCTION deposits(total int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
  u := wf_next_update('deposit');
  PERFORM wf_activity('add_deposit', u.args);
  total := total + (u.args->>'n')::int;
  PERFORM wf_reply(u.update_id, to_jsonb(total));
  IF total >= 6 THEN RETURN total; END IF;
  PERFORM wf_continue_as_new(jsonb_build_object('total', total));
END $$;
SELECT wf_start('deposits', id => 'deposits') \gset
SELECT wf_update('deposits', 'deposit', '{"n": 1}', update_id => 'one', wait_for => 'admitted');
CALL wf_work();
SELECT wf_update('deposits', 'deposit', '{"n": 2}', update_id => 'two', wait_for => 'admitted');
CALL wf_work();
SELECT wf_update('deposits', 'deposit', '{"n": 1}', update_id => 'one');
SELECT wf_update('deposits', 'deposit', '{"n": 2}', update_id => 'two');
SELECT wf_update('deposits', 'deposit', '{"n": 1}', update_id => 'one', wait_for => 'admitted');
SELECT fails($$SELECT wf_update('deposits', 'other', update_id => 'one')$$);
SELECT wf_update('deposits', 'deposit', '{"n": 3}', update_id => 'three', wait_for => 'admitted');
CALL wf_work();
SELECT wf_update('deposits', 'deposit', update_id => id) FROM unnest('{one,two,three}'::text[]) id;
SELECT wf_update_with_start('deposits', 'deposits', 'deposit', '{"n": 2}', '{"total": 6}', update_id => 'new');
SELECT wf_update('deposits', 'deposit', '{"n": 1}', update_id => 'one', wait_for => 'admitted');
SELECT state FROM wf_updates WHERE update_id = 'one' ORDER BY requested_at;
CALL wf_work();
SELECT * FROM deposit ORDER BY n;
SELECT status, result FROM wf_executions WHERE workflow_id = 'deposits' ORDER BY run_id;
