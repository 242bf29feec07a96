-- The validator is called when the update is sent, and not again when the history is replayed.
\ir ../prelude.psql
SELECT plan(3);
CREATE SEQUENCE answers;
CREATE FUNCTION validate() RETURNS boolean LANGUAGE sql AS 'SELECT NOT is_called FROM answers';
CREATE FUNCTION replayed() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('answers') $$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  SELECT * INTO u FROM wf_next_update('go');
  PERFORM wf_activity('replayed');               -- the validator would say no from here on
  PERFORM wf_sleep('50 ms');
  PERFORM wf_activity('replayed');
  PERFORM wf_reply(u.update_id, '"answer"');
  RETURN 'done';
END $$;
SELECT wf_register_workflow('workflow', validators => '{"go": "validate"}') \g /dev/null
SELECT wf_start('workflow', id => 'w') AS run, wf_start('workflow', id => 'w2') AS run2 \gset
SELECT is(wf_update('w', 'go', timeout => '20 s'), '"answer"', 'its turns replay the update');
SELECT throws_ok($$SELECT wf_update('w2', 'go', timeout => '20 s')$$, 'WF014', NULL, 'the validator would refuse it now');
SELECT is(wf_result('w'), '"done"', 'the workflow ends');
SELECT * FROM finish();
