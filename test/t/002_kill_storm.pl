# Exactly once under SIGKILL: while thousands of workflows with inline steps,
# retries, timers and signals run, the postmaster or one worker is killed again
# and again at random moments.  In the end every workflow has finished, every
# step's effect is there once, every signal was seen once, and nothing is left.
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

my $kills = $ENV{DURABLE_KILLS} || 20;
my $seed = $ENV{DURABLE_SEED} || 20260711;
my $least = 3000;
my $signals = 3;
my $db = 'storm';

note("seed $seed, $kills kills");
srand($seed);

my $node = durable_node('main', <<'CONF');
durable.max_workers = 3
max_connections = 30
checkpoint_timeout = '30 s'
autovacuum_naptime = '1 s'
CONF
create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE ledger (id text, step int, amount int);
CREATE TABLE audit (id text, step int);
CREATE TABLE seen (id text, n int, position serial);
CREATE SEQUENCE flips;
-- a step of several inserts
CREATE FUNCTION book(id text, step int, amount int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (id, step);
	INSERT INTO ledger VALUES (id, step, amount);
	INSERT INTO ledger VALUES (id, step, -amount);
	RETURN amount;
END $$;
-- fails two times of three, after its insert
CREATE FUNCTION gamble(id text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (id, 99);
	IF nextval('flips') % 3 <> 0 THEN
		RAISE EXCEPTION 'lost';
	END IF;
	RETURN 1;
END $$;
CREATE FUNCTION note_seen(id text, n int) RETURNS void LANGUAGE sql AS 'INSERT INTO seen VALUES ($1, $2)';
CREATE FUNCTION arg(step int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN jsonb_build_object('id', wf_info()->>'workflow_id', 'step', step, 'amount', step * 10);
END $$;
CREATE FUNCTION five() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	total int := 0;
BEGIN
	FOR i IN 1..5 LOOP
		total := total + wf_activity('book', arg(i))::int;
	END LOOP;
	RETURN total;
END $$;
CREATE FUNCTION sleepy(ms int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	total int := 0;
BEGIN
	FOR i IN 1..3 LOOP
		total := total + wf_activity('book', arg(i))::int;
		PERFORM wf_sleep(make_interval(secs => ms / 1000.0));
	END LOOP;
	PERFORM wf_sql('INSERT INTO audit VALUES ($1, 4)', wf_info()->>'workflow_id');
	RETURN total;
END $$;
CREATE FUNCTION signalled(signals int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	total int := 0;
	n int;
BEGIN
	FOR i IN 1..signals LOOP
		n := wf_wait_signal('go')::int;
		PERFORM wf_activity('note_seen', jsonb_build_object('id', wf_info()->>'workflow_id', 'n', n));
		total := total + wf_activity('book', arg(i))::int;
	END LOOP;
	RETURN total;
END $$;
CREATE FUNCTION gambler() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	total int;
BEGIN
	total := wf_activity('book', arg(1))::int;
	PERFORM wf_activity('gamble', jsonb_build_object('id', wf_info()->>'workflow_id'),
		retry => wf_retry(initial_interval => '30 ms', backoff => 1));
	total := total + wf_activity('book', arg(2))::int;
	RETURN total;
END $$;
-- what a client does that cannot know whether its last attempt was committed
CREATE FUNCTION send(id text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_signal(id, 'go', to_jsonb(n), request_id => 'request ' || n);
EXCEPTION WHEN SQLSTATE 'WF007' THEN
	-- it is closed, so it got all its signals
END $$;
SQL

# The clients are processes of their own.  Each repeats a statement until it
# knows that it is committed; what they have done they write to a file.
my $dir = PostgreSQL::Test::Utils::tempdir();

my $errors = "$dir/errors";

sub batches_started { return -e "$dir/started" ? -s "$dir/started" : 0; }

# 59 workflows a batch: 29 of five steps, 10 each with timers, signals and
# retries; and one run in the client's own session
my $batch_size = 60;
my $starter = client(sub {
	my $batch = 0;

	until (-e "$dir/stop" && $batch * $batch_size >= $least)
	{
		$batch++;
		insist($node, $db, <<"SQL", $errors);
SELECT count(wf_start('five', id => 'five $batch-' || n, request_id => 'five $batch-' || n)) FROM generate_series(1, 29) n;
SELECT count(wf_start('sleepy', jsonb_build_object('ms', n * 80), id => 'sleepy $batch-' || n, request_id => 'sleepy $batch-' || n))
	FROM generate_series(1, 10) n;
SELECT count(wf_start('signalled', '{"signals": $signals}', id => 'signalled $batch-' || n, request_id => 'signalled $batch-' || n))
	FROM generate_series(1, 10) n;
SELECT count(wf_start('gambler', id => 'gambler $batch-' || n, request_id => 'gambler $batch-' || n)) FROM generate_series(1, 10) n;
CALL wf_execute('five', id => 'five $batch-30', request_id => 'five $batch-30');
SQL
		append_to_file("$dir/started", '.');
		usleep(50_000) unless -e "$dir/stop";
	}
	append_to_file("$dir/all started", $batch);
}, $errors);

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
		# in order for each workflow, each in a transaction of its own
		insist($node, $db, join("\n", map { my $n = $_;
					map { "SELECT send('signalled $batch-$_', $n);" } 1 .. 10 } 1 .. $signals), $errors);
	}
}, $errors);

sub a_worker
{
	my ($out, $err) = ('', '');

	eval { $node->psql($db, "SELECT pid FROM wf_workers WHERE kind = 'worker' AND pid IS NOT NULL ORDER BY random() LIMIT 1",
			stdout => \$out, stderr => \$err, timeout => 10) };
	return $out =~ /^\d+$/ ? $out : undef;
}

# The storm.  Half of the kills come within moments of the last start, in the
# middle of picking things up again; the others when all is in full swing.
my %killed = (postmaster => 0, worker => 0);
my $storm = time();
while ($killed{postmaster} + $killed{worker} < $kills)
{
	until_true(sub { is_up($node, $db) }, 60) or BAIL_OUT('the server does not come up');
	usleep(rand() < 0.5 ? rand(300_000) : 300_000 + rand(2_000_000));
	if (rand() < 0.5)
	{
		kill_postmaster($node);
		$node->start;
		$killed{postmaster}++;
	}
	elsif (my $pid = a_worker())
	{
		kill_process($pid) if kill(0, $pid);
		$killed{worker}++;
	}
}
$storm = time() - $storm;
append_to_file("$dir/stop", '');
waitpid($_, 0) foreach $starter, $signaller;

my $batches = slurp_file("$dir/all started");
my $started = $batches * $batch_size;
ok(!-e $errors, 'clients met no error but lost connections') or diag(substr(slurp_file($errors), 0, 2000));
cmp_ok($started, '>=', $least, "$started workflows started, $killed{postmaster} kills of the postmaster, $killed{worker} of a worker");
my $drain = elapsed(sub {
	ok($node->poll_query_until($db, 'SELECT count(*) = 0 FROM durable.execution'), 'all finish')
	  or diag_engine($node, $db); });
note(sprintf('%d workflows, %d s of storm, %.1f s until all were finished', $started, $storm, $drain));

is($node->safe_psql($db, "SELECT status, count(*) FROM wf_executions GROUP BY 1"), "completed|$started", 'completed, each of them');
is( $node->safe_psql($db, "SELECT workflow, result, count(*) FROM wf_executions GROUP BY 1, 2 ORDER BY 1, 2"),
	join("\n", 'five|150|' . 30 * $batches, 'gambler|30|' . 10 * $batches,
		'signalled|60|' . 10 * $batches, 'sleepy|60|' . 10 * $batches),
	'with the right result');

# What should be in the tables, and what is: both ways, with repetition
$node->safe_psql($db, <<"SQL");
CREATE TABLE expected AS
	SELECT format('five %s-%s', b, n) AS id, step FROM generate_series(1, $batches) b, generate_series(1, 30) n, generate_series(1, 5) step
	UNION ALL
	SELECT format('sleepy %s-%s', b, n), step FROM generate_series(1, $batches) b, generate_series(1, 10) n, generate_series(1, 4) step
	UNION ALL
	SELECT format('signalled %s-%s', b, n), step FROM generate_series(1, $batches) b, generate_series(1, 10) n, generate_series(1, $signals) step
	UNION ALL
	SELECT format('gambler %s-%s', b, n), step FROM generate_series(1, $batches) b, generate_series(1, 10) n, unnest('{1,2,99}'::int[]) step;
SQL
sub differences
{
	my ($have, $want) = @_;

	return $node->safe_psql($db, "(SELECT 'too many', * FROM ($have EXCEPT ALL $want) a LIMIT 5)
		UNION ALL (SELECT 'missing', * FROM ($want EXCEPT ALL $have) b LIMIT 5)");
}
is(differences('SELECT id, step FROM audit', 'SELECT id, step FROM expected'), '', 'every step took effect exactly once');
is( differences('SELECT id, step, amount FROM ledger',
		"SELECT id, step, s * step * 10 FROM expected, unnest('{1,-1}'::int[]) s WHERE step <> 99 AND (id !~ 'sleepy' OR step <> 4)"),
	'', 'in all its tables');
is( differences('SELECT id, n FROM seen', "SELECT id, step FROM expected WHERE id LIKE 'signalled%'"),
	'', 'every signal was seen exactly once');
is( $node->safe_psql($db, "SELECT count(*) FROM (SELECT n, row_number() OVER (PARTITION BY id ORDER BY position) AS r FROM seen) s WHERE n <> r"),
	'0', 'in the order they were sent');
is( $node->safe_psql($db, "SELECT count(*) FROM (SELECT run_id, event_id, lag(event_id, 1, 0::bigint) OVER (PARTITION BY run_id ORDER BY event_id) AS before FROM wf_events) e WHERE event_id <> before + 1"),
	'0', 'histories have no gap');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');
foreach my $table ('message', 'timer', 'execution', 'activity')
{
	is($node->safe_psql($db, "SELECT count(*) FROM durable.$table"), '0', "nothing is left in durable.$table");
}
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal (?!9|6: Aborted \(by parent)/, 'no crash in the log but those wanted');

$node->stop('fast');
done_testing();
