-- What the storm (Storm.pm) adds to the load of test/t/load.sql: types that are
-- altered under the runs that use them, runs that are on record only if their
-- start was committed, and what makes steps fail.
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'anna') THEN CREATE ROLE anna LOGIN; END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ben') THEN CREATE ROLE ben LOGIN; END IF;
	-- what an operator gives to it, its starter still starts by the same request
	GRANT other TO anna, ben;
END $$;

CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION paired(id text, step text, p pair, m mood) RETURNS mood LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effect VALUES (id, step || ' ' || (p.a + p.b) || ' ' || m);
	RETURN m;
END $$;
CREATE FUNCTION typed(p pair, m mood) RETURNS mood LANGUAGE plpgsql AS $$
DECLARE
	q pair := p;
BEGIN
	m := wf_activity('paired', mark('1') || jsonb_build_object('p', to_jsonb(p), 'm', m))#>>'{}';
	PERFORM wf_sleep('30 ms');
	q.a := q.a + 1;
	m := wf_activity('paired', mark('2') || jsonb_build_object('p', to_jsonb(q), 'm', m), mode => 'queued')#>>'{}';
	RETURN m;
END $$;
-- waits that end by time
CREATE FUNCTION patient() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	n int := 0;
BEGIN
	FOR i IN 1..3 LOOP
		IF wf_wait_signal('never', timeout => '40 ms') IS NULL THEN n := n + 1; END IF;
		PERFORM wf_sql('INSERT INTO effect VALUES ($1, $2)', wf_info()->>'workflow_id', i::text);
	END LOOP;
	PERFORM wf_await(wf_start_timer('20 ms'));
	RETURN n;
END $$;
INSERT INTO should VALUES ('typed', 'completed', '"glad"', '1 3 glad 2 4 glad'), ('patient', 'completed', '3', '1 2 3');

CREATE FUNCTION start_more(tag text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM start_one(tag, 'typed', 'typed', '{"p": {"a": 1, "b": 2}, "m": "glad"}'), start_one(tag, 'patient', 'patient');
END $$;

-- Runs of clients that may die at any moment, with a row for each that was
-- started: what commits, commits together.  Ids begin with "extra".
CREATE TABLE planned (id text);
GRANT ALL ON planned TO PUBLIC;
CREATE FUNCTION start_extra(id text, n int DEFAULT 3) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO planned SELECT id || '-' || i FROM generate_series(1, n) i;
	RETURN (SELECT count(wf_start('steps', id => id || '-' || i)) FROM generate_series(1, n) i);
END $$;

-- The next n effects fail, with an error that passes
CREATE SEQUENCE tick;
GRANT ALL ON tick TO PUBLIC;
CREATE TABLE trouble (until bigint, code text);
GRANT SELECT ON trouble TO PUBLIC;
INSERT INTO trouble VALUES (0, '40001');
CREATE FUNCTION fail_if_trouble() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	now bigint := nextval('public.tick');
	t record;
BEGIN
	SELECT * INTO t FROM public.trouble;
	IF now <= t.until THEN
		RAISE 'trouble %', now USING ERRCODE = t.code;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER trouble BEFORE INSERT ON effect FOR EACH ROW EXECUTE FUNCTION fail_if_trouble();
CREATE FUNCTION make_trouble(n int, code text) RETURNS void LANGUAGE sql AS $$
	UPDATE trouble SET until = nextval('tick') + make_trouble.n, code = make_trouble.code $$;

-- The same text with another remark
CREATE FUNCTION redefine(name text, remark text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE regexp_replace(pg_get_functiondef(name::regproc), '(\n-- by the storm [^\n]*)?\s*\$(function|procedure)\$\s*$',
		format(E'\n-- by the storm %s\n$\\2$', remark));
END $$;

-- what is wrong when all has come to rest
CREATE FUNCTION wrong_extras() RETURNS text LANGUAGE sql VOLATILE AS $$
WITH plan AS MATERIALIZED (SELECT id, count(*) AS planned FROM planned GROUP BY id),
	runs AS MATERIALIZED (SELECT e.workflow_id AS id, count(*) AS runs, string_agg(e.status, ' ') AS is_status FROM wf_executions e GROUP BY 1),
	effects AS MATERIALIZED (SELECT f.id, string_agg(f.step, ' ' ORDER BY f.step) AS is_steps FROM effect f GROUP BY 1)
SELECT coalesce(string_agg(finding, E'\n'), '') FROM (
	SELECT format('%s: planned %s times, %s runs, %s, effects %s', id, planned, runs, is_status, is_steps) AS finding
	FROM plan FULL JOIN (SELECT * FROM runs WHERE id LIKE 'extra%') r USING (id) LEFT JOIN effects USING (id)
	WHERE (planned, runs, is_status, is_steps) IS DISTINCT FROM (1, 1, 'completed', '1 2')
	UNION ALL SELECT format('%s: %s, effects %s', id, is_status, is_steps)
	FROM runs LEFT JOIN effects USING (id) WHERE id ~ '^(call|probe)' AND (is_status, is_steps) IS DISTINCT FROM ('completed', '1 2')
	UNION ALL SELECT format('effect of nobody: %s %s', id, is_steps) FROM effects LEFT JOIN runs USING (id) WHERE runs IS NULL
	UNION ALL SELECT format('gap in the history of %s before %s', run_id, first_event)
	FROM (SELECT run_id, first_event, lag(first_event + cardinality(events), 1, 1) OVER (PARTITION BY run_id ORDER BY first_event) AS next FROM durable.history) h
	WHERE first_event <> next
) f $$;
