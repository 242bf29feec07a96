-- An update with a validator and a result.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION validate(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF n < 0 THEN RAISE 'n must not be negative'; END IF; END $$;
CREATE FUNCTION workflow() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  SELECT * INTO u FROM wf_next_update('set');
  PERFORM wf_reply(u.update_id, to_jsonb('set to ' || (u.args->>'n')));
  RETURN u.args->'n';
END $$;
SELECT wf_register_workflow('workflow', validators => '{"set": "validate"}') \g /dev/null
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT throws_ok($$SELECT wf_update('w', 'set', '{"n": -1}', timeout => '20 s')$$, 'WF014', 'n must not be negative', 'the validator refuses');
SELECT is(wf_update('w', 'set', '{"n": 5}', timeout => '20 s'), '"set to 5"', 'the answer comes back');
SELECT is(wf_result('w'), '5', 'and the workflow has been told');
SELECT * FROM finish();
