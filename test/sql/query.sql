-- wf_set and wf_query, wf_describe, wf_listen_workflow.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION inner_wait(signal text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_wait_signal(signal);
END $$;
CREATE FUNCTION progress() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE n int = 0;
BEGIN
  PERFORM wf_set('n', '0'), wf_set('n', '1'), wf_set('status', '"started"'), wf_set('Ünïcode key', 'null');
  PERFORM inner_wait('go');
  PERFORM wf_set('n', to_jsonb(2));
  PERFORM wf_set('status', NULL);
  PERFORM wf_sleep('1 hour');
  PERFORM wf_set('status', '"done"');
  RETURN '"end"';
END $$;
SELECT wf_start('progress', id => 'p') \gset
-- Nothing is published before the first turn, or under a name that was not set.
SELECT wf_query('p', 'n') IS NULL AS nothing;
CALL wf_work();
-- The last value counts; JSON null and SQL NULL are told apart.
SELECT wf_query('p', 'n'), wf_query('p', 'status'), wf_query('p', 'Ünïcode key'), wf_query('p', 'other') IS NULL AS other;
SELECT wf_query('p', 'n', args => '{"ignored": true}');
-- Where it waits: function, line, for what, since when
SELECT s - 'waiting_since' AS stack, (s->>'waiting_since')::timestamptz BETWEEN now() - interval '1 min' AND now() AS since FROM wf_query('p', '__stack') s;
SELECT wf_query('p', '__info') = wf_describe('p') AS info_is_describe;
SELECT wf_signal('p', 'go') \gset
CALL wf_work();
SELECT wf_query('p', 'n'), wf_query('p', 'status') IS NULL AS status;
SELECT wf_query('p', '__stack') - 'waiting_since' AS stack;
SET durable.clock_offset = '2h';
CALL wf_work();
RESET durable.clock_offset;
-- Closed runs answer, too; the stack of one is empty.
SELECT wf_query('p', 'n'), wf_query('p', 'status'), wf_query('p', '__stack') IS NULL AS no_stack;
-- What a failed turn set is gone with it; what was set before a failure of the workflow stays.
CREATE FUNCTION sets_and_fails() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('k', '1');
  PERFORM wf_sql('SELECT 1');
  PERFORM wf_set('k', '2');
  RAISE EXCEPTION 'boom';
END $$;
SELECT wf_start('sets_and_fails', id => 'f') \gset
CALL wf_work();
SELECT wf_query('f', 'k');
-- Errors
SELECT fails($$SELECT wf_query('nobody', 'n')$$), fails($$SELECT wf_query('p', '__other')$$);

-- wf_describe, open and closed
CREATE FUNCTION fail_act() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no luck'; END $$;
CREATE FUNCTION busy(what text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF what = 'retry' THEN RETURN wf_activity('fail_act', retry => wf_retry(initial_interval => '1 hour')); END IF;
  RETURN wf_wait_signal('go', timeout => '1 hour');
END $$;
SELECT wf_start('busy', '{"what": "retry"}', id => 'd-retry', memo => '{"m": 1}', retry => wf_retry(max_attempts => 7), run_timeout => '1 day') \gset
SELECT wf_start('busy', '{"what": "wait"}', id => 'd-wait') \gset
CALL wf_work();
SELECT wf_signal('d-wait', 'other') \gset
CREATE FUNCTION stable(d jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT jsonb_pretty((d - '{run_id,first_run_id,next_run_id,started_at,closed_at,waiting_since,history_bytes,execution_deadline,owner}'::text[])
    #- '{pending_activities,0,scheduled_at}' #- '{pending_activities,0,next_attempt_at}' #- '{pending_activities,0,last_failure,context}' #- '{timers,0,fire_at}')
$$;
SELECT stable(wf_describe('d-retry'));
SELECT stable(wf_describe('d-wait'));
SELECT stable(wf_describe('p'));
SELECT wf_describe('p')->>'owner' = current_user AS owner, wf_describe('p')->>'run_id' = wf_describe('p')->>'first_run_id' AS first;
SELECT fails($$SELECT wf_describe('nobody')$$);

-- wf_listen_workflow: the channel is the run's, and this session listens to it.
SELECT wf_listen_workflow('d-wait') AS channel \gset
SELECT wf_listen_workflow('d-wait') = :'channel' AS same, wf_listen_workflow('not started yet') <> :'channel' AS other,
  wf_listen_workflow('d-wait', namespace => 'other') <> :'channel' AS other_namespace;
SELECT count(*) AS listening FROM pg_listening_channels() c WHERE c = :'channel';
UNLISTEN *;
