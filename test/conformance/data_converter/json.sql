-- JSON goes in and comes out equal, nested and with numbers of any precision; a row type is an object.
\ir ../prelude.psql
SELECT plan(3);
CREATE TYPE point3 AS (x numeric, y numeric, label text);
CREATE FUNCTION workflow(value jsonb, p point3) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_object('value', wf_activity('echo', value), 'p', p);
END $$;
SELECT wf_start('workflow', '{"value": {"spec": true, "n": 12345678901234567890.123456789, "a": [1, null, "ü\u0041", {}]}, "p": {"x": 1, "y": 2.50}}', id => 'w') AS run \gset
SELECT is(wf_result('w')->'value', '{"spec": true, "n": 12345678901234567890.123456789, "a": [1, null, "üA", {}]}', 'JSON');
SELECT is(wf_result('w')->'p', '{"x": 1, "y": 2.50, "label": null}', 'a row');
SELECT throws_ok($$SELECT wf_start('workflow', '{"value": {}, "p": {"x": "one"}}')$$, '22P02', NULL, 'what does not fit is refused at the start');
SELECT * FROM finish();
