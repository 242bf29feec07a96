# Who waits holds nothing: no lock, no row, and a CALL no snapshot either.  Who is
# dead does not wait, and gets nothing.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = durable_node('waiting');
my $db = 'postgres';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $n = 0;

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION serve() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	u record;
BEGIN
	SELECT * INTO u FROM wf_next_update();
	PERFORM wf_wait_signal('answer');
	PERFORM wf_reply(u.update_id, '"here"');
	RETURN '"served"';
END $$;
-- what a session holds of ours: locks on tables and on the extension
CREATE VIEW held AS SELECT l.pid, coalesce(c.relname, l.locktype) AS what, l.mode
	FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
	WHERE l.granted AND (c.relnamespace = 'durable'::regnamespace OR l.locktype = 'object' AND l.classid = 'pg_extension'::regclass);
SQL

# A psql that runs statements; returns what is known of it
sub session
{
	my ($sql, $database) = @_;
	my %s = (script => "$dir/" . ++$n . '.sql', output => "$dir/$n.out", name => "s$n");

	append_to_file($s{script}, "SET application_name = '$s{name}';\n$sql\n");
	append_to_file($s{output}, '');
	$s{client} = psql_client($node, $database // $db, $s{script}, $s{output});
	return \%s;
}

sub ask
{
	my ($s, $what) = @_;

	return $node->safe_psql('postgres', "SELECT $what FROM pg_stat_activity WHERE application_name = '$s->{name}'");
}

# It sleeps in a wait of ours, and its backend's pid is known
sub until_waiting
{
	my ($s) = @_;

	until_true(sub { ask($s, "pid || ' ' || coalesce(wait_event_type, '')") =~ /^(\d+) Extension$/ and $s->{pid} = $1 })
	  or diag("$s->{name} does not wait: " . slurp_file($s->{output}));
	return;
}

sub output_of
{
	my ($s) = @_;

	waitpid($s->{client}, 0);
	return slurp_file($s->{output}) =~ s/\n\z//r;
}

my $file_count = 0;

# 1. The first call in a database, at every isolation level.
my %first = (
	wf_start => q{SELECT wf_start('one', '{"n": 1}')},
	wf_signal_with_start => q{SELECT wf_signal_with_start('ask', 's', 'answer')},
	wf_update_with_start => q{SELECT wf_update_with_start('serve', 'u', 'x')},
	wf_signal => q{SELECT wf_signal('w', 'answer')},
	wf_update => q{SELECT wf_update('w', 'x', wait_for => 'admitted')},
	wf_cancel => q{SELECT wf_cancel('w')},
	wf_pause => q{SELECT wf_pause('w')},
	wf_reset => q{SELECT wf_reset('w', point => 'first')},
	wf_terminate => q{SELECT wf_terminate('w')},
	wf_poll_activities => q{SELECT count(*) FROM wf_poll_activities('q')},
	wf_complete_activity => q{SELECT wf_complete_activity(task_token) FROM wf_poll_activities('first')},
	wf_set_task_queue => q{SELECT wf_set_task_queue('q', max_concurrent => 1)},
	wf_wait => q{SELECT status FROM wf_wait('w', timeout => '0')},
	wf_delete => q{SELECT wf_delete('w')});

foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my @failed;

	foreach my $call (sort keys %first)
	{
		my $err = '';

		$node->safe_psql($db, "SELECT wf_start('act', '{\"activity\": \"w\", \"task_queue\": \"first\"}', id => 'w')");
		until_true(sub { $node->safe_psql($db, "SELECT count(*) FROM wf_activities WHERE task_queue = 'first'") eq '1' });
		# as in a database where nothing of ours was ever called
		$node->safe_psql($db, 'DELETE FROM durable.identity');
		$node->psql($db, "BEGIN ISOLATION LEVEL $level;\n$first{$call};\nCOMMIT;", stderr => \$err, on_error_stop => 1);
		push @failed, "$call: $err" if $err ne '';
		$node->safe_psql($db, 'SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions');
	}
	is(join("\n", @failed), '', "first calls at $level");
}

# 2. Nothing is held.
my %waits = (
	wf_result => [q{SELECT wf_result('%s')}, q{"here"}],
	wf_wait => [q{SELECT status, result FROM wf_wait('%s')}, q{completed|"here"}],
	wf_update => [q{SELECT wf_update('%s u', 'x')}, q{"here"}],
	wf_poll_activities => [q{SELECT activity FROM wf_poll_activities('%s', wait => '1 hour')}, 'work'],
	'wf_result after another' => [q{SELECT wf_result('done') IS NOT NULL, wf_result('%s')}, q{t|"here"}],
	'CALL wf_execute' => [q{CALL wf_execute('ask', id => '%s x')}, q{"here"}],
	'CALL wf_await_result' => [q{CALL wf_await_result('%s')}, q{"here"}],
	'CALL wf_await_update' => [q{CALL wf_await_update('%s u', 'x')}, q{"here"}]);
my %waiting;

$node->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'done')");
wait_result($node, $db, 'done');
foreach my $level ('read committed', 'repeatable read')
{
	foreach my $call (sort keys %waits)
	{
		my $id = "w" . ++$file_count;

		$node->safe_psql($db, "SELECT wf_start('ask', id => '$id'), wf_start('serve', id => '$id u')");
		my $s = $waiting{"$call, $level"} =
		  session("SET default_transaction_isolation = '$level';\n" . sprintf($waits{$call}->[0], $id) . ';');
		@$s{ 'id', 'expected', 'call' } = ($id, $waits{$call}->[1], $call);
	}
}
until_waiting($_) foreach values %waiting;
# an update that is not accepted yet may still be on its way by the scheduler
until_true(sub { $node->safe_psql($db, 'SELECT count(*) FROM wf_updates WHERE accepted_at IS NOT NULL') eq '4' })
  or fail('updates are accepted');
foreach my $name (sort keys %waiting)
{
	my $s = $waiting{$name};

	is($node->safe_psql($db, "SELECT string_agg(what || ' ' || mode, ', ') FROM held WHERE pid = $s->{pid}"), '', "$name: no locks");
	is(ask($s, 'backend_xmin IS NULL'), 't', "$name: no snapshot") if $name =~ /^CALL/;
}
quick_ok($node, $db, $_, 20, "while they wait: $_")
  foreach 'VACUUM FULL durable.execution', 'VACUUM FULL durable.closed', 'VACUUM FULL durable.activity',
  'VACUUM FULL durable.update', 'REINDEX TABLE durable.execution', 'REINDEX TABLE durable.history',
  'ALTER TABLE durable.execution ADD COLUMN of_another int';
$node->safe_psql($db, <<'SQL');
SELECT wf_signal(workflow_id, 'answer', '"here"') FROM wf_executions WHERE status = 'running' AND workflow IN ('ask', 'serve');
SELECT wf_start('act', jsonb_build_object('activity', 'work', 'task_queue', 'w' || n)) FROM generate_series(1, 99) n;
SQL
is(output_of($waiting{$_}), $waiting{$_}->{expected}, "$_: goes on") foreach sort keys %waiting;
$node->safe_psql($db, "ALTER TABLE durable.execution DROP COLUMN of_another");
$node->safe_psql($db, "SELECT count(wf_delete(workflow_id, run_id)) FROM wf_executions WHERE status = 'running'");

# 3. What the transaction itself holds makes a deadlock, which is seen.
$node->safe_psql($db, "SELECT wf_start('ask', id => 'behind')");
my $holder = session("BEGIN;\nSELECT count(*) > 0 FROM wf_executions;\nSELECT wf_result('behind');\nROLLBACK;");
until_waiting($holder);
quick_ok($node, $db, 'VACUUM FULL durable.execution', 10, 'a table that a waiting transaction has read');
like(output_of($holder), qr/^t\n.*ERROR:  deadlock detected.*Commit before you wait/s, 'its session gives up');

# a step that waits, in the transaction of its turn
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION await(id text) RETURNS jsonb LANGUAGE sql AS 'SELECT wf_result(id)';
CREATE FUNCTION waits(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT wf_activity('await', jsonb_build_object('id', id)) $$;
SELECT wf_start('waits', '{"id": "behind"}', id => 'step');
SQL
until_true(sub { $node->safe_psql('postgres',
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event_type = 'Extension' AND query <> ''
	AND EXISTS (SELECT FROM held WHERE held.pid = pg_stat_activity.pid)") ne '0' });
quick_ok($node, $db, 'VACUUM FULL durable.execution', 20, 'a table behind a step that waits');
$node->safe_psql($db, "SELECT wf_signal('behind', 'answer', '1')");
is(wait_result($node, $db, 'step'), '1', 'the step is tried again');

# 4. Dead clients.
$node->safe_psql($db, "SELECT wf_start('ask', id => 'never'), wf_start('ask', id => 'never u')");
my @dead = map { session($_) } "SELECT wf_result('never');", "SELECT wf_wait('never');", "SELECT wf_update('never u', 'x');",
  "CALL wf_await_result('never');", "CALL wf_await_update('never u', 'x');", "CALL wf_execute('ask', id => 'never x');",
  "SELECT * FROM wf_poll_activities('ghost', 10, wait => '1 hour');";
until_waiting($_) foreach @dead;
kill(9, $_->{client}) foreach @dead;
waitpid($_->{client}, 0) foreach @dead;
my $took = elapsed(sub {
	ok(until_true(sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ("
		. join(', ', map { "'$_->{name}'" } @dead) . ')') eq '0' }), 'sessions of dead clients end'); });
cmp_ok($took, '<', 5, 'soon');

# tasks that come in the moment in which those who polled for them die
my @ghosts = map { session("SELECT * FROM wf_poll_activities('ghost', 1, 'ghost', wait => '1 hour');") } 1 .. 8;
until_waiting($_) foreach @ghosts;
kill(9, $_->{client}) foreach @ghosts;
$node->safe_psql($db, "SELECT count(wf_start('act', '{\"activity\": \"w\", \"task_queue\": \"ghost\"}')) FROM generate_series(1, 8)");
waitpid($_->{client}, 0) foreach @ghosts;
my $got = 0;
until_true(sub { ($got += $node->safe_psql($db, "SELECT count(*) FROM wf_poll_activities('ghost', 10, 'live', wait => '1 s')")) >= 8 });
is($got, 8, 'who lives gets them all');

$node->stop;
done_testing();
