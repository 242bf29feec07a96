-- Errors: in a validator it rejects; by wf_reject() it is the answer; nondeterminism fails the turn, and the update is answered when the code is mended.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION validate(n int) RETURNS void LANGUAGE sql AS 'SELECT 1 / n';
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  LOOP
    SELECT * INTO u FROM wf_next_update('go');
    IF u.args->>'n' = '1' THEN PERFORM wf_reject(u.update_id, 'one is not enough'); CONTINUE; END IF;
    PERFORM random();                            -- fails the turn, not the workflow
    PERFORM wf_reply(u.update_id, '"broken"');
    RETURN 'done';
  END LOOP;
END $$;
SELECT wf_register_workflow('workflow', validators => '{"go": "validate"}') \g /dev/null
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT throws_ok($$SELECT wf_update('w', 'go', '{"n": 0}', timeout => '20 s')$$, 'WF014', 'division by zero', 'an error in the validator');
SELECT throws_ok($$SELECT wf_update('w', 'go', '{"n": 1}', timeout => '20 s')$$, 'WF014', 'one is not enough', 'an error as the answer');
SELECT wf_update('w', 'go', '{"n": 2}', update_id => 'u', wait_for => 'admitted') \g /dev/null
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_stuck WHERE workflow_id = 'w')$$), 'broken code fails the turn');
CREATE OR REPLACE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  LOOP
    SELECT * INTO u FROM wf_next_update('go');
    IF u.args->>'n' = '1' THEN PERFORM wf_reject(u.update_id, 'one is not enough'); CONTINUE; END IF;
    PERFORM wf_reply(u.update_id, '"mended"');
    RETURN 'done';
  END LOOP;
END $$;
SELECT is(wf_update('w', 'go', '{"n": 2}', update_id => 'u', timeout => '20 s'), '"mended"', 'mended code answers');
SELECT * FROM finish();
