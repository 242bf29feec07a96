-- Which code activities and children of a pinned run have: that of their own names at the time they begin.
\ir ../prelude.psql
SELECT plan(3);
CREATE FUNCTION act() RETURNS text LANGUAGE sql AS $$ SELECT 'activity v1' $$;
CREATE FUNCTION child() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'child v1'; END $$;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN jsonb_build_array('workflow v1', wf_activity('act'), wf_child('child'));
END $$;
SELECT wf_start('workflow', id => 'old') AS run \gset
SELECT ok(wait_for($$wf_describe('old')->>'waiting_for' = 'signal go'$$), 'a run of version 1');
BEGIN;
CREATE OR REPLACE FUNCTION act() RETURNS text LANGUAGE sql AS $$ SELECT 'activity v2' $$;
CREATE OR REPLACE FUNCTION child() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'child v2'; END $$;
CREATE OR REPLACE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
  RETURN jsonb_build_array('workflow v2', wf_activity('act'), wf_child('child'));
END $$;
COMMIT;
SELECT wf_start('workflow', id => 'new') AS run2 \gset
SELECT wf_signal('old', 'go'), wf_signal('new', 'go') \g /dev/null
SELECT is(wf_result('new'), '["workflow v2", "activity v2", "child v2"]', 'a new run has all that is new');
SELECT is(wf_result('old'), '["workflow v1", "activity v2", "child v2"]', 'the old one its own code, and of the others what is current');
SELECT * FROM finish();
