-- Of updates that the validator rejects nothing is left in the history.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION validate(n int) RETURNS boolean LANGUAGE sql AS 'SELECT n >= 0';
CREATE FUNCTION workflow() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  SELECT * INTO u FROM wf_next_update('add');
  PERFORM wf_reply(u.update_id);
  RETURN u.args->'n';
END $$;
SELECT wf_register_workflow('workflow', validators => '{"add": "validate"}') \g /dev/null
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_describe('w')->>'waiting_for' ~ 'update'$$), 'the workflow waits for one');
SELECT throws_ok($$SELECT wf_update('w', 'add', '{"n": -1}', timeout => '20 s') FROM generate_series(1, 3)$$, 'WF014', NULL, 'they are rejected');
SELECT is(events('w'), 'workflow_started', 'the history does not show them');
SELECT is((SELECT count(*) FROM wf_updates), 0::bigint, 'nor does the view');
SELECT * FROM finish();
