-- The first turn is run by the session that starts: no worker takes part.
\ir ../prelude.psql
SELECT plan(2);
CREATE FUNCTION whoami() RETURNS int LANGUAGE sql AS 'SELECT pg_backend_pid()';
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('whoami'); END $$;
CALL wf_execute('workflow', id => 'w') \gset
SELECT is(:'result'::int, pg_backend_pid(), 'its step ran in this session');
SELECT is(wf_describe('w')->>'status', 'completed', 'and the workflow is as durable as any');
SELECT * FROM finish();
