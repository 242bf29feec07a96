-- A loan application: checks that may be busy, a decision by a human with a reminder, and a customer who may withdraw.
SET statement_timeout = '20s';                   -- a result that never comes is a failure, not a hang
SELECT plan(19);

CREATE TABLE application (id int PRIMARY KEY, customer text NOT NULL, amount int NOT NULL, state text NOT NULL DEFAULT 'new', score int);
CREATE TABLE mail (recipient text, subject text);
CREATE SEQUENCE bureau_calls;

CREATE FUNCTION set_state(app int, state text) RETURNS void
LANGUAGE sql AS $$ UPDATE application a SET state = set_state.state WHERE id = app $$;
CREATE FUNCTION send_mail(recipient text, subject text) RETURNS void
LANGUAGE sql AS $$ INSERT INTO mail VALUES (recipient, subject) $$;
-- The credit bureau is busy at the first call.
CREATE FUNCTION credit_score(app int) RETURNS int
LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('bureau_calls') = 1 THEN RAISE EXCEPTION 'bureau is busy' USING ERRCODE = 'BUSY1'; END IF;
  UPDATE application SET score = 600 + amount % 300 WHERE id = app;
  RETURN (SELECT score FROM application WHERE id = app);
END $$;

CREATE FUNCTION loan(app int, customer text, amount int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  score int;
  decision jsonb;
BEGIN
  PERFORM wf_set('stage', '"scoring"');
  score := wf_activity('credit_score', jsonb_build_object('app', app), retry => wf_retry(initial_interval => '1 min', max_attempts => 5));
  IF score < 650 THEN
    PERFORM wf_activity('set_state', jsonb_build_object('app', app, 'state', 'rejected'));
    RETURN 'rejected by score';
  END IF;

  PERFORM wf_set('stage', '"waiting for a decision"');
  LOOP
    decision := wf_wait_signal('decision', timeout => '3 days');
    EXIT WHEN decision IS NOT NULL;
    PERFORM wf_activity('send_mail', jsonb_build_object('recipient', 'officer', 'subject', 'reminder: ' || customer));
  END LOOP;

  PERFORM wf_activity('set_state', jsonb_build_object('app', app, 'state', decision ->> 'verdict'));
  PERFORM wf_activity('send_mail', jsonb_build_object('recipient', customer, 'subject', 'your loan: ' || (decision ->> 'verdict')));
  RETURN decision ->> 'verdict';
EXCEPTION WHEN SQLSTATE 'WF003' THEN             -- the customer has withdrawn
  PERFORM wf_activity('set_state', jsonb_build_object('app', app, 'state', 'withdrawn'));
  PERFORM wf_activity('send_mail', jsonb_build_object('recipient', 'officer', 'subject', 'withdrawn: ' || customer));
  RAISE;
END $$;

-- An application starts its workflow in its own transaction.
CREATE FUNCTION apply(id int, customer text, amount int) RETURNS uuid
LANGUAGE sql AS $$
  INSERT INTO application VALUES (id, customer, amount);
  SELECT wf_start('loan', jsonb_build_object('app', id, 'customer', customer, 'amount', amount), id => 'loan-' || id,
    search_attributes => jsonb_build_object('customer', customer));
$$;
SELECT throws_ok($$SELECT apply(1, 'ann', 100), 1 / 0$$, '22012', NULL, 'an application that is rolled back');
SELECT is_empty('SELECT * FROM wf_executions', 'starts nothing');
SELECT lives_ok($$SELECT apply(1, 'ann', 100)$$, 'ann applies');
CALL wf_work();

-- The bureau was busy: the check is tried again after a minute.
SELECT is(wf_query('loan-1', 'stage'), '"scoring"', 'the loan is being scored');
SELECT is(d #>> '{pending_activities,0,last_failure,message}', 'bureau is busy', 'the bureau was busy') FROM wf_describe('loan-1') d;
CALL wf_work();
SELECT is((SELECT last_value FROM bureau_calls), 1::bigint, 'it is not called again before its time');
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT is(wf_query('loan-1', 'stage'), '"waiting for a decision"', 'scored, it waits for a decision');
SELECT is((SELECT score FROM application WHERE id = 1), 700, 'the score is there');

-- Nobody decides: reminders after three days and after six
SET durable.clock_offset = '73h';
CALL wf_work();
SET durable.clock_offset = '146h';
CALL wf_work();
SELECT results_eq('SELECT recipient, subject FROM mail', $$VALUES ('officer', 'reminder: ann'), ('officer', 'reminder: ann')$$, 'two reminders were sent');
SELECT lives_ok($$SELECT wf_signal('loan-1', 'decision', '{"verdict": "approved"}')$$, 'the officer approves');
CALL wf_work();
SELECT is(wf_result('loan-1'), '"approved"', 'the loan is approved');
SELECT is((SELECT state FROM application WHERE id = 1), 'approved', 'the application says so');
SELECT is((SELECT count(*) FROM mail WHERE recipient = 'ann'), 1::bigint, 'the customer was told once');

-- A low score is rejected at once.
SELECT apply(2, 'bob', 10) \g /dev/null
CALL wf_work();
SELECT is(wf_result('loan-2'), '"rejected by score"', 'a low score is rejected');
-- A customer withdraws.
SELECT apply(3, 'cyd', 200) \g /dev/null
CALL wf_work();
SELECT ok(wf_cancel(workflow_id, 'changed her mind'), 'cyd is found by her name and withdraws')
FROM wf_executions WHERE search_attributes @> '{"customer": "cyd"}';
CALL wf_work();
SELECT is((SELECT status FROM wf_executions WHERE workflow_id = 'loan-3'), 'cancelled', 'her loan is cancelled');
SELECT is((SELECT state FROM application WHERE id = 3), 'withdrawn', 'her application is withdrawn');
SELECT throws_ok($$SELECT wf_signal('loan-3', 'decision', '{}')$$, 'WF007', NULL, 'no decision can be made on it any more');

SELECT results_eq('SELECT status, count(*)::int FROM wf_executions GROUP BY 1 ORDER BY 1', $$VALUES ('cancelled', 1), ('completed', 2)$$, 'all loans are settled');
SELECT * FROM finish();
