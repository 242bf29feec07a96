SELECT wf_start('bench1', '{"n": 1}') AS run \gset
SELECT wf_result(:run);
