-- State of a workflow, asked for while it runs and after its end.
\ir ../prelude.psql
SELECT plan(5);
CREATE FUNCTION workflow() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  counter int := 0;
BEGIN
  LOOP
    PERFORM wf_set('counter', to_jsonb(counter));
    EXIT WHEN wf_wait_signal('inc') = '"finish"';
    counter := counter + 1;
  END LOOP;
END $$;
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT ok(wait_for($$wf_query('w', 'counter') = '0'$$), 'the counter is 0');
SELECT wf_signal('w', 'inc'), wf_signal('w', 'inc') \g /dev/null
SELECT ok(wait_for($$wf_query('w', 'counter') = '2'$$), 'after two signals it is 2');
SELECT is(events('w'), 'workflow_started workflow_signaled workflow_signaled', 'queries are not in the history');
SELECT wf_signal('w', 'inc'), wf_signal('w', 'inc', '"finish"') \g /dev/null
SELECT is(wf_result('w'), NULL, 'the workflow ends');
SELECT is(wf_query('w', 'counter'), '3', 'it can be asked all the same');
SELECT * FROM finish();
