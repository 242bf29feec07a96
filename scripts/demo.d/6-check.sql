-- Did each order go through exactly once? A line and a mark for each question;
-- :in_flight is how many runs were open when the server was killed.
WITH steps AS (
  SELECT (SELECT count(*) FROM charges c       WHERE c.order_id = o.id) AS charges,
         (SELECT count(*) FROM provisioned p   WHERE p.order_id = o.id) AS provisioned,
         (SELECT count(*) FROM confirmations f WHERE f.order_id = o.id) AS confirmed
  FROM orders o
), facts AS (
  SELECT count(*)                                   AS orders,
         sum(charges)                               AS charges,
         count(*) FILTER (WHERE charges > 1)        AS charged_twice,
         count(*) FILTER (WHERE charges = 0)        AS never_charged,
         count(*) FILTER (WHERE provisioned <> 1)   AS not_provisioned_once,
         count(*) FILTER (WHERE confirmed <> 1)     AS not_confirmed_once,
         (SELECT count(*) FROM wf_executions WHERE workflow_id LIKE 'order-%' AND status = 'completed') AS completed,
         (SELECT sum(amount) FROM orders)            AS ordered,
         (SELECT sum(amount) FROM charges)           AS charged,
         (SELECT sum(opening - balance) FROM accounts) AS taken
  FROM steps
)
SELECT CASE WHEN c.ok THEN '✓ ' ELSE '✗ ' END || c.line
FROM facts, LATERAL (VALUES
  (1, :in_flight >= 100,         format('%s workflows were in flight when the server was killed', :in_flight)),
  (2, completed = orders,        format('%s orders, %s completed runs', orders, completed)),
  (3, charges = orders,          format('%s charges', charges)),
  (4, charged_twice = 0,         format('%s orders charged more than once', charged_twice)),
  (5, never_charged = 0,         format('%s orders never charged', never_charged)),
  (6, not_provisioned_once = 0,  format('%s orders not provisioned exactly once', not_provisioned_once)),
  (7, not_confirmed_once = 0,    format('%s orders not confirmed exactly once', not_confirmed_once)),
  (8, charged = taken AND charged = ordered,
                                 format('%s ordered = %s charged = %s gone from the accounts', ordered, charged, taken))
) AS c (number, ok, line)
ORDER BY c.number;
