-- What changes the arguments of every update on its way: a function of one's own in front of wf_update().
\ir ../prelude.psql
SELECT plan(1);
CREATE SCHEMA client;
CREATE FUNCTION client.wf_update(id text, update text, args jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT public.wf_update(id, update, args || '{"changed": true}', timeout => '20 s')
$$;
CREATE FUNCTION workflow() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  u record;
BEGIN
  SELECT * INTO u FROM wf_next_update('go');
  PERFORM wf_reply(u.update_id, u.args);
  RETURN 'done';
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SET search_path = client, public;
SELECT is(wf_update('w', 'go', '{"n": 1}'), '{"n": 1, "changed": true}', 'the workflow sees what the interceptor has made of it');
SELECT * FROM finish();
