-- The workflows that are measured. bench1 and bench5 leave one row per step, so
-- that exactly once can be counted; the _noop ones show the engine alone.

CREATE TABLE bench_effect (n int);

CREATE FUNCTION bench_step(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO bench_effect VALUES (n);
  RETURN n;
END $$;

CREATE FUNCTION bench_nothing(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RETURN n;
END $$;

CREATE FUNCTION bench1(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('bench_step', jsonb_build_object('n', n));
END $$;

CREATE FUNCTION bench1_noop(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('bench_nothing', jsonb_build_object('n', n));
END $$;

CREATE FUNCTION bench5(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('bench_step', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_step', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_step', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_step', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_step', jsonb_build_object('n', n));
END $$;

-- A step that leaves a temporary table, which the next must not find.
CREATE FUNCTION bench_temp(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT bench_temp.n;
  RETURN (SELECT count(*) FROM scratch);
END $$;

CREATE FUNCTION bench1_temp(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('bench_temp', jsonb_build_object('n', n));
END $$;

CREATE FUNCTION bench5_noop(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('bench_nothing', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_nothing', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_nothing', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_nothing', jsonb_build_object('n', n));
  PERFORM wf_activity('bench_nothing', jsonb_build_object('n', n));
END $$;

-- n/2 steps (two events each), then a wait that each signal answers for one turn.
CREATE FUNCTION bench_replay(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r jsonb;
BEGIN
  FOR i IN 1 .. n / 2 LOOP
    r := wf_activity('bench_nothing', jsonb_build_object('n', i));
  END LOOP;
  LOOP
    r := wf_wait_signal('go');
  END LOOP;
END $$;

-- The same, with PERFORM: PL/pgSQL runs an assignment as a bare expression, a
-- PERFORM as a whole SELECT, and this shows the difference.
CREATE FUNCTION bench_replay_perform(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. n / 2 LOOP
    PERFORM wf_activity('bench_nothing', jsonb_build_object('n', i));
  END LOOP;
  LOOP
    PERFORM wf_wait_signal('go');
  END LOOP;
END $$;

CREATE FUNCTION bench_sleep(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('30 days');
END $$;

-- Activities in task queues.

CREATE FUNCTION bench_external(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('task', jsonb_build_object('n', n), task_queue => 'bench', start_to_close => '60 s');
END $$;

CREATE FUNCTION bench_fair(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('task', jsonb_build_object('n', n), task_queue => 'fair', start_to_close => '60 s');
END $$;

CREATE FUNCTION bench_queued(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('bench_nothing', jsonb_build_object('n', n), mode => 'queued');
END $$;

CREATE FUNCTION bench_queued_insert(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_activity('bench_step', jsonb_build_object('n', n), mode => 'queued');
END $$;

CREATE FUNCTION bench_wait() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_wait_signal('go');
END $$;

-- Fans out to n queued activities and waits for all of them at once.
CREATE FUNCTION bench_fan_out(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  handles wf_handle[];
BEGIN
  FOR i IN 1 .. n LOOP
    handles := handles || wf_start_activity('bench_nothing', jsonb_build_object('n', i));
  END LOOP;
  RETURN cardinality(wf_await_all(handles));
END $$;

CREATE FUNCTION bench_chain(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF n > 0 THEN
    PERFORM wf_continue_as_new(jsonb_build_object('n', n - 1));
  END IF;
  RETURN n;
END $$;

CREATE FUNCTION bench_child() RETURNS void LANGUAGE sql AS '';

-- Starts n children and waits for all of them together.
CREATE FUNCTION bench_family(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  handles wf_handle[];
BEGIN
  handles := ARRAY(SELECT wf_start_child('bench_child') FROM generate_series(1, n));
  RETURN cardinality(wf_await_all(handles));
END $$;
