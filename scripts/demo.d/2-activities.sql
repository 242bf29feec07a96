-- The steps: plain functions over plain tables, nothing in them knows of
-- workflows. None guards against running twice; that is the engine's work.

CREATE FUNCTION validate_order(order_id bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('customer', c.name, 'amount', o.amount)
  FROM orders o JOIN customers c ON c.id = o.customer_id
  WHERE o.id = order_id AND o.amount > 0
$$;

CREATE FUNCTION charge_order(order_id bigint) RETURNS numeric
LANGUAGE plpgsql AS $$
DECLARE
  o orders;
BEGIN
  SELECT * INTO STRICT o FROM orders WHERE id = charge_order.order_id;
  PERFORM pg_sleep(0.01);              -- a payment takes a moment
  INSERT INTO charges (order_id, amount) VALUES (o.id, o.amount);
  UPDATE accounts SET balance = balance - o.amount WHERE customer_id = o.customer_id;
  RETURN o.amount;
END $$;

CREATE FUNCTION provision_order(order_id bigint) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO provisioned (order_id) VALUES (order_id)
$$;

CREATE FUNCTION confirm_order(order_id bigint) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO confirmations (order_id) VALUES (confirm_order.order_id);
  RETURN 'order ' || order_id || ' is on its way';
END $$;
