-- A person approves the large orders.
SELECT count(*) AS approvals_sent
FROM orders, wf_signal('order-' || id, 'approve', jsonb_build_object('by', 'alice'))
WHERE amount > 500;
