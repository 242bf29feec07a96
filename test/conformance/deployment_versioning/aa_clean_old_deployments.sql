-- What is left of versions that no open run has is removed.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('one'), wf_wait_signal('two'); RETURN 'v1'; END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_describe('w')->>'waiting_for' = 'signal one'$$), 'a run has begun with version 1');
CREATE OR REPLACE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('one'), wf_wait_signal('two'); RETURN 'v2'; END $$;
SELECT wf_signal('w', 'one') \g /dev/null
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_versions WHERE clone IS NOT NULL)$$), 'it goes on with a clone of its code');
CALL wf_maintain();
SELECT is((SELECT count(*) FROM wf_versions WHERE clone IS NOT NULL), 1::bigint, 'which is kept while the run is open');
SELECT wf_signal('w', 'two') \g /dev/null
SELECT is(wf_result('w'), '"v1"', 'it ends');
CALL wf_maintain();
SELECT is((SELECT count(*) FROM wf_versions WHERE clone IS NOT NULL), 0::bigint, 'and then the clone is removed');
SELECT * FROM finish();
