-- One workflow for each order, all in one transaction.
SELECT count(wf_start('process_order', jsonb_build_object('order_id', id), id => 'order-' || id))
       AS workflows_started
FROM orders;
