-- Starts, signals and the rest are ordinary statements of the caller's transaction.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE orders (id int PRIMARY KEY, state text);
CREATE FUNCTION fulfil(id int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sql('UPDATE orders SET state = ''paid'' WHERE id = $1', id);
  RETURN wf_wait_signal('ship');
END $$;
CREATE FUNCTION left_over() RETURNS TABLE (executions bigint, messages bigint, timers bigint, payloads bigint, history bigint) LANGUAGE sql AS $$
  SELECT (SELECT count(*) FROM durable.execution), (SELECT count(*) FROM durable.message), (SELECT count(*) FROM durable.timer),
    (SELECT count(*) FROM durable.payload), (SELECT count(*) FROM durable.history)
$$;

-- Rolled back, nothing is left.
BEGIN;
INSERT INTO orders VALUES (1, 'new');
SELECT wf_start('fulfil', '{"id": 1}', id => 'o-1', run_timeout => '1 hour', request_id => 'r') \gset
SELECT wf_start('fulfil', '{"id": 1}', id => 'o-later', start_delay => '1 hour') \gset
SELECT wf_signal('o-1', 'ship', to_jsonb(repeat('x', 100000)), request_id => 's') \gset
SELECT * FROM left_over();
ROLLBACK;
SELECT * FROM left_over();
CALL wf_work();
SELECT * FROM runs();
-- The same id and request id are free.
BEGIN;
INSERT INTO orders VALUES (1, 'new');
SELECT wf_start('fulfil', '{"id": 1}', id => 'o-1', request_id => 'r') \gset
COMMIT;
CALL wf_work();
SELECT state, waiting_for FROM orders, wf_executions;

-- Savepoints
BEGIN;
SELECT wf_start('fulfil', '{"id": 2}', id => 'o-2') \gset
SAVEPOINT a;
SELECT wf_start('fulfil', '{"id": 3}', id => 'o-3') \gset
SELECT wf_signal('o-1', 'ship', '"rolled back"') \gset
SELECT wf_terminate('o-2');
ROLLBACK TO a;
SAVEPOINT b;
SELECT wf_start('fulfil', '{"id": 4}', id => 'o-4') \gset
RELEASE b;
SELECT wf_signal('o-1', 'ship', '"kept"') \gset
COMMIT;
CALL wf_work();
SELECT * FROM runs();
-- An error in a subtransaction of PL/pgSQL
DO $$
BEGIN
  BEGIN
    PERFORM wf_start('fulfil', '{"id": 5}', id => 'o-5');
    RAISE EXCEPTION 'oh';
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  PERFORM wf_start('fulfil', '{"id": 6}', id => 'o-6');
END $$;
SELECT id FROM runs('o-%') WHERE id IN ('o-5', 'o-6');
-- Start, signal, cancel, terminate and delete within one transaction see each other.
BEGIN;
SELECT wf_start('fulfil', '{"id": 7}', id => 'o-7') AS r7 \gset
SELECT fails($$SELECT wf_start('fulfil', '{"id": 7}', id => 'o-7')$$);
SELECT wf_signal('o-7', 'ship') \gset
SELECT status FROM wf_executions WHERE workflow_id = 'o-7';
SELECT wf_terminate('o-7'), wf_cancel('o-7');
SELECT wf_start('fulfil', '{"id": 7}', id => 'o-7') <> :'r7' AS again;
SELECT wf_delete('o-7');
SELECT status FROM wf_executions WHERE workflow_id = 'o-7';
COMMIT;
CALL wf_work();
-- Two-phase commit: a prepared start is not there until it is committed.
BEGIN;
SELECT wf_start('fulfil', '{"id": 8}', id => 'o-8') \gset
PREPARE TRANSACTION 'regress_durable';
CALL wf_work();
SELECT count(*) FROM wf_executions WHERE workflow_id = 'o-8';
COMMIT PREPARED 'regress_durable';
CALL wf_work();
SELECT waiting_for FROM wf_executions WHERE workflow_id = 'o-8';
-- A claim can be prepared, too; it counts as running once, and no longer when it is done.
CREATE FUNCTION asks() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('x', task_queue => 'one'); END $$;
SELECT wf_set_task_queue('one', max_concurrent => 1);
SELECT count(wf_start('asks', id => 'asks-' || i)) FROM generate_series(1, 3) i;
CALL wf_work();
BEGIN;
SELECT task_token AS token FROM wf_poll_activities('one') \gset
PREPARE TRANSACTION 'regress_durable';
COMMIT PREPARED 'regress_durable';
SELECT count(*) FROM wf_poll_activities('one');
SELECT wf_complete_activity(:'token');
BEGIN;
SELECT count(*) FROM wf_poll_activities('one');
PREPARE TRANSACTION 'regress_durable';
ROLLBACK PREPARED 'regress_durable';
SELECT count(*) FROM wf_poll_activities('one');
SELECT count(*) FROM wf_poll_activities('one');

-- A trigger starts a workflow with the row.
CREATE FUNCTION on_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM wf_start('fulfil', jsonb_build_object('id', NEW.id), id => 't-' || NEW.id); RETURN NULL; END $$;
CREATE TRIGGER start AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION on_order();
INSERT INTO orders SELECT i, 'new' FROM generate_series(100, 102) i;
INSERT INTO orders SELECT i, (1 / (105 - i))::text FROM generate_series(103, 105) i;
CALL wf_work();
SELECT workflow_id, state FROM orders JOIN wf_executions ON workflow_id = 't-' || id ORDER BY 1;
-- A deferred trigger, too, at commit
CREATE CONSTRAINT TRIGGER start_deferred AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'again') EXECUTE FUNCTION on_order();
SELECT wf_terminate('t-100');
BEGIN;
UPDATE orders SET state = 'again' WHERE id = 100;
SELECT count(*) FROM wf_executions WHERE workflow_id = 't-100';
COMMIT;
CALL wf_work();
SELECT id, status, waiting_for FROM runs('t-100');

-- An activity's effect and its record are one transaction: of a constraint that fails only at commit nothing remains but the failure.
CREATE TABLE checked (id int);
CREATE FUNCTION no_seven() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.id = 7 THEN RAISE EXCEPTION 'seven at commit' USING ERRCODE = '23514'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER c AFTER INSERT ON checked DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no_seven();
CREATE FUNCTION inserts(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sql('INSERT INTO checked VALUES ($1)', n);
  RETURN 'inserted';
EXCEPTION WHEN SQLSTATE 'WF001' THEN RETURN SQLERRM;
END $$;
SELECT count(wf_start('inserts', jsonb_build_object('n', n), id => 'i-' || n)) FROM generate_series(5, 9) n;
CALL wf_work();
SELECT * FROM runs('i-%');
SELECT * FROM checked ORDER BY 1;
