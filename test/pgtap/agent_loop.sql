-- An agent: it plans with a model, uses tools, and asks a human before it does harm.
BEGIN;
SELECT plan(14);

CREATE TABLE note (said text);
CREATE FUNCTION tool_note(said text) RETURNS text
LANGUAGE sql AS $$ INSERT INTO note VALUES (said) RETURNING 'noted' $$;

CREATE FUNCTION agent(goal text, max_steps int DEFAULT 10) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  messages jsonb = jsonb_build_array(jsonb_build_object('user', goal));
  step jsonb;
  result jsonb;
  approval jsonb;
BEGIN
  FOR i IN 1 .. max_steps LOOP
    step := wf_activity('model', jsonb_build_object('messages', messages), task_queue => 'llm', start_to_close => '2 min');
    IF step ? 'answer' THEN
      RETURN step->'answer';
    END IF;
    IF (step->'dangerous')::boolean THEN
      PERFORM wf_set('asks', step);
      approval := wf_wait_signal('approval', timeout => '1 day');
      PERFORM wf_set('asks', NULL);
    END IF;
    IF NOT (step->'dangerous')::boolean OR approval = 'true' THEN
      BEGIN
        result := wf_activity(step->>'tool', step->'args', task_queue => step->>'queue', retry => wf_retry(max_attempts => 3));
      EXCEPTION WHEN SQLSTATE 'WF001' OR SQLSTATE 'WF002' THEN
        result := jsonb_build_object('error', SQLERRM);          -- the model shall see it
      END;
    ELSE
      result := '"denied"';
    END IF;
    messages := messages || jsonb_build_array(step, jsonb_build_object('tool', result));
  END LOOP;
  RAISE EXCEPTION 'no answer after % steps', max_steps;
END $$;

-- What the model says, call by call
CREATE FUNCTION model_says(VARIADIC replies jsonb[]) RETURNS void
LANGUAGE sql AS $$ SELECT wf_test_mock('model', r, times => 1) FROM unnest(replies) WITH ORDINALITY AS n(r, i) ORDER BY i $$;

SELECT wf_test_begin('2026-06-01');
SELECT wf_test_mock('web_search', '["42"]');
SELECT model_says('{"tool": "web_search", "queue": "web", "args": {"query": "answer"}, "dangerous": false}',
  '{"tool": "tool_note", "args": {"said": "it is 42"}, "dangerous": false}',
  '{"answer": "42"}');
SELECT is(wf_test_run('agent', '{"goal": "find the answer"}', id => 'agent-1'), '"42"', 'plans, uses tools, answers');
SELECT is(said, 'it is 42', 'a tool that is a SQL function ran') FROM note;
SELECT is(count(*), 3::bigint, 'the model was asked three times') FROM wf_test_calls('model');
SELECT results_eq($$SELECT jsonb_array_length(c->'messages') FROM wf_test_calls('model') c$$, ARRAY[1, 3, 5], 'each time with what was said before');
SELECT results_eq($$SELECT * FROM wf_test_calls('web_search')$$, $$VALUES ('{"query": "answer"}'::jsonb)$$, 'the search got what the model asked for');

-- A human approves, five hours later
SELECT wf_test_mock('pay', '"paid"');
SELECT model_says('{"tool": "pay", "queue": "bank", "args": {"amount": 100}, "dangerous": true}', '{"answer": "done"}');
SELECT lives_ok($$SELECT wf_start('agent', '{"goal": "pay the bill"}', id => 'agent-2')$$, 'an agent that is to pay');
SELECT wf_test_advance('5 h');
SELECT is(wf_query('agent-2', 'asks')->'args', '{"amount": 100}', 'asks a human first');
SELECT is_empty($$SELECT * FROM wf_test_calls('pay')$$, 'and has not paid');
SELECT wf_signal('agent-2', 'approval', 'true');
SELECT is(wf_result('agent-2'), '"done"', 'with approval');
SELECT is(count(*), 1::bigint, 'it pays') FROM wf_test_calls('pay');

-- Nobody is there
SELECT model_says('{"tool": "pay", "queue": "bank", "args": {"amount": 100}, "dangerous": true}', '{"answer": "not paid"}');
SELECT is(wf_test_run('agent', '{"goal": "pay the bill"}'), '"not paid"', 'without approval in a day');
SELECT is(count(*), 1::bigint, 'it does not') FROM wf_test_calls('pay');

-- A tool that is down is told to the model; a model that loops is stopped.
SELECT wf_test_mock('web_search', error => 'down', message => 'the web is down');
SELECT model_says('{"tool": "web_search", "queue": "web", "args": {}, "dangerous": false}', '{"answer": "sorry"}');
SELECT is(wf_test_run('agent', '{"goal": "find the answer"}'), '"sorry"', 'the model is told of a tool that is down');
SELECT wf_test_mock('model', '{"tool": "web_search", "queue": "web", "args": {}, "dangerous": false}');
SELECT throws_like($$SELECT wf_test_run('agent', '{"goal": "loop"}')$$, '%no answer after 10 steps', 'and one that loops is stopped');

SELECT * FROM finish();
ROLLBACK;
