SELECT count(wf_start('bench1', jsonb_build_object('n', n))) FROM generate_series(1, 100) n;
