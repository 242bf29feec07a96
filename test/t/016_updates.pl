# Updates with real workers: clients that wait, many at once, that give up, or
# whose server goes down; a request of one update_id takes effect once.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = durable_node('main', "autovacuum = off\n", init => [ allows_streaming => 1 ]);
my $db = 'app';

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
-- each update adds, by a step that leaves a row; 'hold' answers when told
CREATE FUNCTION cart() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	u record;
	total int := 0;
BEGIN
	LOOP
		SELECT * INTO u FROM wf_next_update();
		IF u.name = 'add' THEN
			total := total + (u.args->>'n')::int;
			PERFORM wf_activity('effect', jsonb_build_object('id', u.update_id, 'step', total));
			PERFORM wf_reply(u.update_id, to_jsonb(total));
		ELSIF u.name = 'hold' THEN
			PERFORM wf_wait_signal('on');
			PERFORM wf_reply(u.update_id, '"held"');
		ELSIF u.name = 'close' THEN
			PERFORM wf_reply(u.update_id, '"closed"');
			RETURN total;
		ELSIF u.name = 'end' THEN
			RETURN total;
		ELSE
			PERFORM wf_reject(u.update_id, 'a cart knows no ' || u.name);
		END IF;
	END LOOP;
END $$;
SQL

# What wf_update says, or its error, within a time
sub update
{
	my ($id, $update, $options, $timeout) = @_;
	my ($out, $err) = ('', '');

	$options = $options ? ", $options" : '';
	$timeout //= '15 s';
	$node->psql($db, "SELECT wf_update('$id', '$update', timeout => '$timeout'$options)", stdout => \$out, stderr => \$err);
	$err =~ s/^psql:<stdin>:\d+: //;
	$err =~ s/\n.*//s;
	return $err eq '' ? $out : $err;
}

sub start
{
	my ($id) = @_;

	$node->safe_psql($db, "SELECT wf_start('cart', id => '$id')");
	return;
}

# A client that waits, whose output goes to a file
my $clients = 0;
sub waiting_client
{
	my ($sql) = @_;
	my $base = $PostgreSQL::Test::Utils::tmp_check . '/client' . ++$clients;

	append_to_file("$base.sql", "$sql;\n");
	return { pid => psql_client($node, $db, "$base.sql", "$base.out"), out => "$base.out" };
}

sub said
{
	my ($client, $pattern) = @_;

	return until_true(sub { -e $client->{out} && slurp_file($client->{out}) =~ $pattern })
	  || diag(slurp_file($client->{out})) && 0;
}

start('cart');
is(update('cart', 'add', q(args => '{"n": 2}', update_id => 'a')), '2', 'a client waits for the answer');
is(update('cart', 'add', q(args => '{"n": 3}')), '5', 'and the next one for another');
is(update('cart', 'add', q(args => '{"n": 2}', update_id => 'a')), '2', 'the same update_id gets the same answer');
like(update('cart', 'sing'), qr/ERROR:  a cart knows no sing/, 'a rejection is an error');
is(update('cart', 'add', q(args => '{"n": 1}', update_id => 'acc', wait_for => 'accepted')), '', 'waiting for the acceptance only');
is(update('cart', 'add', q(update_id => 'acc')), '6', 'and for the answer later');
is($node->safe_psql($db, "SELECT (wf_update('cart', 'add', jsonb_build_object('n', repeat('1', 1)::int, 'x', repeat('x', 100000))))"), '7', 'large arguments come along');
is( $node->safe_psql($db, "SET default_transaction_isolation = 'repeatable read'; SELECT wf_update('cart', 'add', '{\"n\": 1}')"),
	'8', 'in repeatable read too');
is( $node->safe_psql($db, "BEGIN; SELECT count(*) FROM effects; SELECT wf_update('cart', 'add', '{\"n\": 1}'); ROLLBACK"),
	"5\n9", 'what waits in a transaction that is rolled back has happened all the same');

# Timeouts, in all stages
start('slow');
like(update('slow', 'hold', q(update_id => 'h'), '100 ms'), qr/ERROR:  update "h" of workflow "slow" is not completed after the timeout/, 'a timeout');
like(update('slow', 'add', q(update_id => 'unread'), '0'), qr/ERROR:  update "unread" .* is not (admitted|completed) after the timeout/, 'no time at all');
is($node->safe_psql($db, "SELECT count(*) FROM durable.update WHERE update_id = 'h' AND state = 2"), '1', 'the update is accepted nonetheless');

# A client that is cancelled, one that is killed: the update goes on, and others get its answer
my $cancelled = waiting_client("SELECT wf_update('slow', 'hold', update_id => 'h')");
my $killed = waiting_client("SELECT wf_update('slow', 'hold', update_id => 'h')");
my $waits = "FROM pg_stat_activity WHERE query LIKE 'SELECT wf_update%hold%' AND wait_event_type = 'Extension'";
ok($node->poll_query_until($db, "SELECT count(*) = 2 $waits"), 'two wait for the same update');
$node->safe_psql($db, "SELECT pg_cancel_backend(min(pid)) $waits");
ok($node->poll_query_until($db, "SELECT count(*) = 1 $waits"), 'one is cancelled');
$node->safe_psql($db, "SELECT pg_terminate_backend(pid) $waits");
ok($node->poll_query_until($db, "SELECT count(*) = 0 $waits"), 'the other terminated');
my $third = waiting_client("SELECT wf_update('slow', 'hold', update_id => 'h')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 $waits"), 'a third one waits');
$node->safe_psql($db, "SELECT wf_signal('slow', 'on')");
ok(said($third, qr/held/), 'and gets the answer');

# At the end of the workflow: who waits is told
my $unanswered = waiting_client("SELECT wf_update('slow', 'hold', update_id => 'late')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM durable.update WHERE update_id = 'late' AND state = 2"), 'an update is accepted');
$node->safe_psql($db, "SELECT wf_terminate('slow')");
ok(said($unanswered, qr/ERROR:  workflow "slow" closed before it answered update "late"/), 'its client hears that the workflow was terminated');
like(update('slow', 'add'), qr/ERROR:  workflow "slow" is already closed/, 'and later ones that it is closed');

# A reset sends them to the new run again, and who waits goes along
start('reset');
my $moved = waiting_client("SELECT wf_update('reset', 'hold', update_id => 'h')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM durable.update WHERE update_id = 'h' AND state = 2 AND run_id = (SELECT run_id FROM wf_executions WHERE workflow_id = 'reset')"),
	'an update of a run that will be reset');
$node->safe_psql($db, "SELECT wf_reset('reset', point => 'first')");
$node->safe_psql($db, "SELECT wf_signal('reset', 'on')");
ok(said($moved, qr/held/), 'is answered by the new run');

# Many clients at once, on one workflow: each has its own answer
start('crowd');
my $script = $PostgreSQL::Test::Utils::tmp_check . '/crowd.sql';
append_to_file($script, "SELECT wf_update('crowd', 'add', '{\"n\": 1}');\n");
$node->command_ok([ 'pgbench', '-n', '-c', '16', '-t', '20', '-f', $script, '-h', $node->host, '-p', $node->port, $db ], '16 clients of 20 updates each');
is( $node->safe_psql($db, "SELECT count(*), count(DISTINCT result), max(result::int), bool_and(state = 'completed') FROM wf_updates WHERE workflow_id = 'crowd'"),
	'320|320|320|t', 'each was done once, one after the other');
is($node->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query LIKE '%crowd%' AND state = 'active' AND pid <> pg_backend_pid()"), '0', 'nobody is left waiting');

# Somebody has the run locked to close it: the scheduler does not wait, the client does
start('locked');
my $closer = $node->background_psql($db);
$closer->query_safe("BEGIN; SELECT wf_terminate('locked')");
my $behind = waiting_client("SELECT wf_update('locked', 'add', '{\"n\": 1}')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT wf_update%locked%' AND wait_event_type = 'Extension'"), 'a client waits for a run that is about to close');
is(update('crowd', 'add', q(args => '{"n": 1}')), '321', 'others do not wait');
$closer->query_safe('ROLLBACK');
ok(said($behind, qr/^\s*1\s*$/m), 'it did not close: the update is done');
$closer->query_safe("BEGIN; SELECT wf_terminate('locked')");
$behind = waiting_client("SELECT wf_update('locked', 'add', '{\"n\": 1}')");
usleep(100_000);
$closer->query_safe('COMMIT');
ok(said($behind, qr/ERROR:  workflow "locked" is already closed/), 'it closed: the client is told');
$closer->quit;

# The scheduler is ended while clients come
start('storm');
my $errors = $PostgreSQL::Test::Utils::tmp_check . '/storm_errors';
append_to_file($errors, '');
my @pids = map { my $c = $_;
	client(sub { insist($node, $db, "SELECT wf_update('storm', 'add', '{\"n\": 1}', '$c-$_')", $errors) for 1 .. 15 }, $errors) } 1 .. 4;
for (1 .. 4)
{
	usleep(150_000);
	$node->psql($db, "SELECT pg_terminate_backend(pid) FROM wf_workers WHERE kind = 'scheduler' OR kind = 'worker' AND random() < 0.5");
}
waitpid($_, 0) for @pids;
is(slurp_file($errors), '', 'no client got an error that was not about the connection');
is( $node->safe_psql($db, "SELECT count(*), count(DISTINCT result), max(result::int) FROM wf_updates WHERE workflow_id = 'storm' AND state = 'completed'"),
	'60|60|60', 'schedulers and workers terminated: each update took effect once');

# The server crashes under them
@pids = map { my $c = $_;
	client(sub { insist($node, $db, "SELECT wf_update('storm', 'add', '{\"n\": 1}', 'crash-$c-$_')", $errors) for 1 .. 15 }, $errors) } 1 .. 4;
for my $n (1 .. 2)
{
	my ($pid, $err) = ('', '');

	usleep(300_000);
	until_true(sub { eval { $node->psql($db, "SELECT pid FROM wf_workers WHERE database = '$db' AND kind = '" . ($n == 1 ? 'scheduler' : 'worker') . "' LIMIT 1",
		stdout => \$pid, stderr => \$err) }; $pid =~ /^\d+$/ });
	kill_process($pid) if $pid =~ /^\d+$/;
	until_true(sub { is_up($node, $db) });
}
waitpid($_, 0) for @pids;
is(slurp_file($errors), '', 'no client gave up over a crash');
is( $node->safe_psql($db, "SELECT count(*), count(DISTINCT result), max(result::int) FROM wf_updates WHERE workflow_id = 'storm' AND state = 'completed'"),
	'120|120|120', 'crashes: the same update_id has one effect');
is( $node->safe_psql($db, "SELECT count(*), count(DISTINCT e.id) FROM effects e JOIN wf_updates u ON u.update_id = e.id WHERE workflow_id = 'storm'"),
	'120|120', 'and one row');
like(update('storm', 'close', q(update_id => 'bye')), qr/^"closed"$/, 'the last update gets its answer although the workflow ends with it');
is(update('storm', 'close', q(update_id => 'bye')), '"closed"', 'also when asked for later');

# Clients that look while the run continues as new all the time
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION relay(n int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	u record;
BEGIN
	PERFORM wf_sql('SELECT 1');
	IF wf_poll_signal('stop') IS NULL THEN
		PERFORM wf_continue_as_new(jsonb_build_object('n', n + 1));
	END IF;
	SELECT * INTO u FROM wf_next_update();
	PERFORM wf_reply(u.update_id, '"answered"');
	RETURN n;
END $$;
SELECT wf_start('relay', id => 'relay');
SELECT wf_update('relay', 'ask', update_id => 'a', wait_for => 'admitted');
SQL
@pids = map { client(sub {
	$node->psql($db, <<'SQL', stdout => \my $out, stderr => \my $err);
DO $$ BEGIN
	FOR i IN 1..1500 LOOP
		BEGIN
			PERFORM wf_update('relay', 'ask', update_id => 'a', timeout => '1 ms');
		EXCEPTION WHEN SQLSTATE 'WF015' THEN NULL;
		END;
	END LOOP;
END $$
SQL
	append_to_file($errors, $err) if $err;
}, $errors) } 1 .. 2;
waitpid($_, 0) for @pids;
is(slurp_file($errors), '', 'an update that goes from run to run is found by who waits for it');
$node->safe_psql($db, "SELECT wf_signal('relay', 'stop')");
is(update('relay', 'ask', q(update_id => 'a')), '"answered"', 'and answered in the end');

# A standby
$node->safe_psql($db, "CHECKPOINT");
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 0);
$standby->append_conf('postgresql.conf', "hot_standby = on\nprimary_conninfo = ''\n");
$standby->set_standby_mode;
$standby->start;
my ($out, $err);
$standby->psql($db, "SELECT wf_update('crowd', 'add')", stdout => \$out, stderr => \$err);
like($err, qr/cannot execute wf_update\(\) during recovery/, 'a standby refuses');
$standby->psql($db, "SELECT wf_update('storm', 'close', update_id => 'bye')", stdout => \$out, stderr => \$err);
is($out, '"closed"', 'but it tells an answer that is known');
$standby->stop;

done_testing();
