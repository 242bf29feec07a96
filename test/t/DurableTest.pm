# What the TAP tests share: nodes with durable preloaded, kills that do not
# depend on how soon dead processes are reaped, and the functions that most of
# the workflows under test are made of.
package DurableTest;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes qw(time usleep);

# No wait in these tests is to take longer than this.
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} //= 30; }

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(durable_node create_database quick_ok wait_result status_of kill_postmaster
  kill_process until_true log_since count_in_log elapsed diag_engine);

# A node with the library preloaded.  Further settings as one string; init =>
# [...] goes to init(), start => 0 leaves it stopped.
sub durable_node
{
	my ($name, $conf, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(@{ $opt{init} // [] });
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'durable'
restart_after_crash = on
log_statement = none
max_worker_processes = 16
max_connections = 40
shared_buffers = 32MB
timezone = 'UTC'
@{[ $conf // '' ]}
CONF
	$node->start if $opt{start} // 1;
	return $node;
}

# Install the extension and what workflows are made of: effect() is a step
# whose every execution leaves a row, in a table without a unique constraint.
sub create_database
{
	my ($node, $db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db") if $db ne 'postgres';
	$node->safe_psql($db, <<'SQL');
CREATE EXTENSION durable;
CREATE TABLE effects (id text, step int, at timestamptz DEFAULT clock_timestamp());
GRANT ALL ON effects TO PUBLIC;
CREATE FUNCTION effect(id text, step int) RETURNS int LANGUAGE sql AS
	'INSERT INTO effects VALUES ($1, $2) RETURNING step';
CREATE FUNCTION slow(seconds float8, step int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(seconds);
	INSERT INTO effects VALUES ('slow', step);
	RETURN step;
END $$;
-- one step
CREATE FUNCTION one(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	RETURN n + 1;
END $$;
-- a step, a sleep, a step
CREATE FUNCTION nap(seconds float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	PERFORM wf_sleep(make_interval(secs => seconds));
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 2));
	RETURN 'awake';
END $$;
-- a step, a signal, a step
CREATE FUNCTION ask() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
BEGIN
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 1));
	answer := wf_wait_signal('answer');
	PERFORM wf_activity('effect', jsonb_build_object('id', wf_info()->>'workflow_id', 'step', 2));
	RETURN answer;
END $$;
-- one slow step
CREATE FUNCTION plod(seconds float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_activity('slow', jsonb_build_object('seconds', seconds, 'step', 1));
	RETURN 'done';
END $$;
SQL
	return;
}

# What wf_result says within a time, or the error
sub wait_result
{
	my ($node, $db, $id, $timeout, @options) = @_;
	my ($stdout, $stderr) = ('', '');

	$timeout //= '15 s';
	$node->psql($db, "SELECT wf_result('$id', timeout => '$timeout')",
		stdout => \$stdout, stderr => \$stderr, @options);
	return $stderr eq '' ? $stdout : $stderr;
}

# A statement that is to succeed within some seconds
sub quick_ok
{
	my ($node, $db, $sql, $seconds, $name) = @_;
	my ($out, $err) = ('', '');
	my $took = elapsed(sub { $node->psql($db, $sql, stdout => \$out, stderr => \$err) });

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($err eq '' && $took < $seconds, $name) || diag(sprintf('%s: %.1f s %s', $sql, $took, $err));
}

sub status_of
{
	my ($node, $db, $id) = @_;

	return $node->safe_psql($db,
		"SELECT string_agg(status, ',' ORDER BY run_id) FROM wf_executions WHERE workflow_id = '$id'");
}

# Poll until the code says yes.  Returns whether it did.
sub until_true
{
	my ($code, $timeout) = @_;
	my $until = time() + ($timeout // $PostgreSQL::Test::Utils::timeout_default);

	until ($code->())
	{
		return 0 if time() > $until;
		usleep(10_000);
	}
	return 1;
}

# A process that is no more, or a zombie that process 1 has yet to reap
sub is_dead
{
	my ($pid) = @_;

	return 1 unless kill(0, $pid);
	open(my $fh, '<', "/proc/$pid/stat") or return !-d '/proc/self';
	my $line = <$fh> // '';
	return $line =~ /\)\s+[ZX]\s/ ? 1 : 0;
}

sub children_of
{
	my ($parent) = @_;
	my @children;

	foreach my $stat (glob('/proc/[0-9]*/stat'))
	{
		open(my $fh, '<', $stat) or next;
		my $line = <$fh> // next;
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S+ (\d+) / && $2 == $parent;
	}
	return @children;
}

# Kill the postmaster with SIGKILL and wait until all its processes are gone.
# Its pid may linger as a zombie, and then its lock files would be in the way
# of a new postmaster.
sub kill_postmaster
{
	my ($node) = @_;
	my $file = $node->data_dir . '/postmaster.pid';
	my @lines = split /\n/, slurp_file($file);
	my @pids = ($lines[0], children_of($lines[0]));

	$node->kill9;
	until_true(sub { !grep { !is_dead($_) } @pids })
	  or die "processes of the killed postmaster are still there: @pids";
	return unless kill(0, $lines[0]);
	unlink $file, "$lines[4]/.s.PGSQL.$lines[3].lock", "$lines[4]/.s.PGSQL.$lines[3]";
	if (defined $lines[6] && $lines[6] =~ /^\s*\d+\s+(\d+)/)
	{
		system("ipcrm -m $1 >/dev/null 2>&1");
	}
	return;
}

# Kill one process of the server: it restarts all of them
sub kill_process
{
	my ($pid) = @_;

	kill(9, $pid);
	return until_true(sub { is_dead($pid) });
}

sub log_since
{
	my ($node, $offset) = @_;

	return slurp_file($node->logfile, $offset // 0);
}

sub count_in_log
{
	my ($node, $pattern, $offset) = @_;
	my $count = () = log_since($node, $offset) =~ /$pattern/g;

	return $count;
}

sub elapsed
{
	my ($code) = @_;
	my $start = time();

	$code->();
	return time() - $start;
}

# For a test that failed: what the engine looks like
sub diag_engine
{
	my ($node, $db) = @_;
	my ($out, $err) = ('', '');

	$node->psql($db, <<'SQL', stdout => \$out, stderr => \$err, timeout => 10);
SELECT 'open', count(*), min(waiting_for), max(waiting_for) FROM durable.execution;
SELECT 'execution', e.workflow_id, e.workflow, e.waiting_for, e.next_event FROM durable.execution e LIMIT 5;
SELECT 'message', m.* FROM durable.message m LIMIT 5;
SELECT 'timer', t.* FROM durable.timer t LIMIT 5;
SELECT 'worker', w.* FROM wf_workers w;
SELECT 'stuck', s.* FROM wf_stuck s LIMIT 5;
SELECT 'activity', pid, backend_type, datname, state, wait_event, query FROM pg_stat_activity WHERE backend_type ~ 'durable';
SQL
	diag("engine in $db:\n$out\n$err");
	return;
}

1;
