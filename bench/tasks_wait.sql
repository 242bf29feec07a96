SELECT array_agg(task_token) AS tokens, count(*)::int AS n FROM wf_poll_activities('bench', 100, 'bench', wait => '1 s') \gset
\if :n > 0
SELECT wf_complete_activities(:tokens::text[], array_fill('null'::jsonb, ARRAY[:n::int]));
\endif
