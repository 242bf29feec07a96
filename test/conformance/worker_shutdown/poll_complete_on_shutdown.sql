-- A poll that waits ends when its worker is told to stop, and has taken nothing.
\ir ../prelude.psql
SELECT plan(4);
CREATE EXTENSION dblink;
CREATE FUNCTION workflow() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('a', task_queue => 'q'); END $$;
SELECT dblink_connect('worker', format('host=%s port=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database())) \g /dev/null
SELECT pid FROM dblink('worker', 'SELECT pg_backend_pid()') AS r(pid int) \gset
SELECT dblink_send_query('worker', $$SELECT activity FROM wf_poll_activities('q', wait => '1 minute')$$) \g /dev/null
SELECT ok(wait_for(format($$EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active' AND wait_event_type = 'Extension')$$, :pid)), 'the poll waits');
SELECT ok(pg_cancel_backend(:pid), 'it is told to stop');
SELECT ok(wait_for($$dblink_is_busy('worker') = 0$$), 'the poll ends at once');
SELECT wf_start('workflow', id => 'w') AS run \gset
SELECT task_token AS token FROM wf_poll_activities('q', wait => '5 s') \gset
SELECT wf_complete_activity(:'token', '"other worker"') \g /dev/null
SELECT is(wf_result('w'), '"other worker"', 'tasks that come go to others');
SELECT * FROM finish();
