# What the TAP tests share: nodes with durable preloaded, kills that do not
# depend on how soon dead processes are reaped, and the functions that most of
# the workflows under test are made of.
package DurableTest;

use strict;
use warnings;
use Exporter 'import';
use POSIX ();
use Time::HiRes qw(time usleep);

# No wait in these tests is to take longer than this.
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} //= 30; }

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(durable_node create_database set_conf quick_ok wait_result wait_result_again status_of
  start_act attempts_of kill_postmaster kill_process stop_wal_writer is_dead until_true is_up insist repeat_script client psql_client
  start_with_clock set_clock log_since count_in_log elapsed diag_engine);

my @nodes;

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
durable.patrol_interval = '500ms'
@{[ $conf // '' ]}
CONF
	push @nodes, $node;
	$node->start if $opt{start} // 1;
	return $node;
}

# What the patrol finds is a bug, whatever else the test was about
our $findings_expected = 0;

END
{
	foreach my $node ($findings_expected ? () : @nodes)
	{
		my @found = -e $node->logfile ? slurp_file($node->logfile) =~ /durable patrol: .*\n.*/g : ();

		diag('the patrol found in ' . $node->name . ":\n" . join("\n", @found)) if @found;
		$? ||= 1 if @found;
	}
}

# The server's clock runs so many seconds ahead; nobody else's does
sub set_clock
{
	my ($seconds) = @_;
	my $path = "$PostgreSQL::Test::Utils::tmp_check/clock";

	open my $file, (-e $path ? '+<' : '>'), $path or die "$path: $!";
	syswrite($file, pack('q', $seconds)) == 8 or die "$path: $!";
	close $file;
	return;
}

# Start a server whose clock set_clock() sets (set_clock.c)
sub start_with_clock
{
	my ($node) = @_;
	my $tmp = $PostgreSQL::Test::Utils::tmp_check;
	my $source = __FILE__ =~ s,[^/]*$,set_clock.c,r;

	system_or_bail('cc', '-shared', '-fPIC', '-O1', '-o', "$tmp/set_clock.so", $source, '-ldl') unless -e "$tmp/set_clock.so";
	set_clock(0) unless -e "$tmp/clock";
	local %ENV = (%ENV, LD_PRELOAD => "$tmp/set_clock.so", SET_CLOCK => "$tmp/clock");
	$node->start;
	return;
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
-- one activity in a queue: of the server's, or of external workers where task_queue is given
CREATE FUNCTION act(activity text, input jsonb DEFAULT '{}', task_queue text DEFAULT NULL, start_to_close interval DEFAULT NULL,
	schedule_to_close interval DEFAULT NULL, heartbeat interval DEFAULT NULL, retry jsonb DEFAULT NULL,
	cancellation text DEFAULT 'try_cancel') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity(activity, input, task_queue => task_queue, mode => CASE WHEN task_queue IS NULL THEN 'queued' END,
		start_to_close => start_to_close, schedule_to_close => schedule_to_close, heartbeat => heartbeat, retry => retry,
		cancellation => cancellation, activity_id => 'it');
END $$;
-- an activity that takes until its gate is opened
CREATE TABLE gates (name text);
CREATE FUNCTION hold(id text, gate text DEFAULT 'gate') RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	attempt int := wf_activity_info()->>'attempt';
BEGIN
	INSERT INTO effects VALUES (id, attempt);
	WHILE NOT EXISTS (SELECT FROM gates WHERE name = gate) LOOP
		PERFORM pg_sleep(0.02);
	END LOOP;
	RETURN attempt;
END $$;
-- chunks until the gate is open; each attempt goes on where the last one was
CREATE PROCEDURE chunks(id text, gate text DEFAULT 'gate') LANGUAGE plpgsql AS $$
DECLARE
	n int := coalesce(wf_heartbeat_details()::int, 0);
BEGIN
	LOOP
		n := n + 1;
		INSERT INTO effects VALUES (id, n);
		PERFORM wf_heartbeat(to_jsonb(n));
		COMMIT;
		EXIT WHEN EXISTS (SELECT FROM gates WHERE name = gate);
		PERFORM pg_sleep(0.02);
	END LOOP;
	INSERT INTO effects VALUES (id, 0);
END $$;
SQL
	return;
}

# Change settings while the server runs
sub set_conf
{
	my ($node, $conf) = @_;

	$node->append_conf('postgresql.conf', $conf);
	$node->reload;
	return;
}

# Start the workflow act, whose arguments follow as SQL expressions by name
sub start_act
{
	my ($node, $db, $id, $activity, %args) = @_;
	my $input = join ', ', "'activity', '$activity'", map { "'$_', $args{$_}" } sort keys %args;

	return $node->safe_psql($db, "SELECT wf_start('act', jsonb_build_object($input), id => '$id')");
}

# The attempts of a workflow's activities, a line each: which, outcome, and why
# it failed
sub attempts_of
{
	my ($node, $db, $id) = @_;

	return $node->safe_psql($db, <<"SQL");
SELECT a.attempt, a.outcome, a.failure->>'type'
FROM wf_attempts a JOIN wf_executions USING (run_id) WHERE workflow_id = '$id' ORDER BY a.command, a.attempt
SQL
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
	my $took = elapsed(sub {
		eval { $node->psql($db, $sql, stdout => \$out, stderr => \$err, timeout => $PostgreSQL::Test::Utils::timeout_default); 1 }
		  or $err = 'it did not come to an end'; });

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($err eq '' && $took < $seconds, $name) || diag(sprintf('%s: %.1f s %s', $sql, $took, $err));
}

# The same around a crash, when connections may be refused or lost
sub wait_result_again
{
	my ($node, $db, $id, $timeout) = @_;
	my $result;

	until_true(sub { $result = wait_result($node, $db, $id, $timeout);
		$result !~ /starting up|recovery|shutting down|closed the connection|not yet accepting|terminating connection|connection to server/ });
	return $result;
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

sub title_of
{
	my ($pid) = @_;

	open(my $fh, '<', "/proc/$pid/cmdline") or return '';
	my $title = <$fh> // '';
	$title =~ tr/\0/ /;
	return $title;
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
	my %title = map { $_ => title_of($_) } @pids;

	$node->kill9;
	until_true(sub { @pids = grep { !is_dead($_) } @pids; !@pids })
	  or die 'processes of the killed postmaster are still there: ' . join(', ', map { "$_ $title{$_}" } @pids) . "\n";
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

# From now on nothing gets to the disk that nobody waits for.  Returns the pid:
# what is stopped must be killed, since it does not notice the end of the others.
sub stop_wal_writer
{
	my ($node, $db) = @_;
	my $pid = $node->safe_psql($db, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");

	kill('STOP', $pid);
	return $pid;
}

sub is_up
{
	my ($node, $db) = @_;
	my ($out, $err) = ('', '');

	return defined eval { $node->psql($db, 'SELECT 1', stdout => \$out, stderr => \$err, timeout => 10) } && $out eq '1';
}

# What clients do in a storm: repeat a statement until it is known to be
# committed.  An error that is not about the connection goes to the file.
sub insist
{
	my ($node, $db, $sql, $errors) = @_;
	my $refused = 0;

	while (1)
	{
		my ($out, $err) = ('', '');
		my $rc = eval { $node->psql($db, $sql, stdout => \$out, stderr => \$err, timeout => 60) };

		return if defined $rc && $rc == 0;
		if ($err =~ /ERROR/ && $err !~ /terminat|recovery|starting up|shutting down|server closed/)
		{
			append_to_file($errors, "$err\n");
			die "gave up\n" if ++$refused >= 20;
		}
		usleep(50_000);
	}
}

# What may be said to clients of whom others do something to the server, or to
# what their script is about
my $beside = qr/canceling|terminat|starting up|recovery|shutting down|server closed|connection to server|not yet accepting|crash|is being accessed|already exists|does not exist|already closed/;

# A client that repeats its script, of statements that may be repeated, until all
# of it has gone through.  Errors other than those, and than option also, go to
# the file; options are also user and seconds (40).  Returns whether it did.
sub repeat_script
{
	my ($node, $db, $sql, $errors, %opt) = @_;
	my $until = time() + ($opt{seconds} // 40);
	my $also = $opt{also} // qr/(?!)/;

	while (time() < $until)
	{
		my ($out, $err) = ('', '');
		my $rc = eval { $node->psql($db, $sql, stdout => \$out, stderr => \$err, on_error_stop => 1, timeout => 60,
				extra_params => [ $opt{user} ? ('-U', $opt{user}) : () ]) };

		return 1 if defined $rc && $rc == 0;
		append_to_file("$errors.repeated", "$err\n");
		append_to_file($errors, "$err\n") if $err =~ /\S/ && $err !~ /$beside|$also/;
		last if -e $errors && -s $errors > 3000;
		usleep(30_000);
	}
	append_to_file($errors, "gave up: $sql\n");
	return 0;
}

# A client is a process of its own.  Returns its pid.
sub client
{
	my ($code, $errors) = @_;
	my $pid = fork();

	die "fork: $!" unless defined $pid;
	return $pid if $pid;
	eval { $code->(); 1 } or append_to_file($errors, "client died: $@\n");
	POSIX::_exit(0);
}

# A psql that runs a script and is nobody's child but ours: it can be killed.
# Its output, with the errors, goes to the file.  Returns its pid.
sub psql_client
{
	my ($node, $db, $script, $output, @params) = @_;
	my $pid = fork();

	die "fork: $!" unless defined $pid;
	return $pid if $pid;
	open(STDIN, '<', $script) or POSIX::_exit(1);
	open(STDOUT, '>>', $output) or POSIX::_exit(1);
	open(STDERR, '>&', \*STDOUT) or POSIX::_exit(1);
	exec($node->installed_command('psql'), '-XAtq', '-d', $node->connstr($db), @params, '-f', '-') or POSIX::_exit(1);
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
SELECT 'task', t.workflow_id, t.command, t.activity, t.mode, t.state, t.attempt, t.worker, t.next_attempt_at, t.last_failure FROM wf_activities t LIMIT 10;
SELECT 'queue', q.* FROM wf_task_queues q;
SELECT 'worker', w.* FROM wf_workers w;
SELECT 'stuck', s.* FROM wf_stuck s LIMIT 5;
SELECT 'activity', pid, backend_type, datname, state, wait_event, query FROM pg_stat_activity WHERE backend_type ~ 'durable';
SQL
	diag("engine in $db:\n$out\n$err");
	return;
}

1;
