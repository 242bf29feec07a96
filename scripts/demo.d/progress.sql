-- How far the orders are: their workflows by status, and what the steps wrote.
SELECT count(*) FILTER (WHERE status = 'running')   AS running,
       count(*) FILTER (WHERE status = 'completed') AS completed,
       count(*) FILTER (WHERE status NOT IN ('running', 'completed')) AS other,
       (SELECT count(*) FROM charges)       AS charges,
       (SELECT count(*) FROM provisioned)   AS provisioned,
       (SELECT count(*) FROM confirmations) AS confirmations
FROM wf_executions;
