-- An update that comes while the workflow is about to continue as new does not hold it up: the new run answers it.
\ir ../prelude.psql
SELECT plan(5);
CREATE SEQUENCE attempts;
CREATE FUNCTION slow() RETURNS int LANGUAGE sql AS $$ SELECT nextval('attempts'); SELECT pg_sleep(1.2); SELECT 1; $$;
CREATE FUNCTION workflow(round int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  IF round = 1 THEN
    PERFORM wf_activity('slow');
    PERFORM wf_continue_as_new('{"round": 2}');                              -- the client sends its update before this is committed
  END IF;
  SELECT * INTO u FROM wf_next_update('where');
  PERFORM wf_reply(u.update_id, to_jsonb('round ' || round));
  RETURN 'done';
END $$;
SELECT wf_start('workflow', '{"round": 1}', id => 'w') AS first \gset
SELECT ok(wait_for($$(SELECT is_called FROM attempts)$$), 'the turn that will continue as new has begun');
SELECT is(wf_update('w', 'where', timeout => '20 s'), '"round 2"', 'the answer is the new run''s');
SELECT is(wf_result('w'), '"done"', 'the workflow ends');
SELECT unalike(events('w', :'first'), '%update_completed%', 'the first run has not answered it');
SELECT is((SELECT last_value FROM attempts), 1::bigint, 'its turn was not undone');
SELECT * FROM finish();
