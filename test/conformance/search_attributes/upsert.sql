-- A workflow sets search attributes: they are merged with those it has; an empty list is kept, null removes one.
\ir ../prelude.psql
SELECT plan(4);
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_upsert_search_attributes('{"b": 20, "list": [], "c": "new"}');
  PERFORM wf_wait_signal('go');
  PERFORM wf_upsert_search_attributes('{"a": null}');
  RETURN wf_info()->'search_attributes';
END $$;
SELECT wf_start('workflow', id => 'w', search_attributes => '{"a": 1, "b": 2, "list": ["x"]}') AS run \gset
SELECT ok(wait_for($$EXISTS (SELECT FROM wf_executions WHERE search_attributes @> '{"c": "new"}')$$), 'found by what it has set');
SELECT is(search_attributes, '{"a": 1, "b": 20, "c": "new", "list": []}', 'merged with what it had') FROM wf_executions WHERE workflow_id = 'w';
SELECT wf_signal('w', 'go') \g /dev/null
SELECT is(wf_result('w'), '{"b": 20, "c": "new", "list": []}', 'null removes one');
SELECT matches(events('w'), 'workflow_started search_attributes_upserted', 'it is in the history');
SELECT * FROM finish();
