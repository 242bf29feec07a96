-- A cancelled parent goes on at once; the child is told.
\ir ../prelude.psql
SELECT plan(6);
\set cancellation try_cancel
\ir cancel.psql
SELECT is(outcome('w')->>'result', 'thrown', 'the parent goes on without waiting for the child');
SELECT is(wf_describe('c')->>'status', 'running', 'which is still busy');
SELECT wf_signal('c', 'end') \g /dev/null
SELECT is(wf_result('c'), '"cancelled"', 'it was told');
SELECT matches(events('w'), 'workflow_cancel_requested cancel_external_initiated', 'the request is in the history');
SELECT * FROM finish();
