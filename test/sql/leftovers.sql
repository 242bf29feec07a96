-- A step finds a session as a new connection would: nothing of what others left, and nothing of the client's whose session it runs in.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE TABLE orders (id int, note text);
CREATE TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE SEQUENCE numbers CACHE 5;
-- Each of these leaves one thing; the same again must not meet it.
CREATE FUNCTION leave_table() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE orders AS SELECT 1 AS id; INSERT INTO orders VALUES (2); RETURN (SELECT count(*) FROM orders); END $$;
CREATE FUNCTION leave_drop() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT 1 AS id; RETURN (SELECT count(*) FROM scratch); END $$;
CREATE FUNCTION leave_rows() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE IF NOT EXISTS scratch (id int) ON COMMIT DELETE ROWS; INSERT INTO scratch VALUES (1); RETURN (SELECT count(*) FROM scratch); END $$;
CREATE FUNCTION leave_deferred() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE scratch (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO scratch VALUES (1); RETURN 1; END $$;
CREATE FUNCTION leave_sequence() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP SEQUENCE s; RETURN nextval('s'); END $$;
CREATE FUNCTION leave_view() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP VIEW orders AS SELECT 1 AS id; RETURN (SELECT id FROM orders); END $$;
CREATE FUNCTION leave_type() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
  CREATE TYPE pg_temp.orders AS ENUM ('a');
  EXECUTE format('CREATE TYPE %s.colour AS ENUM (''b'')', pg_my_temp_schema()::regnamespace);
  EXECUTE 'SELECT ''b''::pg_temp.colour::text' INTO r;
  RETURN r;
END $$;
CREATE FUNCTION leave_function() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; RETURN pg_temp.f(); END $$;
CREATE FUNCTION leave_statement() RETURNS int LANGUAGE plpgsql AS $$ DECLARE r int; BEGIN EXECUTE 'PREPARE plus AS SELECT 1 + 1'; EXECUTE 'EXECUTE plus' INTO r; RETURN r; END $$;
CREATE FUNCTION leave_cursor() RETURNS int LANGUAGE plpgsql AS $$ DECLARE c CURSOR FOR SELECT generate_series(1, 3); r int; BEGIN OPEN c; FETCH c INTO r; RETURN r; END $$;
CREATE FUNCTION leave_refcursor() RETURNS int LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'mine'; r int; BEGIN OPEN c FOR SELECT generate_series(1, 3); FETCH c INTO r; RETURN r; END $$;
CREATE FUNCTION leave_hold() RETURNS int LANGUAGE plpgsql AS $$ DECLARE r int; BEGIN EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT 5'; EXECUTE 'FETCH held' INTO r; RETURN 5; END $$;
CREATE FUNCTION leave_constraints() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; RETURN 1; END $$;
CREATE FUNCTION leave_lock() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(4711), pg_advisory_lock_shared(4712), pg_advisory_lock(1, 2); RETURN 1; END $$;
CREATE FUNCTION leave_settings() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '1MB', false), set_config('test.x', 'y', false), set_config('transaction_read_only', 'on', false); SET search_path = pg_catalog; SET ROLE pg_monitor; RETURN current_setting('test.x'); END $$;
CREATE FUNCTION leave_object() RETURNS int LANGUAGE plpgsql AS $$ DECLARE o oid := lo_from_bytea(0, 'x'); BEGIN RETURN lo_open(o, 131072); END $$;
CREATE FUNCTION leave_number() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (nextval('numbers') > 0)::text; END $$;
-- And this one does all of it, and fails.
CREATE FUNCTION leave_all() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM leave_table(), leave_sequence(), leave_function(), leave_statement(), leave_cursor(), leave_hold(), leave_lock(), leave_settings();
  RAISE 'failed';
END $$;
-- A procedure leaves it over its COMMITs.
CREATE PROCEDURE leave_over(fails boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE held refcursor;
BEGIN
  PERFORM leave_table(), leave_statement();
  EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT 5';
  COMMIT;
  PERFORM leave_lock();
  SET default_transaction_read_only = on;
  SET default_transaction_isolation = serializable;
  SET ROLE pg_monitor;
  COMMIT;
  SET TRANSACTION READ ONLY;
  IF fails THEN RAISE 'failed'; END IF;
END $$;

-- What is there that should not be
CREATE FUNCTION seen() RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text[] := '{}'; r int; row record;
BEGIN
  FOR row IN SELECT relname AS name FROM pg_class WHERE relnamespace = pg_my_temp_schema() UNION ALL
    SELECT typname FROM pg_type WHERE typnamespace = pg_my_temp_schema() UNION ALL
    SELECT proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema() UNION ALL
    SELECT name FROM pg_prepared_statements UNION ALL
    SELECT name FROM pg_cursors WHERE name NOT LIKE '<%'
  LOOP
    result := result || row.name::text;
  END LOOP;
  IF current_setting('work_mem') = '1MB' THEN result := result || 'work_mem'::text; END IF;
  IF current_setting('test.x', true) <> '' THEN result := result || 'test.x'::text; END IF;
  IF current_user <> session_user THEN result := result || 'role'::text; END IF;
  IF current_setting('search_path') <> 'test, public' THEN result := result || 'search_path'::text; END IF;
  IF current_setting('transaction_read_only') <> 'off' THEN result := result || 'read only'::text; END IF;
  BEGIN
    INSERT INTO once VALUES (1), (1);
    DELETE FROM once;
  EXCEPTION WHEN unique_violation THEN result := result || 'constraints'::text; END;
  BEGIN
    PERFORM lo_close(0);
    result := result || 'large object'::text;
  EXCEPTION WHEN undefined_object THEN END;
  RETURN array_to_string(result, ', ');
END $$;
-- Each step twice, one after the other, and then a look.
CREATE FUNCTION all_twice(m text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE f text; first jsonb; second jsonb; saw text; result jsonb := '{}';
BEGIN
  FOREACH f IN ARRAY '{table,drop,rows,deferred,sequence,view,type,function,statement,cursor,refcursor,hold,constraints,lock,settings,object,number,all}'::text[] LOOP
    BEGIN
      first := wf_activity('leave_' || f, mode => m, retry => wf_retry(max_attempts => 1));
      second := wf_activity('leave_' || f, mode => m, retry => wf_retry(max_attempts => 1));
    EXCEPTION WHEN SQLSTATE 'WF001' THEN
      second := to_jsonb(SQLERRM);
    END;
    saw := wf_activity('seen', mode => m);
    IF first <> second OR saw <> '""' THEN
      result := result || jsonb_build_object(f, jsonb_build_array(first, second, saw));
    END IF;
  END LOOP;
  RETURN result;
END $$;
-- What is held when all has committed
CREATE VIEW locks AS SELECT classid, objid, mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() ORDER BY 1, 2, 3;
SELECT wf_start('all_twice', id => 'inline') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_result('inline', timeout => '0');
SELECT * FROM locks;
SELECT wf_start('all_twice', '{"m": "queued"}', id => 'queued') IS NOT NULL AS started;
CALL wf_work();
SELECT wf_result('queued', timeout => '0');
SELECT * FROM locks;
SELECT count(*) FROM orders;
-- in place, by turns that run to their end
CREATE FUNCTION one_step(f text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_array(wf_activity(f), wf_activity(f), wf_activity('seen')); END $$;
SELECT count(wf_start('one_step', '{"f": "seen"}')) FROM generate_series(1, 5);
CALL wf_work();
SELECT count(wf_start('one_step', jsonb_build_object('f', 'leave_' || f), id => 'place ' || f))
FROM unnest('{table,drop,deferred,statement,cursor,hold,constraints,settings,object,number}'::text[]) f;
CALL wf_work();
SELECT id, result FROM runs('place %');
-- statements, compensations, children
CREATE FUNCTION statements() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE result jsonb := '[]';
BEGIN
  PERFORM wf_compensate('seen');
  PERFORM wf_compensate('leave_table');
  PERFORM wf_compensate('leave_table');
  PERFORM wf_sql('CREATE TEMP TABLE scratch AS SELECT 1 AS id');
  PERFORM wf_sql('CREATE TEMP TABLE scratch AS SELECT 1 AS id');
  PERFORM wf_sql('PREPARE plus AS SELECT 1');
  PERFORM wf_sql('SET work_mem = ''1MB''');
  PERFORM wf_child('one_step', '{"f": "leave_drop"}');
  result := result || wf_activity('seen');
  PERFORM wf_run_compensations();
  RETURN result;
END $$;
SELECT wf_start('statements', id => 'statements') IS NOT NULL AS started;
CALL wf_work();
SELECT id, status, result, error FROM runs('statements');
-- a procedure
CREATE FUNCTION over(fails boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    PERFORM wf_activity('leave_over', jsonb_build_object('fails', fails), mode => 'queued', retry => wf_retry(max_attempts => 2, initial_interval => '0'));
  EXCEPTION WHEN SQLSTATE 'WF001' THEN
    RETURN jsonb_build_array(SQLERRM, wf_activity('seen'));
  END;
  RETURN wf_activity('seen');
END $$;
SELECT wf_start('over', '{"fails": false}', id => 'over'), wf_start('over', '{"fails": true}', id => 'over and out') \g /dev/null
CALL wf_work();
CALL wf_work();
SELECT id, status, result FROM runs('over%');
SELECT current_user = session_user AS role, current_setting('default_transaction_read_only'), current_setting('default_transaction_isolation'), seen() = '' AS clean;
SELECT * FROM locks;
-- what is about the session only
CREATE FUNCTION refused(s text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('runs_it', jsonb_build_object('s', s), retry => wf_retry(max_attempts => 1)); EXCEPTION WHEN SQLSTATE 'WF001' THEN RETURN SQLERRM; END $$;
CREATE FUNCTION runs_it(s text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE s; RETURN 'ran'; END $$;
SELECT count(wf_start('refused', jsonb_build_object('s', s), id => 'refused ' || s))
FROM unnest('{LISTEN x,UNLISTEN *,DISCARD TEMP,DISCARD PLANS,DEALLOCATE ALL,CLOSE ALL,"SELECT wf_listen_workflow(''x'')"}'::text[]) s;
CALL wf_work();
SELECT id, result FROM runs('refused %');

-- The client has a state of its own: what it has prepared, opened, locked and set is neither seen nor lost.
PREPARE plus AS SELECT 'mine';
PREPARE other AS SELECT 'mine';
SET work_mem = '3MB';
SET test.x = 'mine';
SET default_transaction_isolation = 'read committed';
SELECT pg_advisory_lock(4711), nextval('numbers') > 0 AS drawn \g /dev/null
SELECT currval('numbers') AS mine \gset
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT 'mine';
COMMIT;
CREATE FUNCTION sees_client() RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'EXECUTE other'; RETURN 'seen'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
CREATE FUNCTION takes_cursor() RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CLOSE held'; RETURN 'seen'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
CREATE FUNCTION fetches_cursor() RETURNS text LANGUAGE plpgsql AS $$ DECLARE c refcursor = 'held'; r text; BEGIN FETCH c INTO r; RETURN r; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
CREATE FUNCTION closes_cursor() RETURNS text LANGUAGE plpgsql AS $$ DECLARE c refcursor = 'held'; BEGIN CLOSE c; RETURN 'closed'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
CREATE FUNCTION own_cursor() RETURNS text LANGUAGE plpgsql AS $$ DECLARE c refcursor; r text; BEGIN OPEN c FOR SELECT 'own'; FETCH c INTO r; CLOSE c; RETURN r; END $$;
CREATE FUNCTION takes_other() RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE other'; RETURN 'seen'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
SELECT count(wf_start('one_step', jsonb_build_object('f', f), id => 'client ' || f)) FROM unnest('{sees_client,takes_other,takes_cursor,fetches_cursor,closes_cursor,own_cursor}'::text[]) f;
SELECT wf_start('one_step', '{"f": "leave_statement"}', id => 'client statement') \g /dev/null
SELECT wf_start('one_step', '{"f": "leave_settings"}', id => 'client settings'), wf_start('one_step', '{"f": "leave_lock"}', id => 'client lock'),
  wf_start('over', '{"fails": false}', id => 'client over') \g /dev/null
CALL wf_work();
SELECT id, status, result FROM runs('client %');
SELECT workflow_id, why FROM wf_stuck;
EXECUTE plus;
EXECUTE other;
FETCH held;
SELECT current_setting('work_mem') AS work_mem, current_setting('test.x') AS "test.x", current_setting('search_path') AS search_path,
  current_setting('default_transaction_isolation') AS isolation, current_setting('default_transaction_read_only') AS read_only, currval('numbers') = :mine AS currval;
SELECT * FROM locks;
SELECT pg_advisory_unlock(4711);
SELECT * FROM locks;
DEALLOCATE ALL;
CLOSE held;

-- Its temporary objects do not stand in the way of others' names, and are not touched.
CREATE TEMP TABLE orders (id int, note text);
CREATE TEMP TABLE mine (id int);
CREATE FUNCTION place(id int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO orders VALUES (id, 'placed'); RETURN current_setting('search_path'); END $$;
CREATE FUNCTION places(m text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('place', '{"id": 1}', mode => m); END $$;
SELECT wf_start('places', '{"m": "inline"}', id => 'places inline'), wf_start('places', '{"m": "queued"}', id => 'places queued') \g /dev/null
CALL wf_work();
SELECT id, status FROM runs('places%');
SELECT (SELECT count(*) FROM orders) AS mine, (SELECT count(*) FROM test.orders) AS all_others;
SHOW search_path;
-- a step that needs some of its own cannot run here, and is left to others
CREATE FUNCTION takes_mine() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO mine VALUES (1); RETURN 'taken'; END $$;
SELECT count(wf_start('one_step', jsonb_build_object('f', f), id => 'refused ' || f)) FROM unnest('{leave_table,leave_drop,takes_mine}'::text[]) f;
CALL wf_work();
SELECT workflow_id, why, error->>'hint' AS hint FROM wf_stuck ORDER BY 1;
-- nor does one that commits leave anything there before that is noticed
CREATE PROCEDURE commits_mine() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO mine VALUES (2); COMMIT; INSERT INTO mine VALUES (3); END $$;
CREATE FUNCTION commits() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('commits_mine', mode => 'queued', retry => wf_retry(max_attempts => 1)); EXCEPTION WHEN SQLSTATE 'WF001' THEN RETURN SQLERRM; END $$;
SELECT wf_start('commits', id => 'commits') IS NOT NULL AS started;
CALL wf_work();
SELECT id, status, result FROM runs('commits');
SELECT * FROM mine;
-- what it starts itself resolves names as it does
CREATE FUNCTION starts() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_start('sleeps', id => 'started'); RETURN 'x'; END $$;
CREATE FUNCTION sleeps() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('1 day'); RETURN 'x'; END $$;
CREATE FUNCTION starter() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('starts'); END $$;
SELECT wf_start('starter') IS NOT NULL AS started;
CALL wf_work();
DISCARD TEMP;
SELECT wf_start('one_step', '{"f": "leave_drop"}', id => 'then') IS NOT NULL AS started;
SET durable.clock_offset = '1 min';
CALL wf_work();
RESET durable.clock_offset;
SELECT id, status, result FROM runs('refused %') WHERE id ~ '_' UNION ALL SELECT id, status, result FROM runs('then') ORDER BY 1;
SELECT settings[1:2] FROM durable.execution WHERE workflow_id = 'started';

-- In a test the session is the test's.
CREATE TEMP TABLE fixture AS SELECT 1 AS id;
CREATE FUNCTION reads_fixture() RETURNS int LANGUAGE sql AS 'SELECT count(*) FROM pg_class WHERE relname = ''fixture''';
CREATE FUNCTION in_test() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_array(wf_activity('leave_drop'), wf_activity('leave_drop'), wf_activity('leave_table'), wf_activity('leave_table', mode => 'queued'),
    wf_activity('leave_cursor'), wf_activity('leave_cursor'), wf_activity('reads_fixture'));
END $$;
BEGIN;
SELECT wf_test_begin() IS NULL AS begun;
SELECT wf_test_run('in_test');
SELECT count(*) FROM fixture;
ROLLBACK;
