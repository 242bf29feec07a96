-- Signals: order, waits, timeouts, polls.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

-- Signals of a name are read in the order of commit, whether sent before the start of the wait or during it.
CREATE FUNCTION three() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN jsonb_build_array(wf_wait_signal('s'), wf_wait_signal('s'), wf_wait_signal('s')); END $$;
SELECT wf_start('three', id => 'order') \gset
SELECT wf_signal('order', 's', '1'), wf_signal('order', 's', '2') \gset
CALL wf_work();
SELECT * FROM runs('order');
SELECT wf_signal('order', 'other', '"unread"'), wf_signal('order', 's', '{"n": 3}') \gset
CALL wf_work();
SELECT * FROM runs('order');
SELECT * FROM events('order');
-- Names keep apart.
CREATE FUNCTION names() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN jsonb_build_array(wf_wait_signal('b'), wf_wait_signal('a'), wf_wait_signal('B')); END $$;
SELECT wf_start('names', id => 'names') \gset
SELECT wf_signal('names', 'a', '"a"'), wf_signal('names', 'B', '"B"') \gset
CALL wf_work();
SELECT * FROM runs('names');
SELECT wf_signal('names', 'b', '"b"') \gset
CALL wf_work();
SELECT * FROM runs('names');

-- No payload, a JSON null and an SQL NULL all come as JSON null: SQL NULL means that none came.
CREATE FUNCTION nulls() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text = '';
BEGIN
  FOR i IN 1..3 LOOP r := r || coalesce(wf_wait_signal('s')::text, 'NULL') || ' '; END LOOP;
  RETURN r || coalesce(wf_wait_signal('s', '1 min')::text, 'NULL') || ' ' || coalesce(wf_poll_signal('s')::text, 'NULL')
    || ' ' || coalesce(wf_wait_signal('s', '0')::text, 'NULL');
END $$;
SELECT wf_start('nulls', id => 'nulls') \gset
SELECT wf_signal('nulls', 's'), wf_signal('nulls', 's', 'null'), wf_signal('nulls', 's', NULL) \gset
CALL wf_work();
SELECT waiting_for FROM wf_executions WHERE workflow_id = 'nulls';
SELECT kind FROM wf_timers WHERE workflow_id = 'nulls';
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT * FROM runs('nulls');
RESET durable.clock_offset;

-- A signal that comes first cancels the timeout; one that comes after it is read next.
CREATE FUNCTION timed() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE a jsonb = wf_wait_signal('s', timeout => '10 min');
BEGIN
  RETURN jsonb_build_array(coalesce(a, '"timeout"'), wf_wait_signal('s'));
END $$;
SELECT wf_start('timed', id => 'first') \gset
SELECT wf_start('timed', id => 'late') \gset
CALL wf_work();
SELECT wf_signal('first', 's', '1'), wf_signal('first', 's', '2') \gset
CALL wf_work();
SELECT count(*) AS timers FROM wf_timers WHERE workflow_id = 'first';
SET durable.clock_offset = '20min';
CALL wf_work();
SELECT wf_signal('late', 's', '3') \gset
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('%t%') WHERE id IN ('first', 'late');
SELECT * FROM events('first');
SELECT * FROM events('late');
-- Signal and timeout in one turn: the one that came first counts.
SELECT wf_start('timed', id => 'both') \gset
CALL wf_work();
SELECT wf_signal('both', 's', '1') \gset
SET durable.clock_offset = '20min';
SELECT wf_signal('both', 's', '2') \gset
CALL wf_work();
RESET durable.clock_offset;
SELECT * FROM runs('both');

-- wf_poll_signal never waits, and gives at each replay what it gave.
CREATE FUNCTION polls() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb = '[]';
BEGIN
  FOR i IN 1..3 LOOP
    r := r || coalesce(wf_poll_signal('s'), '"none"') || coalesce(wf_poll_signal('s'), '"none"');
    PERFORM wf_sleep('1 min');
  END LOOP;
  RETURN r;
END $$;
SELECT wf_start('polls', id => 'polls') \gset
SELECT wf_signal('polls', 's', '1') \gset
CALL wf_work();
SELECT wf_signal('polls', 's', '2'), wf_signal('polls', 's', '3'), wf_signal('polls', 's', '4') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SET durable.clock_offset = '4min';
CALL wf_work();
SET durable.clock_offset = '6min';
CALL wf_work();
SELECT * FROM runs('polls');
RESET durable.clock_offset;

-- The same request_id signals once; another run knows nothing of it.
SELECT wf_start('three', id => 'req') \gset
SELECT wf_signal('req', 's', '1', request_id => 'a'), wf_signal('req', 's', '2', request_id => 'a'), wf_signal('req', 's', '3', request_id => 'b') \gset
CALL wf_work();
SELECT wf_signal('req', 's', '4', request_id => 'b') \gset
CALL wf_work();
SELECT * FROM runs('req');
SELECT wf_signal('req', 's', '5', request_id => 'c') \gset
CALL wf_work();
SELECT * FROM runs('req');
SELECT wf_start('three', id => 'req') \gset
SELECT wf_signal('req', 's', '6', request_id => 'a') \gset
CALL wf_work();
SELECT count(*) FROM events('req') WHERE event = 'workflow_signaled';
SELECT wf_terminate('req');

-- wf_signal_with_start: starts, or signals the run that is there.
SELECT wf_signal_with_start('three', 'sws', 's', '1') AS s1 \gset
SELECT wf_signal_with_start('three', 'sws', 's', '2') = :'s1' AS same_run;
CALL wf_work();
SELECT wf_signal_with_start('three', 'sws', 's', '3') = :'s1' AS same_run;
CALL wf_work();
SELECT * FROM runs('sws');
-- A closed one is started again, unless the call forbids it.
SELECT fails($$SELECT wf_signal_with_start('three', 'sws', 's', '4', on_closed => 'reject')$$);
SELECT fails($$SELECT wf_signal_with_start('three', 'sws', 's', '4', on_closed => 'allow_failed_only')$$);
SELECT wf_signal_with_start('three', 'sws', 's', '4') <> :'s1' AS other_run;
-- on_running and the options of a start
SELECT fails($$SELECT wf_signal_with_start('three', 'sws', 's', '5', on_running => 'fail')$$);
SELECT wf_signal_with_start('three', 'sws', 's', '6', on_running => 'terminate_existing', memo => '{"m": 1}') IS NOT NULL AS started;
CALL wf_work();
SELECT * FROM runs('sws');
SELECT attributes FROM events('sws') WHERE event = 'workflow_signaled';
-- The same request starts and signals once.
SELECT wf_signal_with_start('three', 'sws2', 's', '1', request_id => 'x') AS s2 \gset
SELECT wf_signal_with_start('three', 'sws2', 's', '1', request_id => 'x') = :'s2' AS same_run;
CALL wf_work();
SELECT count(*) FROM events('sws2') WHERE event = 'workflow_signaled';

-- No such workflow, closed workflow, run of a run id.
SELECT fails($$SELECT wf_signal('nobody', 's')$$);
SELECT fails($$SELECT wf_signal('order', 's')$$);
SELECT fails($$SELECT wf_signal('late', 's', namespace => 'elsewhere')$$);
SELECT fails(format($$SELECT wf_signal('sws', 's', run_id => %L)$$, :'s1'));
SELECT wf_signal('sws2', 's', '"by run"', run_id => :'s2') \gset
CALL wf_work();
SELECT attributes->'payload' AS payload FROM events('sws2') WHERE event = 'workflow_signaled';
-- A run id must be one of the workflow id's runs.
SELECT fails(format($$SELECT wf_signal('sws', 's', run_id => %L)$$, :'s2'));
SELECT fails($$SELECT wf_signal('sws2', 's', run_id => '00000000-0000-0000-0000-000000000000')$$);

-- Signals that a run closes without reading stay in its history.
CREATE FUNCTION deaf() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 min'); RETURN 'done'; END $$;
SELECT wf_start('deaf', id => 'deaf') \gset
SELECT wf_signal('deaf', 'x', '1') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
RESET durable.clock_offset;
SELECT n, event FROM events('deaf');
SELECT count(*) AS mail_left FROM durable.message;

-- A thousand signals to one run in one turn.
CREATE FUNCTION sums() RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE s numeric = 0; p jsonb;
BEGIN
  LOOP
    p := wf_wait_signal('n');
    EXIT WHEN p = '"end"';
    s := s + p::numeric;
  END LOOP;
  RETURN s;
END $$;
SELECT wf_start('sums', id => 'sums') \gset
SELECT count(wf_signal('sums', 'n', to_jsonb(i))) FROM generate_series(1, 1000) i;
SELECT wf_signal('sums', 'n', '"end"') \gset
CALL wf_work();
SELECT * FROM runs('sums');
