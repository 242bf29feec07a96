-- A failure arrives whole: type, message, details, stack and cause. It is JSON, so a client's codec can encode its parts.
\ir ../prelude.psql
SELECT plan(8);
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_fail('Declined', 'main error', details => '{"card": "1234", "secret": "AES:9f3a"}', non_retryable => true);
END $$;
CREATE FUNCTION workflow() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('fails'); END $$;
CREATE FUNCTION divides() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / (random() * 0)::int; END $$;
CREATE FUNCTION workflow2() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('divides'); END $$;
SELECT wf_start('workflow2', id => 'd') AS run2, wf_start('workflow', id => 'w') AS run \gset
CREATE TEMP TABLE f AS SELECT outcome('w')->'failure' AS failure;
SELECT is(failure->>'message', 'main error', 'message') FROM f;
SELECT is(failure->>'sqlstate', 'WF001', 'as the SQLSTATE of a failed activity') FROM f;
SELECT matches(failure->>'context', 'workflow\(\) line 1', 'the stack') FROM f;
SELECT is(failure->'cause'->>'type', 'Declined', 'the cause has its type') FROM f;
SELECT is(failure->'cause'->'details', '{"card": "1234", "secret": "AES:9f3a"}', 'and its details, to the byte') FROM f;
SELECT is(failure->'cause'->>'non_retryable', 'true', 'and whether it was final') FROM f;
SELECT matches(o->'failure'->'cause'->>'context', 'divides\(\) line 1', 'an error of SQL also has the stack of the activity') FROM outcome('d') o;
SELECT is(error, failure, 'the view shows the same') FROM f, wf_executions WHERE workflow_id = 'w';
SELECT * FROM finish();
