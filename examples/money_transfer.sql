-- A transfer between two accounts that never loses money.
--
--     createdb bank && psql -d bank -f examples/money_transfer.sql
--
-- Each step is a function of your own and one transaction with its record in
-- the workflow's history, so it takes effect exactly once, whatever dies.
-- Large transfers wait, for days if need be, until somebody approves them. If
-- the transfer fails, is rejected, cancelled or times out, what was withdrawn
-- goes back: that is what wf_compensate() says, and nothing else is needed.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;

-- -- the application's tables and functions ------------------------------------

CREATE TABLE account (name text PRIMARY KEY, balance numeric NOT NULL CHECK (balance >= 0), closed boolean NOT NULL DEFAULT false);
INSERT INTO account VALUES ('anna', 50000, false), ('bert', 100, false), ('gone', 0, true);

CREATE FUNCTION withdraw(account text, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE account a SET balance = balance - amount WHERE name = account AND balance >= amount;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'account % does not have %', account, amount;
  END IF;
END $$;

CREATE FUNCTION deposit(account text, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE account a SET balance = balance + amount WHERE name = account AND NOT closed;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'account % is closed', account;
  END IF;
END $$;

-- what undoes a withdrawal works on closed accounts too
CREATE FUNCTION refund(account text, amount numeric) RETURNS void LANGUAGE sql AS $$
  UPDATE account a SET balance = balance + amount WHERE name = account
$$;

-- -- the workflow -----------------------------------------------------------------

CREATE FUNCTION transfer(src text, dst text, amount numeric) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  verdict jsonb;
BEGIN
  PERFORM wf_activity('withdraw', jsonb_build_object('account', src, 'amount', amount));
  PERFORM wf_compensate('refund', jsonb_build_object('account', src, 'amount', amount));

  IF amount > 10000 THEN
    PERFORM wf_upsert_search_attributes('{"state": "waits for approval"}');
    verdict := wf_wait_signal('verdict', timeout => '7 days');
    IF verdict IS NULL OR verdict->>'approved' <> 'true' THEN
      RAISE EXCEPTION 'not approved%', coalesce(': ' || (verdict->>'reason'), ' in time');
    END IF;
    PERFORM wf_upsert_search_attributes('{"state": null}');
  END IF;

  PERFORM wf_activity('deposit', jsonb_build_object('account', dst, 'amount', amount));
  RETURN jsonb_build_object('moved', amount);
END $$;

-- -- and its use --------------------------------------------------------------------

\echo A transfer. The workflow id keeps a second click from moving the money twice.
SELECT wf_start('transfer', '{"src": "anna", "dst": "bert", "amount": 50}', id => 'transfer-1') AS run;
SELECT wf_result('transfer-1', timeout => '30 s');

\echo One to a closed account: it fails, and the money is back.
SELECT wf_start('transfer', '{"src": "anna", "dst": "gone", "amount": 70}', id => 'transfer-2') AS run;
DO $$
BEGIN
  PERFORM wf_result('transfer-2', timeout => '30 s');
EXCEPTION WHEN SQLSTATE 'WF012' THEN
  RAISE NOTICE 'transfer-2: %', SQLERRM;
END $$;

\echo Two large ones: one is approved, the other is not. wf_signal is a statement like any other, part of your transaction.
SELECT wf_start('transfer', '{"src": "anna", "dst": "bert", "amount": 20000}', id => 'transfer-3') AS run;
SELECT wf_start('transfer', '{"src": "anna", "dst": "bert", "amount": 15000}', id => 'transfer-4') AS run;
SELECT wf_signal('transfer-3', 'verdict', '{"approved": true}');
SELECT wf_signal('transfer-4', 'verdict', '{"approved": false, "reason": "looks odd"}');
SELECT wf_result('transfer-3', timeout => '30 s');
DO $$
BEGIN
  PERFORM wf_result('transfer-4', timeout => '30 s');
EXCEPTION WHEN SQLSTATE 'WF012' THEN
  RAISE NOTICE 'transfer-4: %', SQLERRM;
END $$;

\echo What happened to the one that was rejected
SELECT event_id, event_type, coalesce(attributes->>'activity', attributes->>'signal') AS what FROM wf_history('transfer-4');
SELECT * FROM account ORDER BY name;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN (SELECT array_agg(balance ORDER BY name) FROM account) = '{29950,20150,0}'
    AND (SELECT array_agg(status ORDER BY workflow_id) FROM wf_executions WHERE workflow = 'transfer') = '{completed,failed,completed,failed}'
  THEN 'ok' ELSE 'not what was expected' END;
