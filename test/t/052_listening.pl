# Who LISTENs for tasks is told of them, in whatever session, by whatever
# statement; and not of each of them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

# one worker: transactions that write tasks at the same time would each tell of them
my $node = durable_node('listening', "durable.max_workers = 1\n");
my $db = 'postgres';
my $queues = 0;

create_database($node, $db);
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION durable');

like($node->safe_psql($db, "SELECT wf_channel('q')"), qr/^wfq_[0-9a-f]{16}$/, 'wf_channel');
is($node->safe_psql($db, "SELECT wf_listen('q');\nSELECT pg_listening_channels() = wf_channel('q');"), "\nt", 'is what wf_listen LISTENs on');
is($node->safe_psql($db, "SELECT wf_channel('q', namespace => 'other') = wf_channel('q')"), 'f', 'in its namespace');

# A queue of its own, with a session that LISTENs by such statements
sub listener
{
	my ($statements) = @_;
	my %l = (queue => 'q' . ++$queues);

	$l{channel} = $node->safe_psql($db, "SELECT wf_channel('$l{queue}')");
	$l{session} = $node->background_psql($db, on_error_stop => 0);
	$l{session}->query_safe($statements =~ s/CHANNEL/$l{channel}/gr =~ s/QUEUE/$l{queue}/gr);
	$l{session}->query_safe('LISTEN the_end');
	return \%l;
}

# What it was told since the last time
sub told
{
	my ($l) = @_;
	my $all = '';

	$node->safe_psql($db, 'NOTIFY the_end');
	until_true(sub { $all .= $l->{session}->query_safe('SELECT 1'); $all =~ /"the_end"/ });
	return scalar(() = $all =~ /notification "$l->{channel}"/g);
}

sub tasks
{
	my ($l, $count) = @_;

	$node->safe_psql($db, "SELECT count(wf_start('act', '{\"activity\": \"x\", \"task_queue\": \"$l->{queue}\"}')) FROM generate_series(1, $count)");
	return $node->poll_query_until($db, "SELECT count(*) = 0 FROM durable.message")
	  && $node->poll_query_until($db, "SELECT count(*) = 0 FROM durable.execution WHERE waiting_for IS NULL OR waiting_for !~ 'activity'");
}

sub poll
{
	my ($l, $max, $in) = @_;

	return $node->safe_psql($in // $db, "SELECT count(*) FROM wf_poll_activities('$l->{queue}', $max)");
}

foreach my $statement ("SELECT wf_listen('QUEUE')", 'LISTEN CHANNEL', 'BEGIN; SAVEPOINT s; LISTEN CHANNEL; RELEASE s; COMMIT',
	'LISTEN CHANNEL; BEGIN; UNLISTEN CHANNEL; ROLLBACK', 'UNLISTEN *; LISTEN CHANNEL')
{
	my $l = listener($statement);

	tasks($l, 1);
	is(told($l), 1, "$statement: told, though nobody has ever polled");
	tasks($l, 20);
	is(told($l), 0, 'not again, until somebody polls');
	is(poll($l, 100), 21, 'another session polls for it');
	tasks($l, 1);
	is(told($l), 1, 'told again');
	is(poll($l, 100, 'elsewhere'), 0, 'a poll in another database');
	tasks($l, 1);
	is(told($l), 0, 'is no poll of this queue');
	poll($l, 100);
	$node->safe_psql($db, "BEGIN;\nSELECT count(wf_start('act', '{\"activity\": \"x\", \"task_queue\": \"$l->{queue}\"}')) FROM generate_series(1, 2000);\nCOMMIT;");
	$node->poll_query_until($db, "SELECT count(*) = 2000 FROM durable.activity WHERE task_queue = '$l->{queue}' AND place IS NOT NULL");
	is(told($l), 1, '2,000 tasks at once: one NOTIFY');
	$l->{session}->quit;
	$node->safe_psql($db, "SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE status = 'running'");
}

# nobody LISTENs, or not any more
foreach my $statement ('SELECT 1', 'BEGIN; LISTEN CHANNEL; ROLLBACK', 'LISTEN CHANNEL; UNLISTEN CHANNEL', "SELECT wf_listen('QUEUE'); UNLISTEN *",
	'LISTEN CHANNEL', 'LISTEN wfq_0', 'LISTEN wf_ffffffffffffffffff')
{
	my $l = listener($statement);

	# DISCARD ALL cannot be in a script with others
	$l->{session}->query_safe('DISCARD ALL') if $statement eq 'LISTEN CHANNEL';
	poll($l, 1);
	tasks($l, 1);
	is($node->safe_psql($db, "SELECT waiting_workers, notified FROM wf_task_queues WHERE task_queue = '$l->{queue}'"), '0|0',
		"$statement: nobody is told");
	$l->{session}->quit;
}

# who got hungry after the look of the transaction that brings a task is told by
# the scheduler; who is gone by then leaves nothing to it: it sleeps again
{
	my $l = listener('SELECT 1');
	my $bringer = $node->background_psql($db, on_error_stop => 0);

	$node->safe_psql($db, "SELECT wf_start('act', '{\"activity\": \"x\", \"task_queue\": \"$l->{queue}\"}', id => 'late')");
	$node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'late'");
	$node->safe_psql($db, "SELECT wf_pause_activity('late')");
	$bringer->query_safe("BEGIN; SELECT wf_unpause_activity('late')");
	$l->{session}->query_safe("LISTEN $l->{channel}");
	my $pid = $node->safe_psql($db, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable scheduler' AND datname = '$db'");
	my $listens = $l->{session}->query_safe('SELECT pg_backend_pid()');
	kill('STOP', $pid);
	$bringer->query_safe('COMMIT');
	$bringer->quit;
	$l->{session}->quit;
	$node->poll_query_until($db, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $listens");
	kill('CONT', $pid);
	my $asleep = 0;
	until_true(sub {
		$asleep = $node->safe_psql($db, "SELECT coalesce((SELECT wait_event IS NOT NULL FROM pg_stat_activity WHERE pid = $pid), true)") eq 't' ? $asleep + 1 : 0;
		$asleep >= 10 }, 10);
	is($asleep, 10, 'a scheduler that was to tell one who is gone sleeps');
}

$node->stop;
done_testing();
