-- wf_sleep, wf_sleep_until, and what is the same at every replay: wf_now, wf_random, wf_uuid.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude

CREATE FUNCTION naps() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('1 hour');
  PERFORM wf_sleep_until(wf_now() + interval '1 hour');
  RETURN 'awake';
END $$;
SELECT wf_start('naps', id => 'naps') \gset
CALL wf_work();
SELECT waiting_for, waiting_at FROM wf_executions WHERE workflow_id = 'naps';
SELECT kind, command, fire_at - now() BETWEEN '59 min' AND '61 min' AS in_an_hour FROM wf_timers;
-- Nothing happens before its time.
SET durable.clock_offset = '59min';
CALL wf_work();
SELECT waiting_at FROM wf_executions WHERE workflow_id = 'naps';
-- wf_now is the time of the turn that saw the timer, here half an hour late.
SET durable.clock_offset = '90min';
CALL wf_work();
SELECT waiting_at FROM wf_executions WHERE workflow_id = 'naps';
SELECT fire_at - now() BETWEEN '149 min' AND '151 min' AS an_hour_after_the_turn FROM wf_timers;
SET durable.clock_offset = '151min';
CALL wf_work();
SELECT * FROM runs('naps');
SELECT * FROM events('naps');
SELECT count(*) AS timers FROM wf_timers;
RESET durable.clock_offset;

-- A sleep of nothing, and one until the past, do not wait and leave no event.
CREATE FUNCTION no_nap() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_sleep('0'), wf_sleep_until('2000-01-01');
  RETURN 'never slept';
END $$;
SELECT wf_start('no_nap', id => 'no_nap') \gset
CALL wf_work();
SELECT * FROM events('no_nap');
-- Milliseconds and years
CREATE FUNCTION long_nap(span interval) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep(span); RETURN 'over'; END $$;
SELECT wf_start('long_nap', '{"span": "5 ms"}', id => 'ms') \gset
SELECT wf_start('long_nap', '{"span": "10 years"}', id => 'years') \gset
CALL wf_work();
SELECT pg_sleep(0.01) \gset
CALL wf_work();
SELECT * FROM runs('ms');
SET durable.clock_offset = '87000h';
CALL wf_work();
SELECT status FROM wf_executions WHERE workflow_id = 'years';
SET durable.clock_offset = '88000h';
CALL wf_work();
SELECT * FROM runs('years');
RESET durable.clock_offset;

-- wf_now, wf_random and wf_uuid give at each replay what they gave: each turn publishes and records what it sees.
CREATE TABLE seen (turn int, now timestamptz, random float8, uuid uuid);
CREATE FUNCTION see(turn int, now timestamptz, random float8, uuid uuid) RETURNS void LANGUAGE sql AS
$$ INSERT INTO seen VALUES (turn, now, random, uuid) $$;
CREATE FUNCTION looks() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE t0 timestamptz = wf_now(); r float8 = wf_random(); u uuid = wf_uuid(); t1 timestamptz;
BEGIN
  PERFORM wf_activity('see', jsonb_build_object('turn', 1, 'now', t0, 'random', r, 'uuid', u));
  PERFORM wf_sleep('1 hour');
  t1 := wf_now();
  PERFORM wf_activity('see', jsonb_build_object('turn', 2, 'now', t0, 'random', r, 'uuid', u));
  PERFORM wf_wait_signal('go');
  PERFORM wf_activity('see', jsonb_build_object('turn', 3, 'now', t0, 'random', r, 'uuid', u));
  RETURN jsonb_build_object('an hour', t1 - t0 BETWEEN '1 hour' AND '2 hours', 'forward', wf_now() > t1,
    'random', r >= 0 AND r < 1, 'differ', wf_random() <> r AND wf_uuid() <> u, 'v4', substr(u::text, 15, 1));
END $$;
SELECT wf_start('looks', id => 'looks') \gset
SELECT wf_start('looks', id => 'looks2') \gset
CALL wf_work();
SET durable.clock_offset = '61min';
CALL wf_work();
SELECT wf_signal('looks', 'go'), wf_signal('looks2', 'go') \gset
CALL wf_work();
SELECT * FROM runs('looks%');
-- Two runs of three turns: two values each.
SELECT count(*), count(DISTINCT now), count(DISTINCT random), count(DISTINCT uuid) FROM seen;
RESET durable.clock_offset;

-- Time does not pass within a stretch of code, only where the run has waited or a step was done.
CREATE FUNCTION still() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE t timestamptz = wf_now();
BEGIN
  FOR i IN 1..10000 LOOP NULL; END LOOP;
  RETURN t = wf_now();
END $$;
SELECT wf_start('still', id => 'still') \gset
CALL wf_work();
SELECT * FROM runs('still');

-- wf_info
CREATE FUNCTION info() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_info(); END $$;
SELECT wf_start('info', id => 'info', memo => '{"m": 1}', search_attributes => '{"s": 2}', run_timeout => '1 hour', execution_timeout => '2 hours') AS run \gset
CALL wf_work();
SELECT i - '{run_id,first_run_id,started_at,run_deadline,execution_deadline}'::text[] AS info,
  (i->>'run_id') = :'run' AND (i->>'first_run_id') = :'run' AS ids,
  (i->>'run_deadline')::timestamptz - (i->>'started_at')::timestamptz AS run_timeout,
  (i->>'execution_deadline')::timestamptz - (i->>'started_at')::timestamptz AS execution_timeout
FROM wf_result('info') i;

-- max_turns and max_time bound CALL wf_work.
SELECT count(wf_start('naps', id => 'many-' || i)) FROM generate_series(1, 120) i;
CALL wf_work(max_turns => 1);
SELECT count(*) < 120 AS some_left FROM wf_executions WHERE workflow_id LIKE 'many-%' AND waiting_for = 'timer';
CALL wf_work(max_time => '10 s');
SELECT count(*) FROM wf_executions WHERE workflow_id LIKE 'many-%' AND waiting_for = 'timer';
