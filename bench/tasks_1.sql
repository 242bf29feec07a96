SELECT task_token AS token FROM wf_poll_activities('bench', 1, 'bench') \gset
SELECT wf_complete_activity(:token, 'null');
