/*
 * What tests of workflows call, all in one transaction that is rolled back.
 * doc/testing.md tells how.
 */

CREATE FUNCTION wf_test_begin(start_at timestamptz DEFAULT now())
RETURNS void AS 'MODULE_PATHNAME', 'wf_test_begin' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_test_begin IS 'begin a test in this transaction, which is to be rolled back: time stands still, and workflows run here';

CREATE FUNCTION wf_test_mock(activity text, result jsonb DEFAULT NULL, error text DEFAULT NULL, message text DEFAULT NULL,
	times int DEFAULT NULL, details jsonb DEFAULT NULL, non_retryable boolean DEFAULT false, delay interval DEFAULT NULL,
	times_out text DEFAULT NULL, input jsonb DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_test_mock' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_test_mock IS 'have an activity complete, fail or time out in this test without being called';

CREATE FUNCTION wf_test_signal_at(after interval, id text, signal text, payload jsonb DEFAULT 'null', namespace text DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME', 'wf_test_signal_at' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_test_signal_at IS 'signal a workflow of this test when its time has advanced so far';

CREATE FUNCTION durable.test_result(run_id uuid) RETURNS jsonb
AS 'MODULE_PATHNAME', 'durable_test_result' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION durable.test_result IS 'run a test until a run has closed; its result';

CREATE FUNCTION wf_test_run(workflow text, input jsonb DEFAULT '{}', id text DEFAULT NULL,
	execution_timeout interval DEFAULT NULL, run_timeout interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	memo jsonb DEFAULT NULL, search_attributes jsonb DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS jsonb LANGUAGE sql VOLATILE
RETURN durable.test_result(wf_start(workflow, input, id => id, execution_timeout => execution_timeout,
	run_timeout => run_timeout, retry => retry, memo => memo, search_attributes => search_attributes, namespace => namespace));
COMMENT ON FUNCTION wf_test_run IS 'start a workflow and run it to its end, skipping time; returns its result';

CREATE FUNCTION wf_test_work() RETURNS void AS 'MODULE_PATHNAME', 'wf_test_work' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_test_work IS 'run the workflows of this test as far as they get without time passing';

CREATE FUNCTION wf_test_advance(by interval)
RETURNS void AS 'MODULE_PATHNAME', 'wf_test_advance' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_test_advance IS 'let time pass in this test, with all that falls due';

CREATE FUNCTION wf_test_calls(activity text)
RETURNS SETOF jsonb AS 'MODULE_PATHNAME', 'wf_test_calls' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_test_calls IS 'inputs of an activity''s calls in this test, in order';

CREATE FUNCTION wf_test_elapsed() RETURNS interval AS 'MODULE_PATHNAME', 'wf_test_elapsed' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION wf_test_elapsed IS 'the time that has passed in this test';
