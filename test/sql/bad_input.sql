-- Bad input: each call tells what is wrong, and nothing is changed.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION f(a int DEFAULT 1) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$;
CREATE FUNCTION tries(VARIADIC calls text[]) RETURNS TABLE (call text, error text) LANGUAGE sql AS $$
  SELECT c, fails('SELECT ' || c) FROM unnest(calls) WITH ORDINALITY AS u(c, n) ORDER BY n
$$;
SELECT wf_start('f', id => 'f') AS run \gset
CALL wf_work();
CREATE TABLE before AS SELECT 'execution' AS t, count(*) AS n FROM durable.execution UNION ALL SELECT 'message', count(*) FROM durable.message
  UNION ALL SELECT 'timer', count(*) FROM durable.timer UNION ALL SELECT 'history', count(*) FROM durable.history UNION ALL SELECT 'closed', count(*) FROM durable.closed
  UNION ALL SELECT 'signal_request', count(*) FROM durable.signal_request UNION ALL SELECT 'payload', count(*) FROM durable.payload
  UNION ALL SELECT 'activity', count(*) FROM durable.activity UNION ALL SELECT 'task_queue', count(*) FROM durable.task_queue;

-- wf_start
SELECT * FROM tries(
  $$wf_start(NULL)$$, $$wf_start('')$$, $$wf_start('nope')$$, $$wf_start('a.b.c.d')$$, $$wf_start('f(')$$, $$wf_start('"')$$,
  $$wf_start('f', '{"b": 1}')$$, $$wf_start('f', '{"a": "x"}')$$, $$wf_start('f', '[1]')$$, $$wf_start('f', '{bad}')$$, $$wf_start('f', 7)$$,
  $$wf_start('f', id => '')$$, $$wf_start('f', on_running => 'x')$$, $$wf_start('f', on_running => NULL)$$, $$wf_start('f', on_closed => 'Allow')$$, $$wf_start('f', on_closed => NULL)$$,
  $$wf_start('f', run_timeout => '-1 s')$$, $$wf_start('f', execution_timeout => '-1 day')$$, $$wf_start('f', start_delay => '-1 s')$$, $$wf_start('f', start_delay => 'soon')$$, $$wf_start('f', start_delay => '300000 years')$$,
  $$wf_start('f', memo => '[]')$$, $$wf_start('f', memo => '1')$$, $$wf_start('f', search_attributes => '"x"')$$, $$wf_start('f', request_id => '')$$, $$wf_start('f', namespace => '')$$,
  $$wf_start('f', task_queue => 'x')$$, $$wf_start('f', '{}', 'f', 'fail', 'allow', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1)$$, $$wf_start()$$,
  $$wf_start('f', priority => 0)$$, $$wf_start('f', priority => 6)$$, $$wf_start('f', fairness_key => '')$$, $$wf_start('f', fairness_key => repeat('k', 65))$$,
  $$wf_start('f', fairness_weight => 0)$$, $$wf_start('f', fairness_weight => -1)$$, $$wf_start('f', fairness_weight => 'NaN')$$, $$wf_start('f', fairness_weight => 1001)$$);
-- Retry policies
SELECT p AS policy, fails(format('SELECT wf_start(''f'', retry => %L)', p)) FROM unnest(ARRAY[
  '[]', '1', '{"max": 1}', '{"max_attempts": "3"}', '{"max_attempts": -1}', '{"backoff": 0.5}', '{"backoff": "x"}', '{"jitter": 2}', '{"jitter": -0.1}',
  '{"initial_interval": 5}', '{"initial_interval": "x"}', '{"initial_interval": "-1 s"}', '{"max_interval": "-1 s"}', '{"max_interval": []}',
  '{"non_retryable": "P0001"}', '{"non_retryable": {"a": 1}}', '{"non_retryable": [1]}']) p;
-- NULLs and nulls in a policy are as if they were not given; all of it at its bounds is fine.
BEGIN;
SELECT wf_start('f', retry => '{"max_attempts": null, "backoff": null, "non_retryable": null}') IS NOT NULL AS ok;
SELECT wf_start('f', retry => wf_retry(0, '0', 1, '0', '{}', 1)) IS NOT NULL AS ok;
SELECT wf_start('f', retry => '{}', memo => '{}', input => NULL, id => NULL, request_id => NULL, namespace => NULL) IS NOT NULL AS ok;
SELECT wf_retry(), wf_retry(3, '1 min', 1.5, '1 hour', '{P0001,timeout}', 0.2);
ROLLBACK;
-- The others
SELECT * FROM tries(
  $$wf_signal(NULL, 's')$$, $$wf_signal('', 's')$$, $$wf_signal('f', NULL)$$, $$wf_signal('f', '')$$, $$wf_signal('nobody', 's')$$, $$wf_signal('f', 's', 'not json')$$,
  $$wf_signal('f', 's', request_id => '')$$, $$wf_signal('f', 's', run_id => 'x')$$, $$wf_signal('f', 's', namespace => '')$$, $$wf_signal('f')$$,
  $$wf_signal_with_start('f', NULL, 's')$$, $$wf_signal_with_start('f', 'x', NULL)$$, $$wf_signal_with_start(NULL, 'x', 's')$$, $$wf_signal_with_start('f', '', 's')$$,
  $$wf_signal_with_start('nope', 'x', 's')$$, $$wf_signal_with_start('f', 'x', 's', 'null', '{"b": 1}')$$, $$wf_signal_with_start('f', 'x', 's', on_running => 'x')$$,
  $$wf_result(NULL)$$, $$wf_result('')$$, $$wf_result('f', '-1 s')$$, $$wf_result('nobody')$$, $$wf_result('f', run_id => gen_random_uuid())$$,
  $$wf_cancel(NULL)$$, $$wf_cancel('')$$, $$wf_terminate(NULL)$$, $$wf_terminate('nobody')$$, $$wf_delete(NULL)$$, $$wf_delete('nobody')$$,
  $$wf_query(NULL, 'k')$$, $$wf_query('f', NULL)$$, $$wf_query('f', '')$$, $$wf_query('f', '__nope')$$, $$wf_describe(NULL)$$, $$wf_describe('f', gen_random_uuid())$$,
  $$count(*) FROM wf_history(NULL)$$, $$wf_listen_workflow(NULL)$$, $$wf_listen_workflow('')$$);
-- Calls of workflow code outside of it
SELECT * FROM tries(
  $$wf_activity('f')$$, $$wf_activity(NULL)$$, $$wf_sql('SELECT 1')$$, $$wf_sql('SELECT $1', 1)$$, $$wf_sleep('1 s')$$, $$wf_sleep_until(now())$$, $$wf_wait_signal('s')$$,
  $$wf_poll_signal('s')$$, $$wf_now()$$, $$wf_random()$$, $$wf_uuid()$$, $$wf_info()$$, $$wf_set('k', '1')$$, $$wf_shield()$$, $$wf_cancel_requested()$$);
-- and of activity code
SELECT * FROM tries(
  $$wf_activity_info()$$, $$wf_heartbeat()$$, $$wf_heartbeat('1')$$, $$wf_heartbeat_details()$$, $$wf_activity_cancelled()$$, $$wf_fail('x', 'y')$$, $$wf_fail('x')$$);
-- also in an activity, where it is an ordinary error.
CREATE FUNCTION act_calls() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('f'); END $$;
CREATE FUNCTION calls_in_activity() RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM wf_activity('act_calls'); EXCEPTION WHEN SQLSTATE 'WF001' THEN RETURN SQLERRM; END $$;
SELECT wf_start('calls_in_activity', id => 'in activity') \gset
CALL wf_work();
SELECT wf_result('in activity');
SELECT wf_delete('in activity');

-- Bad arguments in workflow code are ordinary errors, which it may catch.
CREATE FUNCTION bad(VARIADIC calls text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE c text; r jsonb = '[]';
BEGIN
  FOREACH c IN ARRAY calls LOOP
    BEGIN
      EXECUTE 'SELECT ' || c;
      r := r || jsonb_build_array(jsonb_build_array(c, 'NO ERROR'));
    EXCEPTION WHEN OTHERS THEN r := r || jsonb_build_array(jsonb_build_array(c, SQLSTATE || ' ' || SQLERRM));
    END;
  END LOOP;
  RETURN r;
END $$;
CREATE FUNCTION overloaded(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION overloaded(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT wf_start('bad', jsonb_build_object('calls', ARRAY[
  $$wf_activity('overloaded')$$, $$wf_activity('overloaded', mode => 'queued')$$, $$wf_activity('f', priority => 9)$$, $$wf_activity('f', heartbeat => '-1 s')$$,
  $$wf_activity('f', schedule_to_start => '-1 s')$$, $$wf_activity('f', fairness_weight => 0)$$, $$wf_activity('f', cancellation => 'x')$$,
  $$wf_activity(NULL)$$, $$wf_activity('')$$, $$wf_activity('nope')$$, $$wf_activity('f', '[]')$$, $$wf_activity('f', '{"b": 1}')$$, $$wf_activity('f', start_to_close => '-1 s')$$,
  $$wf_activity('f', schedule_to_close => '-1 s')$$, $$wf_activity('f', retry => '{"x": 1}')$$, $$wf_activity('f', activity_id => '')$$,
  $$wf_activity('f', mode => 'x')$$, $$wf_activity('f', mode => 'external')$$, $$wf_activity('f', task_queue => 'q', mode => 'inline')$$, $$wf_activity('f', task_queue => '')$$,
  $$wf_activity('f', task_queue => 'q', priority => 9)$$, $$wf_activity('f', task_queue => 'q', priority => 0)$$, $$wf_activity('f', task_queue => 'q', fairness_weight => 0)$$,
  $$wf_activity('f', task_queue => 'q', fairness_key => '')$$, $$wf_activity('f', task_queue => 'q', cancellation => 'x')$$, $$wf_activity('f', task_queue => 'q', cancellation => NULL)$$,
  $$wf_activity('f', task_queue => 'q', schedule_to_start => '-1 s')$$, $$wf_activity('f', task_queue => 'q', heartbeat => '-1 s')$$, $$wf_activity('f', task_queue => 'q', retry => '[]')$$,
  $$wf_activity('nope', mode => 'queued')$$, $$wf_activity('nope', task_queue => 'q', mode => 'queued')$$,
  $$wf_sql(NULL)$$, $$wf_sql('SELECT 1', VARIADIC NULL::int[])$$, $$wf_sleep(NULL)$$, $$wf_sleep('-1 s')$$, $$wf_sleep_until(NULL)$$, $$wf_sleep_until('infinity')$$, $$wf_sleep('293000 years')$$,
  $$wf_wait_signal(NULL)$$, $$wf_wait_signal('')$$, $$wf_wait_signal('s', '-1 s')$$, $$wf_poll_signal(NULL)$$, $$wf_set(NULL, '1')$$, $$wf_set('', '1')$$, $$wf_shield(NULL)$$]), id => 'bad') \gset
CALL wf_work();
SELECT waiting_for, error->>'message' AS error FROM wf_executions WHERE workflow_id = 'bad' AND status <> 'completed';
SELECT e->>0 AS call, e->>1 AS error FROM jsonb_array_elements((SELECT result FROM wf_executions WHERE workflow_id = 'bad')) e;
SELECT wf_delete('bad');

-- Calls of external workers, and of those who operate them
SELECT * FROM tries(
  $$count(*) FROM wf_poll_activities(NULL)$$, $$count(*) FROM wf_poll_activities('')$$, $$count(*) FROM wf_poll_activities('q', 0)$$, $$count(*) FROM wf_poll_activities('q', -1)$$,
  $$count(*) FROM wf_poll_activities('q', 1001)$$, $$count(*) FROM wf_poll_activities('q', worker => '')$$, $$count(*) FROM wf_poll_activities('q', wait => '-1 s')$$,
  $$count(*) FROM wf_poll_activities('q', namespace => '')$$, $$wf_listen(NULL)$$, $$wf_listen('')$$,
  $$wf_complete_activity(NULL)$$, $$wf_complete_activity('')$$, $$wf_complete_activity('garbage')$$, $$wf_complete_activity(repeat('0', 48))$$, $$wf_complete_activity(repeat('x', 48))$$,
  $$wf_complete_activity(repeat('A', 48))$$, $$wf_complete_activity(repeat('a', 49))$$, $$wf_complete_activity(repeat('a', 48))$$,
  $$wf_complete_activities(NULL, '{}')$$, $$wf_complete_activities('{}', NULL)$$, $$wf_complete_activities('{x}', '{}')$$, $$wf_complete_activities('{x}', '{1}')$$,
  $$wf_complete_activities('{NULL}', '{1}')$$, $$wf_complete_activities('{}', '{1}')$$,
  $$wf_fail_activity(NULL)$$, $$wf_fail_activity('garbage')$$, $$wf_fail_activity(repeat('a', 48), NULL)$$, $$wf_fail_activity(repeat('a', 48), '')$$,
  $$wf_fail_activity(repeat('a', 48), next_retry_delay => '-1 s')$$, $$wf_fail_activity(repeat('a', 48))$$, $$wf_cancelled_activity('garbage')$$, $$wf_cancelled_activity(repeat('a', 48))$$,
  $$wf_heartbeat_activity(NULL)$$, $$wf_heartbeat_activity('garbage')$$, $$wf_heartbeat_activity(repeat('a', 48))$$,
  $$wf_complete_activity_by_id(NULL, '1')$$, $$wf_complete_activity_by_id('f', NULL)$$, $$wf_complete_activity_by_id('f', '1')$$, $$wf_complete_activity_by_id('nobody', '1')$$,
  $$wf_fail_activity_by_id('f', '1')$$, $$wf_cancelled_activity_by_id('f', '1')$$, $$wf_heartbeat_activity_by_id('f', '1')$$,
  $$wf_set_task_queue(NULL)$$, $$wf_set_task_queue('')$$, $$wf_set_task_queue('q', rate_limit => 0)$$, $$wf_set_task_queue('q', rate_limit => -1)$$, $$wf_set_task_queue('q', rate_limit => 'NaN')$$,
  $$wf_set_task_queue('q', rate_limit => 'Infinity')$$, $$wf_set_task_queue('q', per_key_rate_limit => 0)$$, $$wf_set_task_queue('q', max_concurrent => 0)$$, $$wf_set_task_queue('q', max_concurrent_per_key => -1)$$,
  $$wf_set_task_queue('q', fairness_weights => '[]')$$, $$wf_set_task_queue('q', fairness_weights => '{"a": "x"}')$$, $$wf_set_task_queue('q', fairness_weights => '{"a": 0}')$$,
  $$wf_set_task_queue('q', fairness_weights => '{"a": {"b": 1}}')$$, $$wf_set_task_queue('q', mode => 'inline')$$, $$wf_set_task_queue('q', mode => NULL)$$, $$wf_set_task_queue('q', owner => 'regress_nobody')$$,
  $$wf_pause_activity(NULL)$$, $$wf_pause_activity('nobody')$$, $$wf_pause_activity('f', '')$$, $$wf_pause_activity('f', activity => '')$$, $$wf_unpause_activity('nobody')$$,
  $$wf_unpause_activity('f', jitter => '-1 s')$$, $$wf_reset_activity('nobody')$$, $$wf_reset_activity('f', jitter => '-1 s')$$, $$wf_update_activity('nobody')$$,
  $$wf_update_activity('f', start_to_close => '-1 s')$$, $$wf_update_activity('f', schedule_to_close => '-1 s')$$, $$wf_update_activity('f', heartbeat => '-1 s')$$,
  $$wf_update_activity('f', retry => '{"x": 1}')$$, $$wf_update_activity('f', priority => 6)$$);
-- Where there is nothing to do, none of them does anything.
SELECT wf_complete_activities('{}', '{}') \gset
SELECT wf_pause_activity('f'), wf_unpause_activity('f'), wf_reset_activity('f'), wf_update_activity('f');
SELECT count(*) AS tasks FROM wf_poll_activities('q');

-- CALL wf_work and wf_execute
CALL wf_work(max_turns => -1);
CALL wf_work(max_time => '-1 s');
CALL wf_work(NULL, NULL);
BEGIN;
CALL wf_work();
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL wf_work();
ROLLBACK;
SET default_transaction_isolation = 'repeatable read';
CALL wf_work();
RESET default_transaction_isolation;
CREATE FUNCTION in_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL wf_work(); END $$;
SELECT in_function();
CALL wf_execute(NULL);
CALL wf_execute('nope');
CALL wf_execute('f', '{"b": 1}');
CALL wf_execute('f', on_running => 'x');
CALL wf_execute('f', retry => '{"x": 1}');
-- In a read-only transaction
BEGIN READ ONLY;
SELECT fails($$SELECT wf_start('f')$$), fails($$SELECT wf_signal('f', 's')$$), fails($$SELECT wf_cancel('f')$$);
SELECT wf_query('f', 'k') IS NULL AS reads, wf_describe('f')->>'status' AS status, (SELECT count(*) FROM wf_history('f')) AS events;
ROLLBACK;
-- Settings
\set VERBOSITY sqlstate
SET durable.clock_offset = '-1s';
\set VERBOSITY default
SET durable.max_turn_commands = 0;
SET durable.no_such_setting = 1;

-- Nothing has changed.
SELECT b.t, b.n AS before, a.n AS after FROM before b JOIN (SELECT 'execution' AS t, count(*) AS n FROM durable.execution UNION ALL SELECT 'message', count(*) FROM durable.message
  UNION ALL SELECT 'timer', count(*) FROM durable.timer UNION ALL SELECT 'history', count(*) FROM durable.history UNION ALL SELECT 'closed', count(*) FROM durable.closed
  UNION ALL SELECT 'signal_request', count(*) FROM durable.signal_request UNION ALL SELECT 'payload', count(*) FROM durable.payload
  UNION ALL SELECT 'activity', count(*) FROM durable.activity UNION ALL SELECT 'task_queue', count(*) FROM durable.task_queue) a USING (t) WHERE a.n <> b.n;
SELECT * FROM runs();
-- The setting is an id too.
SET durable.namespace = '';
