CALL wf_execute('bench1', '{"n": 1}', NULL);
