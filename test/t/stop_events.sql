-- What test 059 adds to the load (load.sql): the events, and what it looks at
CREATE FUNCTION stop_arm(event text, action text, times int DEFAULT 1, after int DEFAULT 0, kind text DEFAULT '', pid int DEFAULT 0)
	RETURNS void LANGUAGE C STRICT AS 'durable', 'durable_stop_arm';
CREATE FUNCTION stop_events(OUT event text, OUT may_raise boolean, OUT about text, OUT passed bigint, OUT struck bigint, OUT held int)
	RETURNS SETOF record LANGUAGE C STRICT AS 'durable', 'durable_stop_events';
CREATE FUNCTION stop_shared(OUT what text, OUT count int)
	RETURNS SETOF record LANGUAGE C STRICT AS 'durable', 'durable_stop_shared';
CREATE FUNCTION stop_disarm() RETURNS bigint LANGUAGE sql AS 'SELECT count(stop_arm(event, ''none'')) FROM stop_events()';

-- lets go who is held, when the others have had time
CREATE PROCEDURE release(name text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..500 LOOP
		EXIT WHEN (SELECT struck > 0 AND held > 0 FROM stop_events() WHERE event = name);
		EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CALL client%' AND state = 'active');
		PERFORM pg_sleep(0.02);
		COMMIT;
	END LOOP;
	PERFORM pg_sleep(0.15);
	PERFORM stop_arm(name, 'none');
END $$;

-- until all has come to rest, or it is clear that it does not
CREATE PROCEDURE settle(tag text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		COMMIT;
		EXIT WHEN findings(tag) = '';
		PERFORM pg_sleep(0.02);
	END LOOP;
END $$;

CREATE FUNCTION findings(tag text) RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT coalesce(string_agg(finding, E'\n'), '') FROM (
	SELECT wrong_runs(tag) AS finding
	UNION ALL SELECT left_behind()
	UNION ALL SELECT format('%s in shared memory: %s', what, count) FROM stop_shared() WHERE count <> 0
) f WHERE finding <> '' $$;
