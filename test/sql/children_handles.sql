-- wf_start_child: children beside each other.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION work(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF n = 13 THEN RAISE EXCEPTION 'thirteen'; END IF;
  IF n > 900 THEN PERFORM wf_wait_signal('go'); END IF;
  RETURN 2 * n;
END $$;
CREATE FUNCTION fan(count int, base int DEFAULT 0, settle boolean DEFAULT false) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE h wf_handle[]; r jsonb[]; s bigint;
BEGIN
  FOR i IN 1..count LOOP
    h := h || wf_start_child('work', jsonb_build_object('n', base + i));
  END LOOP;
  r := wf_await_all(h, settle => fan.settle);
  SELECT sum(x::int) INTO s FROM unnest(r) x;
  RETURN jsonb_build_object('sum', s, 'nulls', cardinality(r) - cardinality(array_remove(r, NULL)));
END $$;
SELECT wf_start('fan', '{"count": 12}', id => 'fan') \gset
SELECT wf_start('fan', '{"count": 20}', id => 'fan-fails') \gset
SELECT wf_start('fan', '{"count": 20, "settle": true}', id => 'fan-settles') \gset
SELECT wf_start('fan', '{"count": 1000, "base": -1000}', id => 'fan-1000') \gset
SELECT wf_start('fan', '{"count": 0}', id => 'fan-0') \gset
CALL wf_work();
SELECT * FROM runs('fan%');
SELECT count(*) AS open_runs, (SELECT count(*) FROM durable.message) AS messages FROM durable.execution;
-- The parent has run twice: it started them, and went on when the last was done.
SELECT count(*) FILTER (WHERE ran) AS turns_with_code FROM durable.history WHERE run_id = (SELECT run_id FROM wf_executions WHERE workflow_id = 'fan-1000');

-- The first of several; the rest is cancelled by handle, or goes with its parent.
CREATE FUNCTION contest(cancel boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE h wf_handle[]; first int; r jsonb;
BEGIN
  FOR i IN 1..3 LOOP
    h := h || wf_start_child('work', jsonb_build_object('n', 1000 + i), id => 'contest-' || cancel || '-' || i, cancellation => 'try_cancel');
  END LOOP;
  first := wf_await_any(h);
  r := wf_await(h[first]);
  IF cancel THEN
    FOR i IN 1..3 LOOP CONTINUE WHEN i = first; PERFORM wf_cancel_handle(h[i]); END LOOP;
    BEGIN
      PERFORM wf_await(h[1]);
    EXCEPTION WHEN SQLSTATE 'WF003' THEN r := r || to_jsonb(SQLERRM);
    END;
  END IF;
  RETURN r || to_jsonb(first);
END $$;
SELECT count(wf_start('contest', jsonb_build_object('cancel', c), id => 'contest-' || c)) FROM unnest('{t,f}'::boolean[]) c;
CALL wf_work();
SELECT wf_signal('contest-true-2', 'go'), wf_signal('contest-false-3', 'go');
CALL wf_work();
SELECT * FROM runs('contest-%');

-- The workflow is cancelled while it waits for all of them.
CREATE FUNCTION waits(type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE h wf_handle[];
BEGIN
  FOR i IN 1..2 LOOP
    h := h || wf_start_child('work', jsonb_build_object('n', 1000 + i), id => 'waits-' || type || '-' || i, parent_close_policy => 'abandon', cancellation => type);
  END LOOP;
  PERFORM wf_await_all(h);
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN RETURN SQLERRM;
END $$;
SELECT count(wf_start('waits', jsonb_build_object('type', t), id => 'waits-' || t)) FROM unnest('{wait,wait_requested,try_cancel,abandon}'::text[]) t;
CALL wf_work();
SELECT count(wf_cancel('waits-' || t, 'stop')) FROM unnest('{wait,wait_requested,try_cancel,abandon}'::text[]) t;
CALL wf_work();
SELECT * FROM runs('waits-%');
SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running';

-- A workflow that ends without waiting: those it abandons are started, others are not.
CREATE FUNCTION brief() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_start_child('work', '{"n": 1}', id => 'brief-' || p, parent_close_policy => p) FROM unnest('{terminate,cancel,abandon}'::text[]) p;
  RETURN 'gone';
END $$;
SELECT wf_start('brief', id => 'brief') \gset
CALL wf_work();
SELECT * FROM runs('brief%');

-- A child is there to be signalled as soon as it is started.
CREATE FUNCTION pokes() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE h wf_handle;
BEGIN
  h := wf_start_child('work', '{"n": 1000}', id => 'poked');
  PERFORM wf_signal_external('poked', 'go');
  RETURN wf_await(h);
END $$;
SELECT wf_start('pokes', id => 'pokes') \gset
CALL wf_work();
SELECT * FROM runs('poke%');

-- Some ids are in use: only those fail.
CREATE FUNCTION clash() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE h wf_handle[]; r jsonb[];
BEGIN
  FOR i IN 1..6 LOOP
    h := h || wf_start_child('work', jsonb_build_object('n', i), id => CASE WHEN i = 2 THEN 'clash' ELSE 'clash-' || i % 4 END, start_delay => CASE WHEN i = 3 THEN '1s'::interval END);
  END LOOP;
  r := wf_await_all(h, settle => true);
  RETURN to_jsonb(r);
END $$;
SELECT wf_start('clash', id => 'clash') \gset
CALL wf_work();
SET durable.clock_offset = '2s';
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('clash%');
SELECT event, attributes->'command' AS command, attributes->'failure'->'message' AS message FROM events('clash') WHERE event LIKE 'child%failed';

-- More children than one transaction terminates: sweeps do the rest.
SELECT wf_start('fan', '{"count": 2500, "base": 1000}', id => 'crowd') \gset
CALL wf_work();
SELECT count(*) FROM wf_executions WHERE status = 'running';
SELECT wf_terminate('crowd');
SELECT status, count(*) FROM wf_executions WHERE parent_workflow_id = 'crowd' GROUP BY 1 ORDER BY 1;
SET durable.clock_offset = '1s';
CALL wf_work();
SET durable.clock_offset = '2s';
CALL wf_work();
RESET durable.clock_offset;
SELECT status, count(*) FROM wf_executions WHERE parent_workflow_id = 'crowd' GROUP BY 1 ORDER BY 1;
SELECT (SELECT count(*) FROM durable.execution) AS execution, (SELECT count(*) FROM durable.message) AS message, (SELECT count(*) FROM durable.timer) AS timer;
