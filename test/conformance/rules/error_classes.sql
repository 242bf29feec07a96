-- What fails the workflow, and what only its turn.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION raises() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = 'MY123'; END $$;
CREATE FUNCTION divides(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / n; END $$;
CREATE FUNCTION fenced() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN now(); END $$;
SELECT wf_start('raises', id => 'raises') AS r1, wf_start('divides', '{"n": 0}', id => 'divides') AS r2, wf_start('fenced', id => 'fenced') AS r3 \gset
SELECT is(o->'failure'->>'sqlstate', 'MY123', 'an error of one''s own fails the workflow') FROM outcome('raises') o;
SELECT is(o->'failure'->>'sqlstate', '22012', 'any other error of the code too') FROM outcome('divides') o;
SELECT ok(wait_for($$(SELECT failures >= 2 FROM wf_stuck WHERE workflow_id = 'fenced')$$), 'what would not be deterministic fails the turn, which is tried again');
SELECT is(events('fenced'), 'workflow_started', 'failed turns are not in the history');
CREATE OR REPLACE FUNCTION fenced() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'mended'; END $$;
SELECT is(wf_result('fenced'), '"mended"', 'with mended code the run goes on');
SELECT * FROM finish();
