-- Signals folded into a state, for ever: an account that adds up what it is told.
--
--     createdb shop && psql -d shop -f examples/fold_signals.sql
--
-- wf_signal_with_start() sends to the account's workflow and starts it if need
-- be, so the sender need not know. The workflow takes what has come, writes it in
-- one step, and after some signals continues as new: the same workflow id, an
-- empty history, and the state as input. Signals that come meanwhile go along;
-- none is lost or taken twice.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;

-- -- the application's tables and functions ------------------------------------

CREATE TABLE points (customer text PRIMARY KEY, total bigint NOT NULL, batches int NOT NULL);

CREATE FUNCTION book(customer text, total bigint) RETURNS void LANGUAGE sql AS $$
  INSERT INTO points VALUES (customer, total, 1)
  ON CONFLICT ON CONSTRAINT points_pkey DO UPDATE SET total = excluded.total, batches = points.batches + 1
$$;

-- -- the workflow -----------------------------------------------------------------

CREATE FUNCTION loyalty(customer text, total bigint DEFAULT 0, rounds int DEFAULT 0) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  signal jsonb;
  taken int := 0;
BEGIN
  LOOP
    signal := wf_wait_signal('earned', timeout => '30 days');
    IF signal IS NULL THEN                       -- nothing for a month
      RETURN jsonb_build_object('total', total, 'rounds', rounds);
    END IF;
    -- What has come together is booked together.
    WHILE signal IS NOT NULL LOOP
      IF signal = '"close"' THEN
        PERFORM wf_activity('book', jsonb_build_object('customer', customer, 'total', total));
        RETURN jsonb_build_object('total', total, 'rounds', rounds);
      END IF;
      total := total + signal::bigint;
      taken := taken + 1;
      EXIT WHEN taken % 100 = 0;
      signal := wf_poll_signal('earned');
    END LOOP;
    PERFORM wf_activity('book', jsonb_build_object('customer', customer, 'total', total));
    IF taken >= 500 OR (wf_info()->>'continue_as_new_suggested')::boolean THEN
      PERFORM wf_continue_as_new(jsonb_build_object('customer', customer, 'total', total, 'rounds', rounds + 1));
    END IF;
  END LOOP;
END $$;

-- -- and its use --------------------------------------------------------------------

\echo 3,000 purchases, each with its signal in its own transaction; the first starts the workflow.
CREATE TABLE purchase (id int PRIMARY KEY, customer text NOT NULL, amount int NOT NULL);
CREATE PROCEDURE buy(customer text, purchases int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..purchases LOOP
    INSERT INTO purchase VALUES (i, customer, i % 10);
    PERFORM wf_signal_with_start('loyalty', 'loyalty-' || customer, 'earned', to_jsonb(i % 10), jsonb_build_object('customer', customer),
      request_id => 'purchase ' || i);           -- sent twice to the same run, it would count once
    COMMIT;
  END LOOP;
END $$;
CALL buy('ann', 3000);
SELECT wf_signal('loyalty-ann', 'earned', '"close"');
SELECT wf_result('loyalty-ann', timeout => '60 s');
SELECT * FROM points;
\echo One workflow, in several runs, each with a history of its own
SELECT status, history_events, input->'total' AS begins_with FROM wf_executions WHERE workflow_id = 'loyalty-ann' ORDER BY run_id;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN wf_result('loyalty-ann')->'total' = to_jsonb((SELECT sum(amount) FROM purchase))
    AND (SELECT total FROM points) = (SELECT sum(amount) FROM purchase)
    AND (SELECT count(*) FROM wf_executions WHERE status = 'continued_as_new') > 0
    AND (SELECT count(DISTINCT first_run_id) FROM wf_executions) = 1
  THEN 'ok' ELSE 'not what was expected' END;
