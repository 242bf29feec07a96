SELECT wf_start('bench_external', '{"n": 1}') AS run \gset
SELECT wf_result(:run);
