-- A loan that an officer has seven days to decide on.
--
--     createdb bank && psql -d bank -f examples/loan_approval.sql
--
-- The workflow asks a credit bureau, which is sometimes busy; waits for a human,
-- whom it reminds; and lets the customer withdraw at any time. The application
-- and its workflow are made by one transaction: there is never one without the
-- other.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;

-- -- the application's tables and functions ------------------------------------

CREATE TABLE loan (id int PRIMARY KEY, customer text NOT NULL, amount numeric NOT NULL, state text NOT NULL DEFAULT 'new', score int);
CREATE TABLE letter (customer text NOT NULL, subject text NOT NULL);

-- The bureau is busy at each first call. What fails is tried again; nothing of the failed attempt stays.
CREATE FUNCTION credit_score(loan_id int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  found int;
BEGIN
  UPDATE loan SET score = 800 - amount / 100 WHERE id = loan_id RETURNING score INTO found;
  IF (wf_activity_info()->>'attempt')::int = 1 THEN
    PERFORM wf_fail('BureauBusy', 'the bureau is busy', next_retry_delay => '100 ms');
  END IF;
  RETURN found;
END $$;

-- The new state and the letter that tells of it are one step, so one transaction.
CREATE FUNCTION set_state(loan_id int, state text) RETURNS void LANGUAGE sql AS $$
  UPDATE loan l SET state = set_state.state WHERE id = loan_id;
  INSERT INTO letter SELECT customer, 'your loan is ' || set_state.state FROM loan WHERE id = loan_id;
$$;

CREATE FUNCTION remind_officer(loan_id int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO letter VALUES ('officer', 'please decide on loan ' || loan_id)
$$;

-- -- the workflow -----------------------------------------------------------------

CREATE FUNCTION loan_approval(loan_id int, days int DEFAULT 7) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  score int;
  verdict jsonb;
  state text;
BEGIN
  PERFORM wf_set('stage', '"scoring"');
  score := wf_activity('credit_score', jsonb_build_object('loan_id', loan_id), retry => wf_retry(max_attempts => 10));

  IF score < 500 THEN
    state := 'rejected';
  ELSE
    PERFORM wf_set('stage', '"waiting for the officer"');
    verdict := wf_wait_signal('verdict', timeout => make_interval(days => days - 1));
    IF verdict IS NULL THEN
      PERFORM wf_activity('remind_officer', jsonb_build_object('loan_id', loan_id));
      verdict := wf_wait_signal('verdict', timeout => '1 day');
    END IF;
    state := CASE WHEN verdict IS NULL THEN 'expired' WHEN verdict->>'approved' = 'true' THEN 'approved' ELSE 'rejected' END;
  END IF;

  PERFORM wf_activity('set_state', jsonb_build_object('loan_id', loan_id, 'state', state));
  RETURN state;
EXCEPTION WHEN SQLSTATE 'WF003' THEN             -- cancelled: the customer has withdrawn
  PERFORM wf_activity('set_state', jsonb_build_object('loan_id', loan_id, 'state', 'withdrawn'));
  RAISE;
END $$;

-- -- and its use --------------------------------------------------------------------

CREATE FUNCTION apply_for_loan(id int, customer text, amount numeric) RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO loan VALUES (id, customer, amount);
  SELECT wf_start('loan_approval', jsonb_build_object('loan_id', id), id => 'loan-' || id, search_attributes => jsonb_build_object('customer', customer));
$$;

\echo Four applications
SELECT apply_for_loan(1, 'ann', 5000) AS ann, apply_for_loan(2, 'bob', 90000) AS bob, apply_for_loan(3, 'cyd', 7000) AS cyd, apply_for_loan(4, 'dan', 100) AS dan;

\echo One is below the score, and is rejected without anybody.
SELECT wf_result('loan-2', timeout => '30 s');
\echo The officer decides on two, as part of any transaction of his.
SELECT wf_signal('loan-1', 'verdict', '{"approved": true, "by": "olga"}'), wf_signal('loan-3', 'verdict', '{"approved": false, "by": "olga"}');
SELECT wf_result('loan-1', timeout => '30 s') AS loan_1, wf_result('loan-3', timeout => '30 s') AS loan_3;
\echo The fourth customer withdraws: all his open loans are cancelled.
SELECT wf_cancel(workflow_id, 'customer has withdrawn') FROM wf_executions WHERE status = 'running' AND search_attributes @> '{"customer": "dan"}';
DO $$
BEGIN
  PERFORM wf_result('loan-4', timeout => '30 s');
EXCEPTION WHEN SQLSTATE 'WF012' THEN
  RAISE NOTICE '%', SQLERRM;
END $$;
SELECT id, customer, state, score FROM loan ORDER BY id;
SELECT * FROM letter;

\echo And one that nobody decides on, in a test of the same workflow: it takes a week of the test''s time, and none of ours.
BEGIN;
SELECT wf_test_begin('2026-03-01 09:00 UTC');
SELECT apply_for_loan(5, 'eve', 100) AS eve;
SELECT wf_test_advance('6 days 1 hour');
SELECT subject AS after_six_days FROM letter WHERE customer = 'officer';
SELECT wf_test_advance('1 day');
SELECT wf_result('loan-5') AS after_seven_days, wf_result('loan-5') = '"expired"' AND (SELECT count(*) = 1 FROM letter WHERE customer = 'officer') AS as_expected \gset
ROLLBACK;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN :'as_expected'
    AND (SELECT array_agg(state ORDER BY id) FROM loan) = '{approved,rejected,rejected,withdrawn}'
    AND (SELECT array_agg(status ORDER BY workflow_id) FROM wf_executions) = '{completed,completed,completed,cancelled}'
    AND (SELECT count(*) FROM letter) = 4
  THEN 'ok' ELSE 'not what was expected' END;
