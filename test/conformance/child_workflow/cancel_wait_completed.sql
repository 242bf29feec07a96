-- A cancelled parent waits for its child; one that completes all the same gives its result.
\ir ../prelude.psql
SELECT plan(5);
\set cancellation wait
\ir cancel.psql
SELECT ok(wait_for($$wf_describe('c')::text ~ 'cancel' OR EXISTS (SELECT FROM wf_history('c') WHERE event_type = 'workflow_cancel_requested')$$), 'the child is told');
SELECT is(wf_describe('w')->>'status', 'running', 'the parent waits');
SELECT wf_signal('c', 'end') \g /dev/null
SELECT is(outcome('w')->>'result', 'child: cancelled', 'the child has ignored the request, so nothing is thrown');
SELECT * FROM finish();
