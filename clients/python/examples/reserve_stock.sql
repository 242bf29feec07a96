-- An order whose stock is kept by another service, reached by HTTP (reserve_stock.py).
CREATE FUNCTION order_stock(sku text, quantity int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('reserve_stock', jsonb_build_object('sku', sku, 'quantity', quantity),
                     task_queue => 'stock', start_to_close => '10s',
                     retry => wf_retry(max_attempts => 5));
END $$;
