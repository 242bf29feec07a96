SELECT wf_start('bench_external', '{"n": 1}');
