-- An activity that fails twice and then succeeds; and what its retry policy makes of it.
BEGIN;
SELECT plan(9);

CREATE FUNCTION import_rates(bank text DEFAULT 'ecb', retry jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('fetch_rates', jsonb_build_object('bank', bank), task_queue => 'web', retry => retry);
END $$;

SELECT wf_test_begin();
SELECT wf_test_mock('fetch_rates', error => 'busy', message => 'try later', times => 2);
SELECT wf_test_mock('fetch_rates', '{"eur": 1, "usd": 1.1}');
SELECT is(wf_test_run('import_rates', id => 'rates'), '{"eur": 1, "usd": 1.1}', 'it fails twice, then succeeds');
SELECT is(count(*), 3::bigint, 'at the third attempt') FROM wf_test_calls('fetch_rates');
SELECT is(wf_test_elapsed(), '3 s', 'after one second, and two more');
SELECT results_eq($$SELECT a.attempt, a.outcome, a.failure->>'message' FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id = 'rates' ORDER BY 1$$,
  $$VALUES (1, 'failed', 'try later'), (2, 'failed', 'try later'), (3, 'completed', NULL)$$, 'the attempts are there to look at');

-- With a policy
SELECT wf_test_mock('fetch_rates', error => 'busy', message => 'try later', times => 2);
SELECT throws_ok($$SELECT wf_test_run('import_rates', jsonb_build_object('retry', wf_retry(max_attempts => 2)), id => 'two')$$,
  'WF012', 'workflow "two" failed: try later', 'two attempts are not enough');
SELECT wf_test_mock('fetch_rates', error => 'gone', message => 'no such bank', times => 1);
SELECT throws_ok($$SELECT wf_test_run('import_rates', jsonb_build_object('retry', wf_retry(non_retryable => '{gone}')), id => 'gone')$$,
  'WF012', 'workflow "gone" failed: no such bank', 'what cannot pass is not tried again');
SELECT is(count(*), 6::bigint, 'six attempts in all') FROM wf_test_calls('fetch_rates');

-- A begun test begins anew.
SELECT wf_test_begin();
SELECT is_empty($$SELECT * FROM wf_test_calls('fetch_rates')$$, 'another test knows nothing of it');
SELECT throws_ok($$SELECT wf_test_run('import_rates', id => 'unmocked')$$, '55000',
  'activity "fetch_rates" of workflow "unmocked" has no mock', 'nor of its mocks');

SELECT * FROM finish();
ROLLBACK;
