-- While a run waits for its start delay, signals are kept and do not wake it; nor does signal-with-start.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(wf_wait_signal('s'), wf_wait_signal('s'), wf_wait_signal('s')); END $$;
SELECT clock_timestamp() AS begun \gset
SELECT wf_signal_with_start('workflow', 'w', 's', '1', start_delay => '2 s') AS run \gset
SELECT wf_signal('w', 's', '2') \g /dev/null
SELECT wf_signal_with_start('workflow', 'w', 's', '3') AS again \gset
SELECT is(:'again'::uuid, :'run'::uuid, 'a run that waits for its delay is open');
SELECT is(wf_describe('w')->>'waiting_for', 'start delay', 'it waits on');
SELECT is(wf_result('w'), '[1, 2, 3]', 'all signals are there, in order');
SELECT ok(clock_timestamp() - :'begun' > '2 s', 'after the delay');
SELECT * FROM finish();
