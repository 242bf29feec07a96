# Exactly once under SIGKILL, for activities: while workflows with queued
# functions and procedures, external activities, retries, timeouts, signals and
# cancellations run, the postmaster, an activity worker or an external worker is
# killed at random moments.  In the end every workflow has finished, what the
# server's activities did is there once, what external ones did at least once
# and always with the same idempotency key, and nothing is left.
#
# The tables have no unique constraints: an effect that happened twice shows.
# DURABLE_KILLS and DURABLE_SEED in the environment set how many kills there
# are and the seed of their moments.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $kills = $ENV{DURABLE_KILLS} || 10;
my $seed = $ENV{DURABLE_SEED} || 20260711;
my $least = 1500;
my $db = 'storm';

note("seed $seed, $kills kills");
srand($seed);

my $node = durable_node('main', <<'CONF');
durable.max_workers = 2
durable.max_activity_workers = 4
max_connections = 40
checkpoint_timeout = '30 s'
autovacuum_naptime = '1 s'
CONF
create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE audit (id text, step int);
CREATE TABLE shipped (key text, id text, step int, worker text);
CREATE SEQUENCE flips;
CREATE FUNCTION book(id text, step int) RETURNS int LANGUAGE sql AS 'INSERT INTO audit VALUES ($1, $2) RETURNING step';
-- fails two times of three, after its insert
CREATE FUNCTION gamble(id text, step int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (id, step);
	IF nextval('flips') % 3 <> 0 THEN
		PERFORM wf_fail('lost', 'you lose', next_retry_delay => '20 ms');
	END IF;
	RETURN step;
END $$;
-- is too slow at first
CREATE FUNCTION dawdle(id text, step int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (id, step);
	IF wf_activity_info()->>'attempt' = '1' THEN
		PERFORM pg_sleep(30);
	END IF;
	RETURN step;
END $$;
-- five commits
CREATE PROCEDURE chunk(id text, step int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN coalesce(wf_heartbeat_details()::int, 0) + 1 .. 5 LOOP
		INSERT INTO audit VALUES (id, step * 10 + n);
		PERFORM pg_sleep(0.005);
		PERFORM wf_heartbeat(to_jsonb(n));
		COMMIT;
	END LOOP;
END $$;
-- until it is told to stop
CREATE PROCEDURE endless(id text) LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		PERFORM wf_heartbeat();
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
CREATE FUNCTION arg(step int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN jsonb_build_object('id', wf_info()->>'workflow_id', 'step', step);
END $$;
CREATE FUNCTION queued(activity text, step int, start_to_close interval DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity(activity, arg(step), mode => 'queued', start_to_close => start_to_close,
		retry => wf_retry(initial_interval => '20 ms', max_interval => '100 ms'));
END $$;
CREATE FUNCTION outside(step int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity('ship', arg(step), task_queue => 'out', start_to_close => '1.5 s', heartbeat => '1 s',
		fairness_key => 'tenant ' || step, retry => wf_retry(initial_interval => '20 ms', max_interval => '100 ms'));
END $$;
CREATE FUNCTION functions() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	total int := 0;
BEGIN
	total := total + wf_activity('book', arg(1))::int;
	total := total + queued('book', 2)::int;
	total := total + queued('gamble', 3)::int;
	total := total + queued('book', 4)::int;
	RETURN total;
END $$;
CREATE FUNCTION procedures() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM queued('chunk', 1);
	PERFORM queued('chunk', 2);
	RETURN 'chunks';
END $$;
CREATE FUNCTION outsiders() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	key1 text := outside(1)#>>'{}';
	key2 text;
BEGIN
	PERFORM wf_wait_signal('go');
	key2 := outside(2)#>>'{}';
	PERFORM queued('book', 3);
	RETURN (key1 <> key2)::text;
END $$;
CREATE FUNCTION late() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_sleep('30 ms');
	RETURN queued('dawdle', 1, '100 ms');
END $$;
CREATE FUNCTION cancelled(cancellation text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('endless', arg(1) - 'step', mode => 'queued', cancellation => cancellation,
		retry => wf_retry(initial_interval => '20 ms', max_interval => '100 ms'));
END $$;
-- what a client does that cannot know whether its last attempt was committed
CREATE FUNCTION send(id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_signal(id, 'go', request_id => 'go');
EXCEPTION WHEN SQLSTATE 'WF007' THEN
	-- it is closed, so it got its signal
END $$;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my $errors = "$dir/errors";

sub batches_started { return -e "$dir/started" ? -s "$dir/started" : 0; }

my %in_batch = (functions => 10, procedures => 4, outsiders => 12, late => 3, cancelled => 1);
my $batch_size = 30;
my $starter = client(sub {
	my $batch = 0;

	until (-e "$dir/stop" && $batch * $batch_size >= $least)
	{
		$batch++;
		insist($node, $db, join('', map { my $input = $_ eq 'cancelled' ? $batch % 2 ? '{"cancellation": "wait"}' : '{"cancellation": "try_cancel"}' : '{}';
			"SELECT count(wf_start('$_', '$input', id => '$_ $batch-' || n, request_id => '$_ $batch-' || n)) FROM generate_series(1, $in_batch{$_}) n;\n" }
			sort keys %in_batch), $errors);
		append_to_file("$dir/started", '.');
		usleep(100_000) unless -e "$dir/stop";
	}
	append_to_file("$dir/all started", $batch);
}, $errors);

# one of the batch before, so that it has begun
sub cancel
{
	my ($batch) = @_;

	return $batch < 1 || insist($node, $db, "SELECT wf_cancel('cancelled $batch-1')", $errors);
}

my $signaller = client(sub {
	my $batch = 0;

	until (-e "$dir/all started" && $batch == batches_started())
	{
		if ($batch == batches_started())
		{
			usleep(20_000);
			next;
		}
		$batch++;
		insist($node, $db, "SELECT count(send('outsiders $batch-' || n)) FROM generate_series(1, $in_batch{outsiders}) n", $errors);
		cancel($batch - 1);
	}
	cancel($batch);
}, $errors);

# The external workers: psql sessions that are started again when they end.
# What they do is done before they say so, and some of it they call failed.
my @outsiders = map {
	my $worker = $_;
	my $script = "$dir/script $worker";

	append_to_file($script, <<"PSQL" x 40);
SELECT count(*) > 0 AS any, array_agg(task_token) AS tokens, array_agg(to_jsonb(idempotency_key)) AS results, array_agg(idempotency_key) AS keys,
	array_agg(input->>'id') AS ids, array_agg(input->>'step') AS steps, random() < 0.2 AS unlucky
FROM wf_poll_activities('out', 8, 'outsider $worker', wait => '100 ms') \\gset
\\if :any
INSERT INTO shipped SELECT k, i, s::int, 'outsider $worker' FROM unnest(:'keys'::text[], :'ids'::text[], :'steps'::text[]) t(k, i, s);
SELECT count(wf_heartbeat_activity(t)) FROM unnest(:'tokens'::text[]) t;
\\if :unlucky
SELECT wf_fail_activity((:'tokens'::text[])[1], 'unlucky');
SELECT wf_complete_activities((:'tokens'::text[])[2:], (:'results'::jsonb[])[2:]);
\\else
SELECT wf_complete_activities(:'tokens', :'results');
\\endif
\\endif
PSQL
	client(sub {
		until (-e "$dir/end")
		{
			my $pid = psql_client($node, $db, $script, "$dir/outsider $worker");
			open(my $fh, '>', "$dir/pid $worker") or die;
			print $fh $pid;
			close $fh;
			waitpid($pid, 0);
			usleep(20_000);
		}
	}, $errors);
} 1 .. 3;

sub an_activity_worker
{
	my ($out, $err) = ('', '');

	eval { $node->psql($db, "SELECT pid FROM wf_workers WHERE kind = 'activity_worker' AND pid IS NOT NULL ORDER BY random() LIMIT 1",
			stdout => \$out, stderr => \$err, timeout => 10) };
	return $out =~ /^\d+$/ ? $out : undef;
}

# The storm
my %killed = ('the postmaster' => 0, 'an activity worker' => 0, 'an external worker' => 0);
my $storm = time();
for (my $n = 0; $n < $kills;)
{
	until_true(sub { is_up($node, $db) }, 60) or BAIL_OUT('the server does not come up');
	usleep(rand() < 0.5 ? rand(300_000) : 300_000 + rand(1_500_000));
	my $whom = (sort keys %killed)[ $n % 3 ];
	if ($whom eq 'the postmaster')
	{
		kill_postmaster($node);
		$node->start;
	}
	elsif ($whom eq 'an activity worker')
	{
		my $pid = an_activity_worker() or next;
		kill_process($pid) if kill(0, $pid);
	}
	else
	{
		my $pid = eval { slurp_file("$dir/pid " . (1 + int(rand(3)))) };
		kill(9, $pid) if $pid;
	}
	$killed{$whom}++;
	$n++;
}
$storm = time() - $storm;
append_to_file("$dir/stop", '');
waitpid($_, 0) foreach $starter, $signaller;

my $batches = slurp_file("$dir/all started");
my $started = $batches * $batch_size;
cmp_ok($started, '>=', $least, "$started workflows started; killed: " . join ', ', map { "$_ $killed{$_} times" } sort keys %killed);
my $drain = elapsed(sub {
	ok($node->poll_query_until($db, 'SELECT count(*) = 0 FROM durable.execution'), 'all finish')
	  or diag_engine($node, $db); });
append_to_file("$dir/end", '');
note(sprintf('%d workflows, %d s of storm, %.1f s until all were finished', $started, $storm, $drain));
ok(!-e $errors, 'clients met no error but lost connections') or diag(substr(slurp_file($errors), 0, 2000));
waitpid($_, 0) foreach @outsiders;
foreach my $worker (1 .. 3)
{
	my @unexpected = grep { /ERROR|FATAL/ && !/no longer yours|starting up|recovery|not yet accepting|terminating connection|shutting down/ }
	  split /\n/, slurp_file("$dir/outsider $worker");

	is($unexpected[0] // '', '', "external worker $worker met no error but those");
}

is( $node->safe_psql($db, "SELECT workflow, status, result, count(*) FROM wf_executions GROUP BY 1, 2, 3 ORDER BY 1"),
	join("\n", "cancelled|cancelled||$batches", 'functions|completed|10|' . 10 * $batches, 'late|completed|1|' . 3 * $batches,
		'outsiders|completed|"true"|' . 12 * $batches, 'procedures|completed|"chunks"|' . 4 * $batches),
	'each as it should');

# What should be in the tables, and what is: both ways, with repetition
$node->safe_psql($db, <<"SQL");
CREATE TABLE expected AS
	SELECT format('%s %s-%s', w.name, b, n) AS id, step
	FROM (VALUES ('functions', 10, '{1,2,3,4}'::int[]), ('procedures', 4, '{11,12,13,14,15,21,22,23,24,25}'), ('outsiders', 12, '{3}'), ('late', 3, '{1}')) w(name, m, steps),
		generate_series(1, $batches) b, generate_series(1, w.m) n, unnest(w.steps) step;
SQL
sub differences
{
	my ($have, $want) = @_;

	return $node->safe_psql($db, "(SELECT 'too many', * FROM ($have EXCEPT ALL $want) a LIMIT 5)
		UNION ALL (SELECT 'missing', * FROM ($want EXCEPT ALL $have) b LIMIT 5)");
}
is(differences('SELECT id, step FROM audit', 'SELECT id, step FROM expected'), '', 'every activity in the server took effect exactly once');
is( differences('SELECT DISTINCT id, step FROM shipped', "SELECT format('outsiders %s-%s', b, n), step FROM generate_series(1, $batches) b, generate_series(1, 12) n, generate_series(1, 2) step"),
	'', 'every external one at least once');
is($node->safe_psql($db, 'SELECT count(*) FROM (SELECT id, step FROM shipped GROUP BY 1, 2 HAVING count(DISTINCT key) > 1) s'), '0', 'with one idempotency key in all its attempts');
is($node->safe_psql($db, 'SELECT count(DISTINCT key) FROM shipped'), 24 * $batches, 'that no other has');
note('external effects that were repeated: ' . $node->safe_psql($db, 'SELECT count(*) - count(DISTINCT key) FROM shipped'));
note('attempts: ' . $node->safe_psql($db, "SELECT string_agg(concat_ws(' ', activity, outcome, type, n), ', ' ORDER BY activity, n) FROM
	(SELECT activity, outcome, failure->>'type' AS type, count(*) AS n FROM wf_attempts GROUP BY 1, 2, 3) a"));
is( $node->safe_psql($db, "SELECT count(*) FROM (SELECT run_id, command FROM wf_attempts WHERE worker IS NOT NULL GROUP BY 1, 2
		HAVING count(*) <> max(attempt) OR count(*) <> count(DISTINCT attempt)) a"),
	'0', 'every attempt is accounted for, once');
is( $node->safe_psql($db, "SELECT count(*) FROM (SELECT run_id, event_id, lag(event_id, 1, 0::bigint) OVER (PARTITION BY run_id ORDER BY event_id) AS before FROM wf_events) e WHERE event_id <> before + 1"),
	'0', 'histories have no gap');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');
foreach my $table ('activity', 'message', 'timer', 'execution')
{
	ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM durable.$table"), "nothing is left in durable.$table");
}
is($node->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable activity worker' AND state = 'active'"), '0', 'and nothing runs');
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal (?!9|6: Aborted \(by parent)/, 'no crash in the log but those wanted');

$node->stop('fast');
done_testing();
