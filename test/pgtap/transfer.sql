-- The transfer of the quick taste, tested as a user would: mock nothing, drive the engine by CALL wf_work().
SET statement_timeout = '20s';                   -- a result that never comes is a failure, not a hang
SELECT plan(17);

CREATE TABLE account (name text PRIMARY KEY, balance numeric NOT NULL CHECK (balance >= 0));
INSERT INTO account VALUES ('a', 100), ('b', 0), ('rich', 50000);

CREATE FUNCTION withdraw(account text, amount numeric) RETURNS numeric
LANGUAGE sql AS $$ UPDATE account a SET balance = balance - amount WHERE name = account RETURNING balance $$;
CREATE FUNCTION refund(account text, amount numeric) RETURNS numeric
LANGUAGE sql AS $$ UPDATE account a SET balance = balance + amount WHERE name = account RETURNING balance $$;
CREATE FUNCTION deposit(account text, amount numeric) RETURNS numeric
LANGUAGE plpgsql AS $$
DECLARE
  result numeric;
BEGIN
  UPDATE account a SET balance = balance + amount WHERE name = account RETURNING balance INTO result;
  IF NOT FOUND THEN RAISE EXCEPTION 'no account %', account; END IF;
  RETURN result;
END $$;

CREATE FUNCTION transfer(src text, dst text, amount numeric) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('withdraw', jsonb_build_object('account', src, 'amount', amount));
  BEGIN
    PERFORM wf_activity('deposit', jsonb_build_object('account', dst, 'amount', amount));
  EXCEPTION WHEN SQLSTATE 'WF001' THEN           -- activity failed for good
    PERFORM wf_activity('refund', jsonb_build_object('account', src, 'amount', amount));
    RAISE;
  END;
  IF amount > 10000 AND wf_wait_signal('approve', timeout => '7 days') IS NULL THEN
    RAISE EXCEPTION 'not approved in time';
  END IF;
  RETURN jsonb_build_object('moved', amount);
END $$;

-- The plain case
SELECT lives_ok($$SELECT wf_start('transfer', '{"src":"a","dst":"b","amount":50}', id => 'transfer-1')$$, 'a transfer starts');
SELECT is((SELECT balance FROM account WHERE name = 'a'), 100::numeric, 'nothing has happened before the first turn');
CALL wf_work();
SELECT is(wf_result('transfer-1'), '{"moved": 50}', 'the transfer completes');
SELECT results_eq('SELECT name, balance FROM account WHERE name IN (''a'', ''b'') ORDER BY 1', $$VALUES ('a', 50::numeric), ('b', 50::numeric)$$, 'the money has moved once');
SELECT is(array_agg(event_type ORDER BY event_id), '{workflow_started,activity_scheduled,activity_completed,activity_scheduled,activity_completed,workflow_completed}',
  'its history tells so') FROM wf_history('transfer-1');
SELECT throws_ok($$SELECT wf_start('transfer', '{"src":"a","dst":"b","amount":50}', id => 'transfer-1', on_closed => 'reject')$$,
  'WF006', NULL, 'a second start of the id can be refused');

-- No such account: what was withdrawn comes back
SELECT wf_start('transfer', '{"src":"a","dst":"nobody","amount":20}', id => 'transfer-2') \g /dev/null
CALL wf_work();
SELECT throws_ok($$SELECT wf_result('transfer-2')$$, 'WF012', 'workflow "transfer-2" failed: no account nobody', 'a failing deposit fails the transfer');
SELECT is((SELECT balance FROM account WHERE name = 'a'), 50::numeric, 'and its amount is refunded');
-- Not enough money: nothing was withdrawn, nothing to refund
SELECT wf_start('transfer', '{"src":"a","dst":"b","amount":51}', id => 'transfer-3') \g /dev/null
CALL wf_work();
SELECT throws_like($$SELECT wf_result('transfer-3')$$, '%account_balance_check%', 'a failing withdrawal fails the transfer');
SELECT is((SELECT sum(balance) FROM account), 50100::numeric, 'no money was made or lost');

-- Large amounts wait for approval
SELECT wf_start('transfer', '{"src":"rich","dst":"b","amount":20000}', id => 'transfer-4') \g /dev/null
CALL wf_work();
SELECT is(wf_query('transfer-4', '__stack') ->> 'waiting_for', 'signal approve', 'a large transfer waits for approval');
SELECT throws_ok($$SELECT wf_result('transfer-4', timeout => '0')$$, 'WF015', NULL, 'its result is not there yet');
SELECT lives_ok($$SELECT wf_signal('transfer-4', 'approve', '{"by": "boss"}')$$, 'it is approved');
CALL wf_work();
SELECT is(wf_result('transfer-4'), '{"moved": 20000}', 'and completes');

-- or fail after seven days.
SELECT wf_start('transfer', '{"src":"rich","dst":"b","amount":15000}', id => 'transfer-5') \g /dev/null
CALL wf_work();
SET durable.clock_offset = '6d';
CALL wf_work();
SELECT is((SELECT status FROM wf_executions WHERE workflow_id = 'transfer-5'), 'running', 'on the sixth day it still waits');
SET durable.clock_offset = '8d';
CALL wf_work();
SELECT throws_ok($$SELECT wf_result('transfer-5')$$, 'WF012', 'workflow "transfer-5" failed: not approved in time', 'on the eighth it has failed');
SELECT is_empty('SELECT * FROM wf_stuck', 'nothing is stuck');

SELECT * FROM finish();
