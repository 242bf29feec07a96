-- A call that is repeated with the same id is the same call, whatever happened to its run in between.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
\set ECHO none

-- Counts what it was sent, and does what it is told.
CREATE FUNCTION counts(got int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS $$
DECLARE u record; told text;
BEGIN
  LOOP
    PERFORM wf_set('got', to_jsonb(got));
    told := wf_wait_signal('told')#>>'{}';
    LOOP
      u := wf_poll_update();
      EXIT WHEN u.update_id IS NULL;
      PERFORM wf_reply(u.update_id, to_jsonb(got));
      got := got + 1;
    END LOOP;
    WHILE wf_poll_signal('s') IS NOT NULL LOOP got := got + 1; END LOOP;
    IF told = 'end' THEN RETURN got; END IF;
    IF told = 'fail' THEN RAISE EXCEPTION 'as told'; END IF;
    IF told = 'go on' THEN PERFORM wf_continue_as_new(jsonb_build_object('got', got)); END IF;
  END LOOP;
END $$;
CREATE TABLE call(name text, before text, call text);
INSERT INTO call VALUES
  ('start', NULL, $$wf_start('counts', id => :id, retry => wf_retry(2, '0'), request_id => :id || ' start')$$),
  ('start, reject', NULL, $$wf_start('counts', id => :id, on_closed => 'reject', retry => wf_retry(2, '0'), request_id => :id || ' start')$$),
  ('start, allow failed', NULL, $$wf_start('counts', id => :id, on_closed => 'allow_failed_only', retry => wf_retry(2, '0'), request_id => :id || ' start')$$),
  ('start, use existing', 'start', $$wf_start('counts', id => :id, on_running => 'use_existing', request_id => :id || ' again')$$),
  ('start, use own', NULL, $$wf_start('counts', id => :id, on_running => 'use_existing', retry => wf_retry(2, '0'), request_id => :id || ' start')$$),
  ('start, terminate', 'start', $$wf_start('counts', id => :id, on_running => 'terminate_existing', retry => wf_retry(2, '0'), request_id => :id || ' again')$$),
  ('signal', 'start', $$wf_signal(:id, 's', request_id => :id || ' signal')$$),
  ('signal with start', NULL, $$wf_signal_with_start('counts', :id, 's', retry => wf_retry(2, '0'), request_id => :id || ' signal')$$),
  ('signal existing', 'start', $$wf_signal_with_start('counts', :id, 's', request_id => :id || ' signal')$$),
  ('update', 'start', $$wf_update(:id, 'u', update_id => 'U', wait_for => 'admitted')$$),
  ('update with start', NULL, $$wf_update_with_start('counts', :id, 'u', retry => wf_retry(2, '0'), update_id => 'U')$$),
  ('update existing', 'start', $$wf_update_with_start('counts', :id, 'u', update_id => 'U')$$),
  ('update, fail', NULL, $$wf_update_with_start('counts', :id, 'u', on_running => 'fail', retry => wf_retry(2, '0'), update_id => 'U')$$),
  ('update, terminate', 'start', $$wf_update_with_start('counts', :id, 'u', on_running => 'terminate_existing', retry => wf_retry(2, '0'), update_id => 'U')$$);
CREATE TABLE happening(n int, name text, what text);
INSERT INTO happening VALUES (1, 'nothing', NULL), (2, 'close', $$wf_signal(:id, 'told', '"end"')$$), (3, 'continue-as-new', $$wf_signal(:id, 'told', '"go on"')$$),
  (4, 'retry', $$wf_signal(:id, 'told', '"fail"')$$), (5, 'reset', $$wf_reset(:id, point => 'first')$$), (6, 'terminate', $$wf_terminate(:id)$$);
CREATE TABLE seen(id text, call text, happening text, n int, first text, second text, runs int, runs_after int, got jsonb, got_after jsonb);
CREATE FUNCTION runs_of(id text) RETURNS int LANGUAGE sql AS $$ SELECT count(*) FROM wf_executions WHERE workflow_id = $1 $$;
CREATE FUNCTION tell(id text) RETURNS void LANGUAGE sql AS $$ SELECT wf_signal($1, 'told', '"look"') FROM wf_executions e WHERE e.workflow_id = $1 AND e.status = 'running' $$;
\o /dev/null
SELECT replace(coalesce(format($$SELECT wf_start('counts', id => :id, retry => wf_retry(2, '0'), request_id => :id || ' first') WHERE %L IS NOT NULL$$, before), 'SELECT 1'), ':id', id),
  replace(format('INSERT INTO seen SELECT :id, %L, %L, %s, (%s)::text', call.name, happening.name, happening.n, call), ':id', id),
  'CALL wf_work()', format('SELECT tell(%s)', id), 'CALL wf_work()',
  'SELECT ' || replace(coalesce(what, '1'), ':id', id), 'CALL wf_work()',
  format('UPDATE seen SET runs = runs_of(id), got = wf_query(id, ''got'') WHERE id = %s', id),
  replace(format('UPDATE seen SET second = coalesce((%s)::text, '''') WHERE id = :id', call), ':id', id),
  format('SELECT tell(%s)', id), 'CALL wf_work()',
  format('UPDATE seen SET runs_after = runs_of(id), got_after = wf_query(id, ''got'') WHERE id = %s', id)
FROM call CROSS JOIN happening CROSS JOIN LATERAL (SELECT quote_literal(call.name || '/' || happening.name) AS id) i ORDER BY call.name, n
\gexec
\o
\set ECHO all
-- Each call answered twice the same, nothing started by the second, nothing told twice. Three counts: what it should be at the second call.
SELECT call, string_agg(happening || CASE WHEN coalesce(first, '') = second AND runs = runs_after AND got = got_after THEN ' ' || runs || ':' || got ELSE
    format(' DIFFERS %s %s, %s %s, %s %s', first = second, second, runs, runs_after, got, got_after) END, ', ' ORDER BY n) AS "runs:got"
FROM seen GROUP BY call ORDER BY call;

-- The answer of an update is what it was.
SELECT id, wf_update(id, 'u', update_id => 'U') FROM seen WHERE call LIKE 'update%' AND happening IN ('close', 'continue-as-new', 'retry') ORDER BY 1;
-- Another request is another one.
SELECT fails($$SELECT wf_signal('signal/close', 's', request_id => 'another')$$), fails($$SELECT wf_update('update/close', 'u', update_id => 'V', wait_for => 'admitted')$$);
SELECT wf_start('counts', id => 'start/close', request_id => 'another') IS NOT NULL AS starts, runs_of('start/close');
-- A request is forgotten with its run.
SELECT wf_delete('start, use existing/close') AS deleted;
SELECT count(*) AS left FROM durable.start_request WHERE request_id = 'start, use existing/close again';
SELECT wf_start('counts', id => 'start, use existing/close', on_running => 'use_existing', request_id => 'start, use existing/close again') IS NOT NULL AS starts;

-- What is asked for once is asked for once: false where there is nothing to do.
CREATE FUNCTION deaf() RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int = 0;
BEGIN
  FOR i IN 1..3 LOOP
    BEGIN PERFORM wf_wait_signal('go'); EXCEPTION WHEN SQLSTATE 'WF003' THEN n := n + 1; END;
  END LOOP;
  RETURN n;
END $$;
SELECT wf_start('deaf', id => 'deaf') \gset
SELECT wf_cancel('deaf', 'first') AS first, wf_cancel('deaf', 'second') AS in_the_mailbox;
CALL wf_work();
SELECT wf_cancel('deaf', 'third') AS in_the_history;
CALL wf_work();
SELECT wf_reset('deaf', point => 'last') IS NOT NULL AS reset;
SELECT wf_cancel('deaf', 'fourth') AS after_reset;
CREATE FUNCTION cancels(id text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_cancel_external(id); PERFORM wf_cancel_external(id); RETURN 'did'; END $$;
SELECT wf_start('cancels', '{"id": "deaf"}', id => 'cancels') \gset
CALL wf_work();
SELECT count(wf_signal('deaf', 'go')) FROM generate_series(1, 3);
CALL wf_work();
SELECT * FROM runs('deaf');
SELECT count(*) AS requests FROM wf_history('deaf') WHERE event_type = 'workflow_cancel_requested';
SELECT wf_cancel('deaf') AS cancel, wf_terminate('deaf') AS terminate, wf_pause('deaf') AS pause, wf_unpause('deaf') AS unpause;
SELECT wf_start('deaf', id => 'p') \gset
SELECT wf_pause('p') AS pause, wf_pause('p') AS again, wf_unpause('p') AS unpause, wf_unpause('p') AS unpause_again, wf_terminate('p') AS terminate, wf_terminate('p') AS terminate_again;
-- One who asks while another's request is being committed is told so by the history: one event.
SELECT wf_start('deaf', id => 'two') \gset
INSERT INTO durable.message (owner, seq, run_id, kind, alone, at, name)
  SELECT e.owner, nextval('durable.message_seq'), e.run_id, 3, false, now(), n FROM durable.execution e, unnest('{one,other}'::text[]) n WHERE e.workflow_id = 'two';
CALL wf_work();
SELECT count(*) AS requests FROM wf_history('two') WHERE event_type = 'workflow_cancel_requested';

-- A completion that is repeated is refused, and changes nothing.
CREATE FUNCTION works() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('w', task_queue => 'q', retry => wf_retry(5, '10 min')); END $$;
SELECT wf_start('works', id => i) FROM unnest('{complete,complete many,fail,by id,cancelled}'::text[]) i \g /dev/null
CALL wf_work();
CREATE TEMP TABLE task AS SELECT workflow_id, task_token, activity_id FROM wf_poll_activities('q', max => 10);
SELECT wf_complete_activity(task_token, '1') FROM task WHERE workflow_id = 'complete';
SELECT wf_complete_activities(ARRAY[task_token], ARRAY['1'::jsonb]) FROM task WHERE workflow_id = 'complete many';
SELECT wf_fail_activity(task_token, 'T') FROM task WHERE workflow_id = 'fail';
SELECT wf_complete_activity_by_id(workflow_id, activity_id, '1') FROM task WHERE workflow_id = 'by id';
SELECT workflow_id, regexp_replace(fails(format(CASE workflow_id WHEN 'complete' THEN 'SELECT wf_complete_activity(%L, ''2'')' WHEN 'complete many' THEN 'SELECT wf_complete_activities(ARRAY[%L], ARRAY[''2''::jsonb])'
  ELSE 'SELECT wf_fail_activity(%L, ''T'')' END, task_token)), '[0-9a-f]{48}', '<token>') AS fails FROM task WHERE workflow_id IN ('complete', 'complete many', 'fail') ORDER BY 1;
SELECT fails($$SELECT wf_complete_activity_by_id('by id', '1', '2')$$);
CALL wf_work();
SELECT fails($$SELECT wf_complete_activity_by_id('by id', '1', '2')$$);
SELECT id, status, result FROM runs() WHERE id IN ('complete', 'complete many', 'by id');
SELECT attempt, state FROM wf_activities WHERE workflow_id = 'fail';

-- Another policy is another time of the next attempt, and so it is when it is said twice.
CREATE FUNCTION next_in() RETURNS text LANGUAGE sql AS $$
  SELECT a.state || coalesce(' ' || date_trunc('second', a.next_attempt_at - t.ended_at), '') FROM wf_activities a JOIN wf_attempts t ON t.run_id = a.run_id AND t.ended_at IS NOT NULL
  WHERE a.workflow_id = 'fail' $$;
SELECT next_in() AS before, wf_update_activity('fail', retry => wf_retry(5, '1 min')) AS updated, next_in() AS after_in_this_statement;
SELECT next_in(), wf_update_activity('fail', retry => wf_retry(5, '1 min'));
SELECT next_in(), wf_update_activity('fail', start_to_close => '1 h');
SELECT next_in(), wf_update_activity('fail', retry => wf_retry(1, '1 s'));
-- no attempt is left by this policy: the next one is the last
SELECT next_in(), wf_update_activity('fail', retry => wf_retry(5, '2 h')), wf_pause_activity('fail');
-- over by the new policy: at once, but for one that is paused
SELECT next_in(), wf_update_activity('fail', retry => wf_retry(5, '0'));
SELECT next_in(), wf_update_activity('fail', retry => wf_retry(5, '2 h')), wf_unpause_activity('fail');
SELECT next_in();
SELECT wf_fail_activity(task_token, 'T') FROM wf_poll_activities('q') WHERE workflow_id = 'fail';
SELECT wf_update_activity('fail', retry => wf_retry(5, '0'));
SELECT state FROM wf_activities WHERE workflow_id = 'fail';
-- A delay that the failure asked for stays.
SELECT wf_fail_activity(task_token, 'T', next_retry_delay => '3 h') FROM wf_poll_activities('q') WHERE workflow_id = 'fail';
SELECT wf_update_activity('fail', retry => wf_retry(5, '1 s'));
SELECT state, date_trunc('minute', next_attempt_at - now() + interval '30 s') AS next_in FROM wf_activities WHERE workflow_id = 'fail';
