-- A cancelled parent goes on at once; the child is not told.
\ir ../prelude.psql
SELECT plan(6);
\set cancellation abandon
\ir cancel.psql
SELECT is(outcome('w')->>'result', 'thrown', 'the parent goes on at once');
SELECT is(wf_describe('c')->>'status', 'running', 'the child goes on too');
SELECT wf_signal('c', 'end') \g /dev/null
SELECT is(wf_result('c'), '"not cancelled"', 'it was not told');
SELECT unalike(events('w'), '%cancel_external%', 'no request is in the history');
SELECT * FROM finish();
