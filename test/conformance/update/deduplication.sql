-- The same update id, sent again and again, is one update.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION workflow() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  u record;
  counter int := 0;
BEGIN
  LOOP
    SELECT * INTO u FROM wf_next_update();
    IF u.name = 'inc' THEN counter := counter + 1; END IF;
    PERFORM wf_reply(u.update_id, to_jsonb(counter));
    EXIT WHEN u.name = 'end';
  END LOOP;
  RETURN counter;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT is(wf_update('w', 'inc', update_id => 'u', timeout => '20 s'), '1', 'the first time');
SELECT is(wf_update('w', 'inc', update_id => 'u', timeout => '20 s'), '1', 'the second time has the answer of the first');
SELECT is(wf_update('w', 'inc', update_id => 'v', timeout => '20 s'), '2', 'another id is another update');
SELECT is(wf_update('w', 'end', timeout => '20 s'), '2', 'it has happened twice');
SELECT is((SELECT count(*) FROM wf_history('w') WHERE event_type = 'workflow_update_accepted' AND attributes->>'update_id' = 'u'), 1::bigint, 'one event') FROM wf_result('w');
SELECT * FROM finish();
