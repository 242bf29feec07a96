-- A workflow updates itself, by way of an activity.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION update_it(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_update(id, 'go', '{"n": 41}', timeout => '20 s') $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  u record;
  handle wf_handle := wf_start_activity('update_it', jsonb_build_object('id', wf_info()->>'workflow_id'));
BEGIN
  SELECT * INTO u FROM wf_next_update('go');
  PERFORM wf_reply(u.update_id, to_jsonb((u.args->>'n')::int + 1));
  RETURN wf_await(handle);
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_result('w', '20 s'), '42', 'the activity has got the answer');
SELECT is(wf_describe('w')->>'status', 'completed', 'the workflow ends');
SELECT * FROM finish();
