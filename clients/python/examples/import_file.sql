-- A large file, imported by import_file.py.
CREATE TABLE reading (sensor int, value int);

CREATE FUNCTION import_readings(path text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('import_file', jsonb_build_object('path', path), task_queue => 'import',
                     start_to_close => '1 hour', heartbeat => '2 seconds');
END $$;
