\set n :n + 1
\set id 1 + (:n * 7919) % :count
SELECT wf_signal(format('%s-%s', :set::text, :id::text), 'go');
