-- A signal that comes while the workflow is about to continue as new is seen by its code first.
\ir ../prelude.psql
SELECT plan(4);
CREATE SEQUENCE attempts;
CREATE FUNCTION slow() RETURNS int LANGUAGE sql AS $$ SELECT nextval('attempts'); SELECT pg_sleep(1.2); SELECT 1; $$;
CREATE FUNCTION workflow(seen jsonb DEFAULT NULL, round int DEFAULT 1) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF seen IS NOT NULL THEN RETURN seen; END IF;
  PERFORM wf_activity('slow');
  PERFORM wf_continue_as_new(jsonb_build_object('seen', jsonb_build_array(wf_poll_signal('s'))));     -- the client signals before this is committed
END $$;
SELECT wf_start('workflow', id => 'w') AS first \gset
SELECT ok(wait_for($$(SELECT is_called FROM attempts)$$), 'the turn that will continue as new has begun');
SELECT wf_signal('w', 's', '"late"') \g /dev/null
SELECT is(wf_result('w'), '["late"]', 'the signal is handled before');
SELECT matches(events('w', :'first'), 'workflow_signaled.* workflow_continued_as_new$', 'it is in the history of the first run');
SELECT unalike(events('w'), '%workflow_signaled%', 'and not in that of the second');
SELECT * FROM finish();
