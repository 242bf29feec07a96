-- Search attributes of the start: seen by the workflow, found in the view, of any JSON type.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('end');
  RETURN wf_info()->'search_attributes';
END $$;
\set attributes '{"keyword": "a", "list": ["a", "b"], "int": 1, "double": 2.5, "bool": true, "datetime": "2026-01-01T00:00:00Z", "text": "some words"}'
SELECT wf_start('workflow', id => 'w', search_attributes => :'attributes') AS run \gset
SELECT is((SELECT workflow_id FROM wf_executions WHERE search_attributes @> '{"keyword": "a", "list": ["b"]}' AND (search_attributes->>'int')::int < 2), 'w', 'found at once, by any SQL condition');
SELECT is(wf_describe('w')->'search_attributes', :'attributes', 'described');
SELECT wf_signal('w', 'end') \g /dev/null
SELECT is(wf_result('w'), :'attributes', 'known to the workflow');
SELECT is((SELECT search_attributes FROM wf_executions WHERE workflow_id = 'w'), :'attributes', 'still there when it has closed');
SELECT * FROM finish();
