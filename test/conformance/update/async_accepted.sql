-- A client waits until its update is accepted; the answer, or its failure, comes later.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  good record;
  bad record;
BEGIN
  SELECT * INTO good FROM wf_next_update('good');
  SELECT * INTO bad FROM wf_next_update('bad');
  PERFORM wf_wait_signal('go');
  PERFORM wf_reply(good.update_id, '"answer"');
  PERFORM wf_reject(bad.update_id, 'on purpose');
  RETURN 'done';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_update('w', 'good', update_id => 'g', wait_for => 'accepted', timeout => '20 s'), NULL, 'accepted');
SELECT is(wf_update('w', 'bad', update_id => 'b', wait_for => 'accepted', timeout => '20 s'), NULL, 'and another');
SELECT throws_ok($$SELECT wf_update('w', 'good', update_id => 'g', timeout => '100 ms')$$, 'WF015', NULL, 'there is no answer yet');
SELECT wf_signal('w', 'go') \g /dev/null
SELECT is(wf_update('w', 'good', update_id => 'g', timeout => '20 s'), '"answer"', 'the answer');
SELECT throws_ok($$SELECT wf_update('w', 'bad', update_id => 'b', timeout => '20 s')$$, 'WF014', 'on purpose', 'the failure');
SELECT * FROM finish();
