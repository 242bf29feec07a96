\set n random(1, 1000000000)
SELECT wf_start('bench1', jsonb_build_object('n', :n::int));
