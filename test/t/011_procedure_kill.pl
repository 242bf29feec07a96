# A procedure that loads a file of a million rows in chunks, each committed with
# a heartbeat that says how far it is.  It is killed again and again: its worker
# by SIGKILL, which restarts the server, the server by an immediate shutdown, and
# the postmaster by SIGKILL.  Each attempt goes on after the last chunk; in the
# end every row is there once.
#
# DURABLE_KILLS and DURABLE_SEED in the environment set how many kills there
# are and the seed of their moments.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $kills = $ENV{DURABLE_KILLS} || 9;
my $seed = $ENV{DURABLE_SEED} || 20260711;
my $rows = 1_000_000;
my $chunk = 20_000;
my $db = 'load';

note("seed $seed, $kills kills");
srand($seed);

my $node = durable_node('main', "checkpoint_timeout = '30 s'\nmax_wal_size = '256MB'\n");
create_database($node, $db);
# No constraint would tell of a row that comes twice
$node->safe_psql($db, <<'SQL');
CREATE TABLE loaded (line int, attempt int);
CREATE PROCEDURE load_file(lines int, chunk int) LANGUAGE plpgsql AS $$
DECLARE
	line int := coalesce((wf_heartbeat_details()->>'line')::int, 0);
	attempt int := wf_activity_info()->>'attempt';
BEGIN
	WHILE line < lines LOOP
		INSERT INTO loaded SELECT l, attempt FROM generate_series(line + 1, least(line + chunk, lines)) l;
		line := least(line + chunk, lines);
		PERFORM pg_sleep(0.02);
		PERFORM wf_heartbeat(jsonb_build_object('line', line));
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END $$;
CREATE FUNCTION import(lines int, chunk int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('effect', '{"id": "import", "step": 1}');
	PERFORM wf_activity('load_file', jsonb_build_object('lines', lines, 'chunk', chunk), mode => 'queued',
		retry => wf_retry(initial_interval => '10 ms', max_interval => '20 ms'));
	PERFORM wf_activity('effect', '{"id": "import", "step": 2}');
	RETURN 'imported';
END $$;
SQL
$node->safe_psql($db, "SELECT wf_start('import', '{\"lines\": $rows, \"chunk\": $chunk}', id => 'import')");

# Wait for an attempt that runs.  Returns its number and the worker's pid, or
# nothing once the workflow has ended.
sub attempt_after
{
	my ($last) = @_;
	my ($out, $err);

	until_true(sub {
		($out, $err) = ('', '');
		eval { $node->psql($db, "SELECT attempt, substring(worker from '\\d+') FROM wf_activities WHERE state = 'started' AND attempt > $last
				UNION ALL SELECT 0, status FROM wf_executions WHERE status <> 'running'",
				stdout => \$out, stderr => \$err, timeout => 10) };
		return $out ne ''; }) or diag_engine($node, $db);
	return $out =~ /^(\d+)\|(\d+)$/ ? ($1, $2) : ();
}

my @ways = ('its worker', 'the server', 'the postmaster');
my @killed;
my @where;
my $attempt = 0;
while (@killed < $kills)
{
	my $pid;
	my $way = @ways[@killed % @ways];

	($attempt, $pid) = attempt_after($attempt) or last;
	usleep(rand(120_000));
	if ($way eq 'its worker')
	{
		kill_process($pid);
	}
	elsif ($way eq 'the server')
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		kill_postmaster($node);
		$node->start;
	}
	until_true(sub { is_up($node, $db) }) or BAIL_OUT('the server does not come up');
	push @where, $node->safe_psql($db, 'SELECT count(*) FROM loaded') / $chunk;
	push @killed, $way;
}
is(scalar(@killed), $kills, "killed $kills times: " . join(', ', map { "after $where[$_] chunks $killed[$_]" } 0 .. $#killed));
is(wait_result_again($node, $db, 'import', '30 s'), '"imported"', 'the import ends') or diag_engine($node, $db);

is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT line), min(line), max(line) FROM loaded'), "$rows|$rows|1|$rows", 'each row is there once');
is( $node->safe_psql($db, "SELECT count(*) FROM (SELECT min(line) AS first, lag(max(line), 1, 0) OVER (ORDER BY attempt) AS before
		FROM loaded GROUP BY attempt) a WHERE first <> before + 1 OR before % $chunk <> 0"),
	'0', 'each attempt went on after the last chunk of the one before');
cmp_ok($node->safe_psql($db, 'SELECT count(DISTINCT attempt) FROM loaded'), '>', 2, 'in several attempts');
is($node->safe_psql($db, "SELECT string_agg(step::text, ',' ORDER BY at) FROM effects"), '1,2', 'what comes before and after it happened once');

# Every attempt is accounted for.  A kill may come after an attempt's last commit
my $lost = "FROM wf_attempts WHERE activity = 'load_file' AND outcome = 'timed_out' AND failure->>'type' = 'worker_lost'";
is($node->safe_psql($db, "SELECT count(*) $lost"), $kills, 'wf_attempts tells of each worker that was lost');
is( $node->safe_psql($db, "SELECT count(*), max(attempt) = count(*), bool_and(worker ~ '^activity worker' AND started_at < ended_at)
		FROM wf_attempts WHERE activity = 'load_file'"),
	$kills + 1 . '|t|t', 'and of the attempt that completed');
is( $node->safe_psql($db, "SELECT count(*) $lost AND coalesce((failure->'heartbeat_details'->>'line')::int, 0)
		<> (SELECT coalesce(max(line), 0) FROM loaded l WHERE l.attempt <= wf_attempts.attempt)"),
	'0', 'with its last heartbeat');
is($node->safe_psql($db, "SELECT count(*) FROM wf_stuck"), '0', 'nothing is stuck');
is($node->safe_psql($db, "SELECT count(*) FROM durable.$_"), '0', "nothing is left in durable.$_") foreach 'activity', 'message', 'timer';
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal (?!9|6: Aborted \(by parent)/, 'no crash in the log but those wanted');
$node->stop('fast');
done_testing();
