-- A timer is started and fires; one is started and cancelled; one outlives its workflow's cancellation no longer.
\ir ../prelude.psql
SELECT plan(7);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  begun timestamptz := wf_now();
  long wf_handle := wf_start_timer('1 hour');
BEGIN
  PERFORM wf_sleep('200 ms');
  PERFORM wf_cancel_handle(long);
  PERFORM wf_sleep('0');
  RETURN to_jsonb(wf_now() - begun >= '200 ms');
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w'), 'true', 'the timer fires at or after its time');
SELECT is(events('w'), 'workflow_started timer_started timer_started timer_fired timer_canceled workflow_completed', 'events; a sleep of no time has none');
SELECT is((SELECT count(*) FROM wf_timers), 0::bigint, 'none is left');
CREATE FUNCTION sleeper() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('100 years');
  RETURN 'not cancelled';
END $$;
SELECT wf_start('sleeper', id => 's') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_timers WHERE workflow_id = 's')$$), 'a timer of a hundred years');
SELECT ok(wf_cancel('s'), 'its workflow is cancelled');
SELECT is(outcome('s')->>'status', 'cancelled', 'and does not wait for it');
SELECT is((SELECT count(*) FROM wf_timers), 0::bigint, 'none is left');
SELECT * FROM finish();
