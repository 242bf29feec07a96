-- An order as a saga: stock, payment, shipment; each with what undoes it.
--
--     createdb shop && psql -d shop -f examples/order_saga.sql
--
-- Stock is a table of this database, so reserving it is a step of the workflow.
-- Payments are another company's: a worker outside the database takes them from
-- a task queue, over any PostgreSQL driver. Here this psql session plays the
-- worker.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;

CREATE TABLE stock (item text PRIMARY KEY, pieces int NOT NULL CHECK (pieces >= 0));
INSERT INTO stock VALUES ('lamp', 10), ('chair', 10);
CREATE TABLE parcel (order_id text PRIMARY KEY, items jsonb, state text NOT NULL);

CREATE FUNCTION reserve(item text, pieces int) RETURNS void LANGUAGE sql AS $$
  UPDATE stock s SET pieces = s.pieces - $2 WHERE s.item = $1
$$;
CREATE FUNCTION release(item text, pieces int) RETURNS void LANGUAGE sql AS $$
  UPDATE stock s SET pieces = s.pieces + $2 WHERE s.item = $1
$$;
CREATE FUNCTION ship(order_id text, items jsonb) RETURNS text LANGUAGE sql AS $$
  INSERT INTO parcel VALUES (order_id, items, 'on its way') RETURNING state
$$;

-- Undo steps are registered after steps of this database, whose outcome is
-- certain, but before the payment: one that timed out may have been made.
CREATE FUNCTION place_order(order_id text, items jsonb, price numeric) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  line jsonb;
BEGIN
  FOR line IN SELECT jsonb_array_elements(items) LOOP
    PERFORM wf_activity('reserve', line);
    PERFORM wf_compensate('release', line);
  END LOOP;

  PERFORM wf_upsert_search_attributes('{"state": "payment"}');
  PERFORM wf_compensate('refund', jsonb_build_object('order_id', order_id), task_queue => 'payments');
  PERFORM wf_activity('charge', jsonb_build_object('order_id', order_id, 'price', price), task_queue => 'payments',
    start_to_close => '30 s', retry => wf_retry(max_attempts => 3, non_retryable => '{card_declined}'));

  -- a day in which the customer may change his mind
  PERFORM wf_upsert_search_attributes('{"state": "packing"}');
  PERFORM wf_wait_signal('pack', timeout => '1 day');

  -- from here on there is no way back
  PERFORM wf_clear_compensations();
  PERFORM wf_upsert_search_attributes('{"state": "shipped"}');
  RETURN wf_activity('ship', jsonb_build_object('order_id', order_id, 'items', items)) #>> '{}';
END $$;

-- The other company: its books, and a worker that handles one task.
CREATE TABLE charge (order_id text PRIMARY KEY, price numeric NOT NULL);
CREATE FUNCTION work(rounds int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  task record;
BEGIN
  FOR task IN SELECT * FROM wf_poll_activities('payments', max => rounds, worker => 'psql') LOOP
    IF task.activity = 'refund' THEN
      -- there may be nothing to refund: that is fine, too
      DELETE FROM charge c WHERE c.order_id = task.input->>'order_id';
      PERFORM wf_complete_activity(task.task_token);
    ELSIF (task.input->>'price')::numeric > 1000 THEN
      PERFORM wf_fail_activity(task.task_token, 'card_declined', 'the card was declined');
    ELSE
      INSERT INTO charge VALUES (task.input->>'order_id', (task.input->>'price')::numeric) ON CONFLICT DO NOTHING;
      PERFORM wf_complete_activity(task.task_token, '"charged"');
    END IF;
  END LOOP;
END $$;
-- works until the condition holds
CREATE PROCEDURE work_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
  done boolean := false;
BEGIN
  FOR i IN 1 .. 600 LOOP
    PERFORM work(10);
    COMMIT;
    EXECUTE 'SELECT ' || condition INTO done;
    EXIT WHEN done;
    PERFORM pg_sleep(0.05);
  END LOOP;
  IF NOT done THEN
    RAISE EXCEPTION 'not in time: %', condition;
  END IF;
END $$;

\echo Three orders: one goes well, the card of one is declined, and one is cancelled after it was paid.
SELECT wf_start('place_order', format('{"order_id": "%1$s", "items": [{"item": "lamp", "pieces": 2}, {"item": "chair", "pieces": 1}], "price": %2$s}', id, price)::jsonb,
    id => 'order ' || id, execution_timeout => '30 days') AS run
FROM (VALUES ('1', 200), ('2', 5000), ('3', 300)) o(id, price);
CALL work_until($$count(*) = 2 FROM wf_executions WHERE search_attributes->>'state' = 'packing'$$);
SELECT wf_cancel('order 3', 'ordered the wrong lamp');
SELECT wf_signal('order 1', 'pack');
CALL work_until($$count(*) = 0 FROM wf_executions WHERE status = 'running'$$);

SELECT workflow_id, status, result, error->>'message' AS error, search_attributes->>'state' AS state FROM wf_executions ORDER BY 1;
\echo How the paid one was undone
SELECT event_id, event_type, attributes->>'activity' AS activity, coalesce(attributes->'input'->>'item', attributes->>'reason') AS what
FROM wf_history('order 3') WHERE event_type IN ('workflow_cancel_requested', 'compensation_started', 'activity_scheduled', 'workflow_canceled');
SELECT * FROM stock ORDER BY item;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN (SELECT array_agg(pieces ORDER BY item) FROM stock) = '{9,8}'
    AND (SELECT array_agg(order_id) FROM charge) = '{1}' AND (SELECT array_agg(order_id) FROM parcel) = '{1}'
    AND (SELECT array_agg(status ORDER BY workflow_id) FROM wf_executions) = '{completed,failed,cancelled}'
  THEN 'ok' ELSE 'not what was expected' END;
