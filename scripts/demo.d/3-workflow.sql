CREATE FUNCTION process_order(order_id bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  step    jsonb := jsonb_build_object('order_id', order_id);
  amount  numeric;
BEGIN
  amount := wf_activity('validate_order', step)->>'amount';

  IF amount > 500 AND wf_wait_signal('approve', timeout => '1 hour') IS NULL THEN
    RAISE EXCEPTION 'order % was not approved in time', order_id;
  END IF;

  PERFORM wf_activity('charge_order', step);
  PERFORM wf_sleep('2 seconds');       -- the warehouse packs
  PERFORM wf_activity('provision_order', step);
  RETURN wf_activity('confirm_order', step);
END $$;
