-- A subscription: charged once a month, for a year, and cancelled whenever the
-- customer wants.
--
--     createdb shop && psql -d shop -f examples/subscription.sql
--
-- One workflow lives as long as its subscription. It sleeps by the calendar, not
-- by a fixed number of seconds; while it sleeps it costs a row. A signal changes
-- the plan, a cancel request ends it at once. A card that is declined is tried
-- again for days before the subscription is given up.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;
SET timezone = 'UTC';

-- -- the application's tables and functions ------------------------------------

CREATE TABLE charge (customer text NOT NULL, period int NOT NULL, amount numeric NOT NULL, PRIMARY KEY (customer, period));
CREATE TABLE card (customer text PRIMARY KEY, valid boolean NOT NULL DEFAULT true);
INSERT INTO card VALUES ('ann', true), ('bob', true), ('cyd', false);

CREATE FUNCTION charge_card(customer text, period int, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (SELECT valid FROM card c WHERE c.customer = charge_card.customer) THEN
    PERFORM wf_fail('CardDeclined', 'the card of ' || customer || ' is declined');
  END IF;
  INSERT INTO charge VALUES (customer, period, amount);
END $$;

-- -- the workflow -----------------------------------------------------------------

-- `month' is shorter for demonstrations.
CREATE FUNCTION subscription(customer text, price numeric, months int DEFAULT 12, month interval DEFAULT '1 month', patience interval DEFAULT '1 day')
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  begun timestamptz := wf_now();
  changed jsonb;
  paid numeric := 0;
BEGIN
  FOR period IN 1..months LOOP
    PERFORM wf_set('state', jsonb_build_object('period', period, 'price', price, 'paid', paid));
    PERFORM wf_activity('charge_card', jsonb_build_object('customer', customer, 'period', period, 'amount', price),
                        retry => wf_retry(max_attempts => 4, initial_interval => patience, backoff => 1));
    paid := paid + price;

    -- Sleep until the next period. Who changes the plan meanwhile wakes us, but for a moment only.
    LOOP
      changed := wf_wait_signal('change_price', timeout => greatest(begun + period * month - wf_now(), '0 s'));
      EXIT WHEN changed IS NULL;
      price := changed;
    END LOOP;
  END LOOP;
  RETURN jsonb_build_object('ended', 'in time', 'paid', paid);
EXCEPTION
  WHEN SQLSTATE 'WF003' THEN                     -- cancelled by the customer
    RETURN jsonb_build_object('ended', 'cancelled', 'paid', paid);
  WHEN SQLSTATE 'WF001' THEN                     -- the card was declined for good
    RETURN jsonb_build_object('ended', SQLERRM, 'paid', paid);
END $$;

-- -- and its use --------------------------------------------------------------------

\echo Months of a tenth of a second, with the workers of the server: a year for ann, and bob cancels at once.
SELECT wf_start('subscription', '{"customer": "ann", "price": 10, "month": "0.1 s"}', id => 'subscription-ann') AS ann,
  wf_start('subscription', '{"customer": "bob", "price": 20}', id => 'subscription-bob') AS bob;
SELECT wf_result('subscription-ann', timeout => '30 s') AS ann;
SELECT wf_query('subscription-bob', 'state') AS bob, waiting_for, waiting_at FROM wf_executions WHERE workflow_id = 'subscription-bob';
SELECT wf_cancel('subscription-bob', 'too expensive');
SELECT wf_result('subscription-bob', timeout => '30 s') AS bob;

\echo A real year, in a test: time is skipped, and all of it is rolled back.
BEGIN;
TRUNCATE charge;
SELECT wf_test_begin('2028-01-31 12:00');
SELECT wf_start('subscription', '{"customer": "ann", "price": 10}', id => 'year') AS run;
SELECT wf_test_signal_at('100 days', 'year', 'change_price', '15');
SELECT wf_test_advance('1 year 1 day');
SELECT wf_result('year') AS result;
SELECT timers.at::date AS charged, attributes->'input'->'amount' AS amount FROM wf_history('year') timers WHERE event_type = 'activity_scheduled';
SELECT wf_result('year') = '{"ended": "in time", "paid": 160}' AND wf_describe('year')->>'closed_at' LIKE '2029-01-31T12:00%'
  AND (SELECT count(*) = 12 FROM charge) AS year_as_expected \gset

\echo And a card that is declined: four attempts, a day apart.
SELECT wf_start('subscription', '{"customer": "cyd", "price": 30}', id => 'declined') AS run;
SELECT wf_test_advance('1 hour');
SELECT attempt, last_failure->>'message' AS last_failure, next_attempt_at::date FROM wf_activities WHERE workflow_id = 'declined';
SELECT wf_result('declined') AS result, wf_result('declined') = '{"ended": "the card of cyd is declined", "paid": 0}' AS declined_as_expected \gset
ROLLBACK;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN :'year_as_expected' AND :'declined_as_expected'
    AND wf_result('subscription-ann') = '{"ended": "in time", "paid": 120}'
    AND wf_result('subscription-bob') = '{"ended": "cancelled", "paid": 20}'
    AND (SELECT count(*) FROM charge WHERE customer = 'ann') = 12
  THEN 'ok' ELSE 'not what was expected' END;
