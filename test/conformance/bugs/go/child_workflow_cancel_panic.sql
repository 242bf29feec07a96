-- A parent is cancelled before its first turn, so before its child is started; and at once after.
\ir ../../prelude.psql
SELECT plan(2);
CREATE FUNCTION child() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 hour'); END $$;
CREATE FUNCTION workflow(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_child('child', id => id);
  RETURN 'not cancelled';
EXCEPTION WHEN SQLSTATE 'WF003' THEN
  RETURN 'cancelled';
END $$;
BEGIN;
SELECT wf_start('workflow', '{"id": "c1"}', id => 'w1') AS run \gset
SELECT wf_cancel('w1') \g /dev/null
COMMIT;
SELECT wf_start('workflow', '{"id": "c2"}', id => 'w2') AS run2 \gset
SELECT wf_cancel('w2') \g /dev/null
SELECT is(outcome('w1')->>'result', 'cancelled', 'before it starts its child');
SELECT is(outcome('w2')->>'result', 'cancelled', 'meanwhile or after');
SELECT * FROM finish();
