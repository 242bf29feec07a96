-- A saga whose third step fails: what was done before is undone, in reverse order.
BEGIN;
SELECT plan(12);

CREATE TABLE stock (item text PRIMARY KEY, left_over int NOT NULL CHECK (left_over >= 0));
INSERT INTO stock VALUES ('lamp', 5);
CREATE FUNCTION reserve(item text) RETURNS void LANGUAGE sql AS $$ UPDATE stock s SET left_over = left_over - 1 WHERE s.item = $1 $$;
CREATE FUNCTION unreserve(item text) RETURNS void LANGUAGE sql AS $$ UPDATE stock s SET left_over = left_over + 1 WHERE s.item = $1 $$;

CREATE FUNCTION order_saga(item text, card text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  payment jsonb;
BEGIN
  PERFORM wf_activity('reserve', jsonb_build_object('item', item));
  BEGIN
    payment := wf_activity('charge', jsonb_build_object('card', card), task_queue => 'payments');
    BEGIN
      PERFORM wf_activity('ship', jsonb_build_object('item', item), task_queue => 'warehouse', retry => wf_retry(max_attempts => 2));
    EXCEPTION WHEN SQLSTATE 'WF001' OR SQLSTATE 'WF002' THEN
      PERFORM wf_activity('refund', payment, task_queue => 'payments');
      RAISE;
    END;
  EXCEPTION WHEN SQLSTATE 'WF001' OR SQLSTATE 'WF002' THEN
    PERFORM wf_activity('unreserve', jsonb_build_object('item', item));
    RAISE;
  END;
  RETURN 'shipped';
END $$;

SELECT wf_test_begin();
SELECT wf_test_mock('charge', '{"payment": 17}');
SELECT wf_test_mock('refund');
SELECT wf_test_mock('ship');

SELECT is(wf_test_run('order_saga', '{"item": "lamp", "card": "4711"}'), '"shipped"', 'an order is shipped');
SELECT is(left_over, 4, 'one lamp less') FROM stock;
SELECT is_empty('SELECT * FROM wf_test_calls(''refund'')', 'nothing is refunded');

-- The warehouse burns. Started and driven apart, so that what it did can be looked at after the failure.
SELECT wf_test_mock('ship', error => 'fire', message => 'the warehouse is on fire');
SELECT lives_ok($$SELECT wf_start('order_saga', '{"item": "lamp", "card": "4711"}', id => 'order-2')$$, 'another order');
SELECT wf_test_advance('1 hour');
SELECT throws_ok($$SELECT wf_result('order-2')$$, 'WF012', 'workflow "order-2" failed: the warehouse is on fire', 'cannot be shipped');
SELECT is(left_over, 4, 'its lamp is back') FROM stock;
SELECT results_eq('SELECT * FROM wf_test_calls(''refund'')', $$VALUES ('{"payment": 17}'::jsonb)$$, 'its payment is refunded, once');
SELECT is(count(*), 3::bigint, 'shipping was tried twice') FROM wf_test_calls('ship');
SELECT results_eq($$SELECT attributes->>'activity' FROM wf_history('order-2') WHERE event_type = 'activity_scheduled'$$,
  ARRAY['reserve', 'charge', 'ship', 'refund', 'unreserve'], 'all in this order');

-- The card is declined: there is nothing to refund. The calls are known even of a run whose failure is expected.
SELECT wf_test_mock('charge', error => 'declined', message => 'card declined', non_retryable => true);
SELECT throws_like($$SELECT wf_test_run('order_saga', '{"item": "lamp", "card": "0"}')$$, '%card declined', 'a card is declined');
SELECT is(count(*), 1::bigint, 'nothing more was refunded') FROM wf_test_calls('refund');

-- The payment provider hangs.
SELECT wf_test_mock('charge', times_out => 'start_to_close', times => 1);
SELECT wf_test_mock('charge', '{"payment": 18}', times => 1);
SELECT wf_test_mock('ship');
SELECT is(wf_test_run('order_saga', '{"item": "lamp", "card": "4711"}'), '"shipped"', 'a charge that hangs is tried again after its timeout');

SELECT * FROM finish();
ROLLBACK;
