-- A loan approval: a signal within seven days, or not. Nothing waits, nothing is left behind.
BEGIN;
SELECT plan(12);

CREATE TABLE letter (customer text, said text);
CREATE FUNCTION send_letter(customer text, said text) RETURNS void
LANGUAGE sql AS $$ INSERT INTO letter VALUES (customer, said) $$;

CREATE FUNCTION loan_approval(customer text, amount int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  score int;
  decision jsonb;
BEGIN
  score := wf_activity('credit_score', jsonb_build_object('customer', customer), task_queue => 'bureau');
  PERFORM wf_set('score', to_jsonb(score));
  IF score < 300 THEN
    decision := '{"approved": false}';
  ELSE
    decision := wf_wait_signal('decision', timeout => '7 days');
  END IF;
  IF decision IS NULL THEN
    PERFORM wf_activity('send_letter', jsonb_build_object('customer', customer, 'said', 'expired'));
    RETURN 'expired';
  END IF;
  PERFORM wf_activity('send_letter', jsonb_build_object('customer', customer,
    'said', CASE WHEN (decision->'approved')::boolean THEN 'approved' ELSE 'rejected' END));
  RETURN CASE WHEN (decision->'approved')::boolean THEN 'approved' ELSE 'rejected' END;
END $$;

SELECT wf_test_begin('2026-03-01 09:00 UTC');
SELECT wf_test_mock('credit_score', '700');

-- The officer decides on the third day.
SELECT wf_test_signal_at('2 days', 'loan-1', 'decision', '{"approved": true}');
SELECT is(wf_test_run('loan_approval', '{"customer": "ann", "amount": 1000}', id => 'loan-1'), '"approved"', 'approved in time');
SELECT is(wf_test_elapsed(), '2 days', 'on the third day');
SELECT is(said, 'approved', 'ann is told') FROM letter WHERE customer = 'ann';

-- Nobody decides.
SELECT is(wf_test_run('loan_approval', '{"customer": "bob", "amount": 1000}', id => 'loan-2'), '"expired"', 'nobody decides');
SELECT is(wf_test_elapsed(), '9 days', 'for seven days');
SELECT is(said, 'expired', 'bob is told') FROM letter WHERE customer = 'bob';

-- Step by step, to look at it in between
SELECT lives_ok($$SELECT wf_start('loan_approval', '{"customer": "cyd", "amount": 1000}', id => 'loan-3')$$, 'cyd applies');
SELECT wf_test_advance('6 days');
SELECT is(wf_query('loan-3', '__stack')->>'waiting_for', 'signal decision', 'on the sixth day it waits for a decision');
SELECT wf_signal('loan-3', 'decision', '{"approved": false}');
SELECT is(wf_result('loan-3'), '"rejected"', 'it is rejected');

-- A low score needs no officer.
SELECT wf_test_mock('credit_score', '200', input => '{"customer": "dan"}');
SELECT is(wf_test_run('loan_approval', '{"customer": "dan", "amount": 1000}'), '"rejected"', 'a low score is rejected at once');

SELECT results_eq('SELECT c->>''customer'' FROM wf_test_calls(''credit_score'') c', ARRAY['ann', 'bob', 'cyd', 'dan'], 'the bureau was asked once for each');
SELECT results_eq('SELECT workflow_id, status FROM wf_executions WHERE workflow_id LIKE ''loan-%'' ORDER BY 1',
  $$VALUES ('loan-1', 'completed'), ('loan-2', 'completed'), ('loan-3', 'completed')$$, 'all is settled');

SELECT * FROM finish();
ROLLBACK;
