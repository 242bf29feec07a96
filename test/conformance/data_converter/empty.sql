-- Nothing, as argument and as result.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION nothing(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_typeof(input) = 'null' THEN RETURN NULL; END IF;
  RAISE 'not null but %', input;
END $$;
CREATE FUNCTION workflow(value int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF value IS NOT NULL OR wf_activity('nothing', 'null') IS NOT NULL THEN RAISE 'not null'; END IF;
END $$;
SELECT wf_start('workflow', '{"value": null}', id => 'w') AS run \gset
SELECT is(outcome('w')->>'status', 'completed', 'JSON null arrives as NULL');
SELECT is(wf_result('w'), NULL, 'void is NULL');
SELECT is(attributes->'input', 'null', 'the payload of the activity is JSON null') FROM wf_history('w') WHERE event_type = 'activity_scheduled';
SELECT is(attributes->'result', 'null', 'and its result too') FROM wf_history('w') WHERE event_type = 'activity_completed';
SELECT * FROM finish();
