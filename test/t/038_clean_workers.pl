# A worker finds its process clean after each step, and goes on: with one worker
# of each kind all of it happens in the same two processes. Their memory is flat
# over attempts that fail or time out. MEMORY_ROUNDS=10000 is the long form.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

my $rounds = $ENV{MEMORY_ROUNDS} || 15;
my $node = durable_node('main', <<'CONF');
autovacuum = off
durable.max_workers = 1
durable.max_activity_workers = 1
durable.worker_idle_timeout = '10 min'
CONF
create_database($node, 'clean');
$node->safe_psql('clean', <<'SQL');
CREATE TABLE orders (id int);
CREATE SEQUENCE numbers;
CREATE FUNCTION leave() RETURNS int LANGUAGE plpgsql AS $$
DECLARE c CURSOR FOR SELECT 1;
BEGIN
	CREATE TEMP TABLE orders (id int);
	CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT 1 AS id;
	CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
	INSERT INTO orders VALUES (0);
	EXECUTE 'PREPARE plus AS SELECT 1';
	EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT 1';
	OPEN c;
	PERFORM pg_advisory_lock(4711), nextval('numbers'), setseed(0.25), set_config('work_mem', '1MB', false);
	RETURN pg_backend_pid();
END $$;
CREATE FUNCTION place(id int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE seen text;
BEGIN
	INSERT INTO orders VALUES (id);
	SELECT string_agg(name, ' ') INTO seen FROM (SELECT name FROM pg_prepared_statements UNION ALL SELECT name FROM pg_cursors
		UNION ALL SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()) x;
	seen := concat_ws(' ', seen, CASE WHEN random() = (SELECT random() FROM setseed(0.25)) THEN 'seed' END);
	BEGIN
		seen := seen || ' lastval ' || lastval();
	EXCEPTION WHEN object_not_in_prerequisite_state THEN END;
	RETURN nullif(seen, '');
END $$;
CREATE PROCEDURE read_only() LANGUAGE plpgsql AS $$ BEGIN SET TRANSACTION READ ONLY; END $$;
CREATE PROCEDURE later_read_only() LANGUAGE plpgsql AS $$ BEGIN COMMIT; SET TRANSACTION READ ONLY; END $$;
CREATE PROCEDURE always_read_only() LANGUAGE plpgsql AS $$
BEGIN SET default_transaction_read_only = on; SET default_transaction_isolation = serializable; SET ROLE pg_monitor; COMMIT; END $$;
CREATE PROCEDURE fails_read_only() LANGUAGE plpgsql AS $$
BEGIN SET default_transaction_read_only = on; CREATE TEMP TABLE IF NOT EXISTS kept (id int); COMMIT; RAISE 'failed'; END $$;
CREATE FUNCTION pid() RETURNS int LANGUAGE sql AS 'SELECT pg_backend_pid()';
CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS 'SELECT sum(used_bytes)::bigint FROM pg_backend_memory_contexts';
CREATE FUNCTION step(f text, a jsonb DEFAULT '{}', m text DEFAULT NULL, t interval DEFAULT '30 s') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity(f, a, mode => m, start_to_close => t, retry => wf_retry(max_attempts => 1)); END $$;
CREATE FUNCTION lingers(pad text) RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(10)';
CREATE FUNCTION breaks(pad text) RETURNS int LANGUAGE sql AS 'SELECT 1 / (length(pad) - length(pad))';
SQL

my $n = 0;
sub run_step
{
	my ($f, $m, $input, $limit) = @_;
	my $id = "$f " . ++$n;
	my $options = sprintf q(jsonb_build_object('f', '%s', 'a', %s, 'm', %s) || '%s'), $f, $input // "'{}'::jsonb", $m ? "'$m'" : 'NULL',
	  $limit ? qq({"t": "$limit"}) : '{}';
	$node->safe_psql('clean', "SELECT wf_start('step', $options, id => '$id')");
	return wait_result($node, 'clean', $id);
}

foreach my $m ('inline', 'queued')
{
	my $pid = run_step('pid', $m);
	is(run_step('leave', $m), $pid, "$m: a step leaves what it can") or diag_engine($node, 'clean');
	is($node->safe_psql('clean', 'SELECT pg_try_advisory_lock(4711), pg_advisory_unlock(4711)'), 't|t', "$m: its lock is free");
	is(run_step('leave', $m), $pid, "$m: so it can again");
	is(run_step('place', $m, q('{"id": 1}'::jsonb)) // '', '', "$m: another finds none of it") or diag_engine($node, 'clean');
	is(run_step('pid', $m), $pid, "$m: all in one process");
}
is($node->safe_psql('clean', 'SELECT count(*) FROM orders'), '2', 'rows are where they belong');

my $pid = run_step('pid', 'queued');
foreach my $procedure (qw(read_only later_read_only always_read_only))
{
	run_step($procedure, 'queued');
	is(status_of($node, 'clean', "$procedure $n"), 'completed', "$procedure() completes") or diag_engine($node, 'clean');
}
run_step('fails_read_only', 'queued');
like($node->safe_psql('clean', "SELECT error->'cause'->>'message' FROM wf_executions WHERE workflow_id = 'fails_read_only $n'"), qr/^failed$/,
	'and one that fails has its own failure');
is(run_step('place', 'queued', q('{"id": 1}'::jsonb)) // '', '', 'nothing is left of it');
is(run_step('pid', 'queued'), $pid, 'the process lives');

# Memory, as the workers themselves see it
my $pad = q(jsonb_build_object('pad', repeat('x', 50000)));
foreach my $m ('inline', 'queued')
{
	my $round = sub {
		run_step('breaks', $m, $pad) foreach 1 .. 2;
		run_step('lingers', $m, $pad, '30 ms');
	};
	$round->() foreach 1 .. 3;
	run_step('memory', $m) foreach 1 .. 2;
	my $before = run_step('memory', $m);
	$round->() foreach 1 .. $rounds;
	my $kept = run_step('memory', $m) - $before;
	ok($kept < 40_000 + 200 * $rounds, "$m: after $rounds rounds of failures and timeouts a worker keeps $kept bytes more");
}
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal|exited with exit code 1/, 'no process is lost');
$node->stop('immediate');
done_testing();
