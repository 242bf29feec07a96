-- An agent: a model plans, tools do, and a human approves what could do harm.
--
--     createdb agents && psql -d agents -f examples/agent_loop.sql
--
-- The conversation is the workflow's history, so it outlives every restart and no
-- answer of the model is paid for twice. The model is called by an external
-- worker; a tool is a function or another worker's activity. A tool that fails is
-- told to the model, which may try something else. What is dangerous waits for a
-- human, for a day.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;

-- -- tools --------------------------------------------------------------------------

CREATE TABLE invoice (id int PRIMARY KEY, vendor text NOT NULL, amount numeric NOT NULL, paid_by text);
INSERT INTO invoice VALUES (1, 'acme', 120), (2, 'bolt', 9000), (3, 'core', 30);
CREATE TABLE tool (name text PRIMARY KEY, dangerous boolean NOT NULL);
INSERT INTO tool VALUES ('find_invoices', false), ('pay_invoice', true);

CREATE FUNCTION find_invoices(vendor text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM invoice i WHERE i.vendor = find_invoices.vendor) THEN
    RAISE EXCEPTION 'there is no vendor %', vendor;
  END IF;
  RETURN (SELECT jsonb_agg(to_jsonb(i)) FROM invoice i WHERE i.vendor = find_invoices.vendor AND paid_by IS NULL);
END $$;

CREATE FUNCTION pay_invoice(id int, approved_by text) RETURNS text LANGUAGE sql AS $$
  UPDATE invoice i SET paid_by = approved_by WHERE i.id = pay_invoice.id AND paid_by IS NULL RETURNING 'paid'
$$;

CREATE FUNCTION is_dangerous(name text) RETURNS boolean LANGUAGE sql AS $$
  SELECT coalesce((SELECT dangerous FROM tool t WHERE t.name = is_dangerous.name), true)
$$;

-- -- the workflow -----------------------------------------------------------------

CREATE FUNCTION agent(goal text, max_steps int DEFAULT 20) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  messages jsonb := jsonb_build_array(jsonb_build_object('user', goal));
  plan jsonb;
  approval jsonb;
  arguments jsonb;
  result jsonb;
BEGIN
  FOR step IN 1..max_steps LOOP
    plan := wf_activity('ask_model', jsonb_build_object('messages', messages), task_queue => 'models', start_to_close => '2 minutes');
    IF plan ? 'answer' THEN
      RETURN plan->'answer';
    END IF;

    arguments := plan->'arguments';
    IF wf_activity('is_dangerous', jsonb_build_object('name', plan->>'tool'))::boolean THEN
      PERFORM wf_set('wants', plan);             -- what a human is to see
      approval := wf_wait_signal('approval', timeout => '1 day');
      PERFORM wf_set('wants', 'null');
      arguments := arguments || jsonb_build_object('approved_by', approval->'by');
    END IF;

    IF arguments ? 'approved_by' AND approval->>'yes' IS DISTINCT FROM 'true' THEN
      result := jsonb_build_object('denied', coalesce(approval->'reason', '"nobody has answered"'));
    ELSE
      BEGIN
        result := wf_activity(plan->>'tool', arguments);
      EXCEPTION WHEN SQLSTATE 'WF001' OR SQLSTATE 'WF002' THEN
        result := jsonb_build_object('error', SQLERRM);
      END;
    END IF;
    messages := messages || jsonb_build_array(plan, jsonb_build_object('result', result));
  END LOOP;
  RAISE EXCEPTION 'no answer after % steps', max_steps;
END $$;

-- -- a worker for the model ---------------------------------------------------------

-- Yours is a program in any language: it polls, asks the model, and completes. This one has a script: the next reply is told by
-- how far the conversation has come.
CREATE TABLE script (said int PRIMARY KEY, reply jsonb NOT NULL);
INSERT INTO script VALUES
  (1, '{"tool": "find_invoices", "arguments": {"vendor": "ACME"}}'),                             -- fails: names are in lower case
  (3, '{"tool": "find_invoices", "arguments": {"vendor": "acme"}}'),
  (5, '{"tool": "pay_invoice", "arguments": {"id": 1}}'),
  (7, '{"tool": "pay_invoice", "arguments": {"id": 2}}'),                                        -- nobody has asked for that
  (9, '{"answer": "invoice 1 is paid"}');
CREATE PROCEDURE play_model(replies int) LANGUAGE plpgsql AS $$
DECLARE
  task record;
BEGIN
  WHILE replies > 0 LOOP
    FOR task IN SELECT * FROM wf_poll_activities('models', wait => '10 s', worker => 'scripted model') LOOP
      COMMIT;                                    -- the task is ours; a real worker would ask the model now
      PERFORM wf_complete_activity(task.task_token, (SELECT reply FROM script WHERE said = jsonb_array_length(task.input->'messages')));
      replies := replies - 1;
    END LOOP;
    COMMIT;
  END LOOP;
END $$;

-- -- and its use --------------------------------------------------------------------

CREATE PROCEDURE wait_until_it_wants(tool text, arguments jsonb) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..500 LOOP
    EXIT WHEN wf_query('agent-1', 'wants') @> jsonb_build_object('tool', tool, 'arguments', arguments);
    PERFORM pg_sleep(0.02);
    COMMIT;
  END LOOP;
END $$;

SELECT wf_start('agent', '{"goal": "pay what we owe acme"}', id => 'agent-1') AS run;
CALL play_model(3);
CALL wait_until_it_wants('pay_invoice', '{"id": 1}');
\echo What it wants to do
SELECT wf_query('agent-1', 'wants') AS wants, waiting_for FROM wf_executions WHERE workflow_id = 'agent-1';
SELECT wf_signal('agent-1', 'approval', '{"yes": true, "by": "olga"}');
CALL play_model(1);
CALL wait_until_it_wants('pay_invoice', '{"id": 2}');
SELECT wf_query('agent-1', 'wants') AS wants;
SELECT wf_signal('agent-1', 'approval', '{"yes": false, "by": "olga", "reason": "that is not acme"}');
CALL play_model(1);
SELECT wf_result('agent-1', timeout => '30 s');
\echo The conversation, as it was last shown to the model
SELECT message FROM (SELECT attributes->'input'->'messages' AS messages FROM wf_history('agent-1') WHERE event_type = 'activity_scheduled' AND attributes->>'activity' = 'ask_model'
  ORDER BY event_id DESC LIMIT 1) last, jsonb_array_elements(messages) message;
SELECT * FROM invoice ORDER BY id;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN wf_result('agent-1') = '"invoice 1 is paid"'
    AND (SELECT array_agg(paid_by ORDER BY id) FROM invoice) = '{olga,NULL,NULL}'
    AND (SELECT count(*) FROM wf_history('agent-1') WHERE event_type = 'activity_failed') = 1
    AND (SELECT count(*) FROM wf_history('agent-1') WHERE event_type = 'activity_completed' AND attributes->>'worker' = 'scripted model') = 5
  THEN 'ok' ELSE 'not what was expected' END;
