# Workers outside the server: what happens when they die, when the server does,
# when two of them believe that a task is theirs, and how those that wait are
# woken, in the server and by NOTIFY.
#
# The workers are psql sessions, so all of this goes for any driver.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $seed = $ENV{DURABLE_SEED} || 20260711;
my $node = durable_node('main', "autovacuum = off\ndurable.max_workers = 2\n");
my $db = 'app';

note("seed $seed");
srand($seed);
create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION order_goods() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	id text := wf_info()->>'workflow_id';
	result jsonb;
BEGIN
	PERFORM wf_activity('effect', jsonb_build_object('id', id, 'step', 1));
	result := wf_activity('ship', jsonb_build_object('id', id), task_queue => 'busy', start_to_close => '1 s',
		retry => wf_retry(initial_interval => '20 ms'));
	PERFORM wf_activity('effect', jsonb_build_object('id', id, 'step', 2));
	RETURN result;
END $$;
-- the SQLSTATE of a statement that fails
CREATE FUNCTION sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my $scripts = 0;
sub write_script
{
	my $file = "$dir/script " . ++$scripts;

	append_to_file($file, join("\n", @_) . "\n");
	return $file;
}

# Give a session something to do without waiting for it; collect() waits
sub send_query
{
	my ($session, $sql) = @_;

	$session->{stdin} .= "$sql;\n";
	$session->{run}->pump_nb() until $session->{stdin} eq '';
	return;
}

sub collect
{
	my ($session) = @_;

	return $session->query_safe('SELECT WHERE false');
}

sub kill_session
{
	my ($session) = @_;

	$session->{run}->signal('KILL');
	eval { $session->{run}->finish };
	return;
}

sub poll_sql
{
	my ($queue, $options) = @_;

	return "SELECT task_token, attempt, coalesce(heartbeat_details::text, '-'), clock_timestamp() FROM wf_poll_activities('$queue'"
	  . ($options ? ", $options)" : ')');
}

# (token, attempt, details, epoch)
sub poll
{
	my ($session, $queue, $options) = @_;

	return split /\|/, $session->query_safe(poll_sql($queue, $options));
}

sub seconds_between
{
	my ($from, $to) = @_;

	return $node->safe_psql($db, "SELECT extract(epoch from '$to'::timestamptz - '$from'::timestamptz)");
}

my $waiting = "FROM pg_stat_activity WHERE query ~ 'wf_poll_activities' AND wait_event_type = 'Extension' AND state = 'active'";
my $retry = "wf_retry(initial_interval => '20 ms')";

# A worker dies in the middle, with a heartbeat timeout: its details reach the
# next attempt
my $one = $node->background_psql($db, on_error_stop => 0);
my $two = $node->background_psql($db, on_error_stop => 0);
start_act($node, $db, 'beats', 'crawl', task_queue => "'q'", heartbeat => "'0.5 s'", start_to_close => "'1 hour'", retry => $retry);
my ($token, $attempt, $details) = poll($one, 'q', "worker => 'one', wait => '5 s'");
is("$attempt $details", '1 -', 'a worker has a task');
is($node->safe_psql($db, "SELECT state, attempt, worker FROM wf_activities WHERE workflow_id = 'beats'"), 'started|1|one', 'wf_activities tells whose it is');
is($one->query_safe("SELECT * FROM wf_heartbeat_activity('$token', '{\"page\": 7}')"), 'f|f', 'it sends a heartbeat');
my $died = time();
kill_session($one);
my ($token2, $attempt2, $details2) = poll($two, 'q', "worker => 'two', wait => '8 s'");
is("$attempt2 $details2", '2 {"page": 7}', 'it is killed: another one gets the task, with the details');
my $took = time() - $died;
ok($took > 0.3 && $took < 2, sprintf('when the heartbeat timeout is over (%.2f s)', $took));
is(attempts_of($node, $db, 'beats'), "1|timed_out|heartbeat\n2|started|", 'wf_attempts has both attempts');
is($two->query_safe("SELECT sqlstate_of(\$\$ SELECT wf_$_ \$\$)"), 'WF013', "the old token is refused: $_")
  foreach "complete_activity('$token', '\"old\"')", "fail_activity('$token')", "heartbeat_activity('$token', '{\"page\": 99}')";
# heartbeats keep it alive, far beyond the timeout
my $beats = 0;
for (1 .. 12)
{
	usleep(120_000);
	$beats++ if $two->query_safe("SELECT * FROM wf_heartbeat_activity('$token2')") eq 'f|f';
}
is($beats, 12, 'heartbeats keep an attempt alive');
is($node->safe_psql($db, "SELECT attempt, heartbeat_details FROM wf_activities WHERE workflow_id = 'beats'"), '2|{"page": 7}', 'and those without details keep the last ones');
$two->query_safe("SELECT wf_complete_activity('$token2', '\"crawled\"')");
is(wait_result($node, $db, 'beats'), '"crawled"', 'the second worker completes it');

# One without a heartbeat is noticed at start_to_close
$one = $node->background_psql($db, on_error_stop => 0);
start_act($node, $db, 'silent', 'crawl', task_queue => "'q'", start_to_close => "'0.7 s'", retry => $retry);
($token, $attempt) = poll($one, 'q', "wait => '5 s'");
kill_session($one);
$died = time();
($token2, $attempt2) = poll($two, 'q', "wait => '8 s'");
is("$attempt $attempt2", '1 2', 'without a heartbeat timeout a dead worker is noticed');
$took = time() - $died;
ok($took > 0.4 && $took < 2, sprintf('at start_to_close (%.2f s)', $took));
is(attempts_of($node, $db, 'silent'), "1|timed_out|start_to_close\n2|started|", 'wf_attempts tells');

# A task is completed once, whoever comes twice
$two->query_safe("SELECT wf_complete_activity('$token2', '\"first\"')");
is($two->query_safe("SELECT sqlstate_of(\$\$ SELECT wf_complete_activity('$token2', '\"second\"') \$\$)"), 'WF013', 'a second completion is refused');
is(wait_result($node, $db, 'silent'), '"first"', 'and changes nothing');
is($two->query_safe("SELECT sqlstate_of(\$\$ SELECT wf_complete_activity('$_', '\"third\"') \$\$)"), 'WF013', 'nor does one after the end')
  foreach $token, $token2;
is($node->safe_psql($db, "SELECT count(*) FROM wf_history('silent') WHERE event_type = 'activity_completed'"), '1', 'there is one completion in the history');
is($node->safe_psql($db, 'SELECT count(*) FROM durable.message'), '0', 'and none in the mailbox');
# a batch with one of those is refused as a whole
start_act($node, $db, "batch $_", 'crawl', task_queue => "'q'", start_to_close => "'1 hour'") foreach 1 .. 2;
ok($node->poll_query_until($db, "SELECT count(*) = 2 FROM wf_activities WHERE task_queue = 'q' AND state = 'scheduled'"), 'two tasks');
my @tokens = map { (split /\|/)[0] } split /\n/, $two->query_safe(poll_sql('q', 'max => 10'));
is(scalar(@tokens), 2, 'are polled at once');
is($two->query_safe("SELECT sqlstate_of(\$\$ SELECT wf_complete_activities(ARRAY['$tokens[0]', '$token', '$tokens[1]'], '{1,2,3}'::jsonb[]) \$\$)"),
	'WF013', 'a batch with a token that is over is refused');
is($node->safe_psql($db, "SELECT count(*) FROM wf_activities WHERE state = 'started'"), '2', 'as a whole');
# the same token in two open transactions: the second waits for the first
$one = $node->background_psql($db, on_error_stop => 0);
$two->query_safe('BEGIN');
$two->query_safe("SELECT wf_complete_activities(ARRAY['$tokens[0]', '$tokens[1]'], '{1,2}'::jsonb[])");
send_query($one, "SELECT sqlstate_of(\$\$ SELECT wf_complete_activity('$tokens[1]', '3') \$\$)");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^SELECT sqlstate_of' AND wait_event_type = 'Lock'"), 'two complete the same task at the same time');
$two->query_safe('COMMIT');
is(collect($one), 'WF013', 'the second one is refused');
is(wait_result($node, $db, "batch $_"), $_, "batch $_ ends once") foreach 1 .. 2;

# Long poll: woken at once
sub long_poll
{
	my ($session, $queue, $n) = @_;

	send_query($session, poll_sql($queue, "wait => '10 s'"));
	ok($node->poll_query_until($db, 'SELECT count(*) = ' . ($n // 1) . " $waiting"), 'a poll waits')
	  or diag($node->safe_psql($db, 'SELECT pid, state, wait_event_type, wait_event, query FROM pg_stat_activity'));
	return;
}
long_poll($one, 'long');
my $start = $node->safe_psql($db, "SELECT clock_timestamp(), wf_start('act', '{\"activity\": \"x\", \"task_queue\": \"long\"}', id => 'woken')") =~ s/\|.*//sr;
my $at;
($token, $attempt, $details, $at) = split /\|/, collect($one);
$took = seconds_between($start, $at);
ok($took < 1, sprintf('and is woken by a start in another session (%.0f ms)', $took * 1000));
is($node->safe_psql($db, "SELECT name, task_queue, tasks FROM (SELECT name, task_queue, turns AS tasks FROM wf_workers WHERE kind = 'external' AND task_queue = 'long') w") =~ s/^[^|]*\|//r,
	'long|1', 'wf_workers knows the worker');
# by a retry
$start = $one->query_safe("SELECT wf_fail_activity('$token', 'flaky', 'try again', next_retry_delay => '0.6 s'); SELECT clock_timestamp()") =~ s/.*\n//sr;
long_poll($one, 'long');
($token, $attempt, $details, $at) = split /\|/, collect($one);
$took = seconds_between($start, $at);
ok($attempt == 2 && $took > 0.5 && $took < 1.6, sprintf('by a retry that falls due (%.2f s after the failure, due after 0.6 s)', $took));
# by the end of the workflow nobody is
send_query($two, poll_sql('long', "wait => '0.4 s'"));
$took = elapsed(sub { is(collect($two), '', 'a poll that finds nothing') });
ok($took < 1.5, sprintf('comes back when its time is over (%.2f s)', $took));
$one->query_safe("SELECT wf_complete_activity('$token')");
# one task wakes one of two
long_poll($one, 'long', 1);
long_poll($two, 'long', 2);
start_act($node, $db, "two $_", 'x', task_queue => "'long'") foreach 1;
ok($node->poll_query_until($db, "SELECT count(*) = 1 $waiting"), 'a task comes to one of two');
is($node->safe_psql($db, "SELECT state FROM wf_activities WHERE workflow_id = 'two 1'"), 'started', 'who has it');
start_act($node, $db, "two $_", 'x', task_queue => "'long'") foreach 2;
ok($node->poll_query_until($db, "SELECT count(*) = 0 $waiting"), 'the next one to the other');
my @both = map { (split /\|/, collect($_))[0] } $one, $two;
is(scalar(grep { $_ } @both), 2, 'each has one');
isnt($both[0], $both[1], 'of their own');
# by a claim that is undone, the transaction or a part of it
foreach my $undo ('ROLLBACK TO s; COMMIT', 'ROLLBACK')
{
	start_act($node, $db, "undone by $undo", 'x', task_queue => "'long'");
	$two->query_safe('BEGIN; SAVEPOINT s');
	is((poll($two, 'long', "wait => '5 s'"))[1], '1', 'a worker claims a task');
	long_poll($one, 'long');
	$took = elapsed(sub { $two->query_safe($undo); ($token) = split /\|/, collect($one) });
	ok($token && $took < 2, sprintf('another one has it by %s (%.2f s)', $undo, $took));
	$one->query_safe("SELECT wf_complete_activity('$token')");
}
# by a rate limit: two a second, one at a time
$node->safe_psql($db, "SELECT wf_set_task_queue('rated', rate_limit => 2)");
start_act($node, $db, "rated $_", 'x', task_queue => "'rated'") foreach 1 .. 4;
my @times = map { (poll($one, 'rated', "wait => '10 s'"))[3] } 1 .. 4;
# where what a limit held back may go on, but for another limit: it sleeps
$node->safe_psql($db, "SELECT wf_set_task_queue('two limits', max_concurrent => 2, per_key_rate_limit => 5)");
$node->safe_psql($db, "CREATE FUNCTION keyed() RETURNS jsonb LANGUAGE plpgsql AS
	'BEGIN RETURN wf_activity(''x'', task_queue => ''two limits'', fairness_key => ''k''); END'");
$node->safe_psql($db, "SELECT wf_start('keyed', id => 'limits $_')") foreach 1 .. 3;
$node->poll_query_until($db, "SELECT count(*) = 3 FROM wf_activities WHERE workflow_id LIKE 'limits %'");
# a poll that has put tasks aside for their key's limit comes back, to commit that
my @held = map { (poll($two, 'two limits', "wait => '5 s'"))[0] // (poll($two, 'two limits', "wait => '5 s'"))[0] } 1 .. 2;
is(scalar(grep { $_ } @held), 2, 'two of three tasks run');
usleep(300_000);
poll($one, 'two limits');
send_query($one, poll_sql('two limits', "wait => '10 s'"));
ok($node->poll_query_until($db, "SELECT count(*) = 1 $waiting"), 'a poll waits for a third');
my $awake = grep { usleep(20_000); $node->safe_psql($db, "SELECT count(*) $waiting") eq '0' } 1 .. 15;
is($awake, 0, 'and sleeps');
$took = elapsed(sub { $two->query_safe("SELECT wf_complete_activity('$held[0]')"); ($token) = split /\|/, collect($one) });
ok($token && $took < 2, sprintf('until one ends (%.2f s)', $took));
$two->query_safe("SELECT wf_complete_activity('$_')") foreach $held[1], $token;

my @gaps = map { seconds_between($times[ $_ - 1 ], $times[$_]) } 1 .. 3;
ok(!(grep { $_ < 0.4 || $_ > 0.9 } @gaps), sprintf('by a rate limit of two a second: after %s s', join ', ', map { sprintf '%.2f', $_ } @gaps));

# wf_listen.  The channel itself tells what is sent
my $raw = $node->background_psql($db, on_error_stop => 0);
my $channel = $node->safe_psql($db, "SELECT 'wfq_' || lpad(to_hex(durable.task_queue_topic('default', 'ears')), 16, '0')");
$raw->query_safe("LISTEN $channel");
$raw->query_safe('LISTEN marker');
# what came on the channel, up to a moment
sub heard
{
	my $all = '';

	$node->safe_psql($db, 'NOTIFY marker');
	until_true(sub { $all .= $raw->query_safe('SELECT 1'); $all =~ /"marker"/ });
	return scalar(() = $all =~ /notification "$channel"/g);
}
sub notified { return $node->safe_psql($db, "SELECT notified FROM wf_task_queues WHERE task_queue = 'ears'"); }
sub scheduled
{
	my ($n) = @_;

	return ok($node->poll_query_until($db, "SELECT count(*) = $n FROM wf_activities WHERE task_queue = 'ears' AND state = 'scheduled'"), "$n task(s) wait");
}
start_act($node, $db, 'ears 1', 'x', task_queue => "'ears'");
scheduled(1);
is(heard(), 1, 'a session that only LISTENs is told');
$one->query_safe("SELECT wf_listen('ears')");
start_act($node, $db, 'ears 2', 'x', task_queue => "'ears'");
scheduled(2);
is(heard(), 1, 'so is one that has just begun to');
my $before = notified();
is(scalar(grep { !/^Asynchronous/ } split /\n/, $one->query_safe(poll_sql('ears', '10'))), 2, 'a listener polls, and finds fewer than it wants');
start_act($node, $db, 'ears 3', 'x', task_queue => "'ears'");
scheduled(1);
my $own = '';
ok(until_true(sub { $own .= $one->query_safe('SELECT 1'); $own =~ /Asynchronous notification "$channel"/ }), 'NOTIFY tells it of the next one');
start_act($node, $db, "ears $_", 'x', task_queue => "'ears'") foreach 4 .. 9;
scheduled(7);
is(heard(), 1, 'one NOTIFY, until it has polled again');
is(notified() - $before, 1, 'wf_task_queues counts it');
is($node->safe_psql($db, "SELECT waiting_workers FROM wf_task_queues WHERE task_queue = 'ears'"), '2', 'and the sessions that listen');

# Under load: nobody polls
is(scalar(grep { !/^Asynchronous/ } split /\n/, $one->query_safe(poll_sql('ears', '1000'))), 7, 'it is hungry again');
$before = notified();
my $load = "SELECT count(wf_start('act', '{\"activity\": \"x\", \"task_queue\": \"ears\"}'))";
$node->safe_psql($db, join('', map { "$load FROM generate_series(1, 20);\n" } 1 .. 50));
scheduled(1000);
# two workers whose turns commit at the same moment may each have seen the same hunger
my $once = notified() - $before;
ok($once == 1 || $once == 2, "a thousand starts while nobody polls: one NOTIFY of each worker at most ($once)");
# one that polls when it is told to, as a driver's event loop does
my $told = 0;
sub listening
{
	my ($sql) = @_;
	my $output = $one->query_safe($sql);

	$told = 1 if $output =~ /Asynchronous notification "$channel"/;
	return $output;
}
sub drain
{
	my ($claimed) = listening("WITH t AS (SELECT task_token FROM wf_poll_activities('ears', 100)),
		c AS (SELECT wf_complete_activities(array_agg(task_token), array_fill('1'::jsonb, ARRAY[count(*)::int])) FROM t HAVING count(*) > 0)
		SELECT 'claimed ' || count(*) + 0 * (SELECT count(*) FROM c) FROM t") =~ /^claimed (\d+)/m;
	return $claimed;
}
my ($polls, $claimed) = (0, 0);
until_true(sub { return drain() < 100; });
heard();
my $loader = psql_client($node, $db, write_script(map { "$load FROM generate_series(1, 10);" } 1 .. 200), '/dev/null');
while ($claimed < 2000)
{
	my $n = 100;

	until_true(sub { listening('SELECT 1'); return $told; }) or last;
	$told = 0;
	while ($n == 100)
	{
		$polls++;
		$claimed += $n = drain();
	}
}
waitpid($loader, 0);
is($claimed, 2000, 'a listener that sleeps until it is told drains 2,000 starts as they come');
my $sent = heard();
cmp_ok($sent, '<=', 2 * $polls, "NOTIFYs are coalesced: $sent for 2000 starts in 200 transactions, and $polls polls");
$one->quit;
$_->quit foreach $two, $raw;
# who listened is gone
start_act($node, $db, 'unheard', 'x', task_queue => "'ears'");
scheduled(1);
is($node->safe_psql($db, "SELECT waiting_workers FROM wf_task_queues WHERE task_queue = 'ears'"), '0', 'sessions that are gone do not count');

# A busy set of workers, over two crashes of the server
my $orders = 1000;
my @workers = map {
	my $worker = $_;
	my $script = write_script(map { <<"PSQL" } 1 .. 20);
SELECT count(*) > 0 AS any, array_agg(task_token) AS tokens, array_agg(to_jsonb(workflow_id)) AS results
FROM wf_poll_activities('busy', 10, 'busy $worker', wait => '100 ms') \\gset
\\if :any
SELECT pg_sleep(0.08);
SELECT wf_complete_activities(:'tokens', :'results');
\\endif
PSQL
	client(sub {
		until (-e "$dir/stop")
		{
			waitpid(psql_client($node, $db, $script, "$dir/busy $worker"), 0);
			usleep(20_000);
		}
	}, "$dir/errors");
} 1 .. 4;
my $starter = client(sub {
	foreach my $batch (1 .. $orders / 20)
	{
		insist($node, $db, "SELECT count(wf_start('order_goods', id => 'order $batch ' || n, request_id => 'order $batch ' || n)) FROM generate_series(1, 20) n", "$dir/errors");
		usleep(20_000);
	}
}, "$dir/errors");
my $completed = "SELECT count(*) FROM wf_executions WHERE workflow = 'order_goods' AND status = 'completed'";
foreach my $part (1 .. 2)
{
	ok($node->poll_query_until($db, "SELECT ($completed) > $orders * $part / 4"), 'workers are busy') or diag_engine($node, $db);
	usleep(rand(100_000));
	$node->stop('immediate');
	$node->start;
	until_true(sub { is_up($node, $db) }) or BAIL_OUT('the server does not come up');
}
waitpid($starter, 0);
ok($node->poll_query_until($db, "SELECT ($completed) = $orders"), "all $orders workflows complete after two crashes") or diag_engine($node, $db);
append_to_file("$dir/stop", '');
waitpid($_, 0) foreach @workers;
ok(!-e "$dir/errors", 'the clients met no error but lost connections') or diag(substr(slurp_file("$dir/errors"), 0, 2000));
my $refusals = 0;
foreach my $worker (1 .. 4)
{
	my $output = slurp_file("$dir/busy $worker");
	my @unexpected = grep { /ERROR/ && !/no longer yours|starting up|recovery|not yet accepting|terminating connection/ } split /\n/, $output;

	$refusals += () = $output =~ /no longer yours/g;
	is($unexpected[0] // '', '', "worker $worker met none either");
}
note("$refusals batches were refused, as an attempt in them was over");
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT workflow_id) FROM wf_executions WHERE workflow = 'order_goods' AND status = 'completed' AND result = to_jsonb(workflow_id)"),
	"$orders|$orders", 'each with its own result');
is($node->safe_psql($db, "SELECT step, count(*), count(DISTINCT id) FROM effects WHERE id LIKE 'order %' GROUP BY 1 ORDER BY 1"),
	"1|$orders|$orders\n2|$orders|$orders", 'each once');
is($node->safe_psql($db, "SELECT count(*) FROM wf_events e JOIN wf_executions x USING (run_id) WHERE workflow = 'order_goods' AND event_type = 'activity_completed'"),
	3 * $orders, 'each activity completed once');
my $lost = $node->safe_psql($db, "SELECT count(*) FROM wf_attempts WHERE activity = 'ship' AND failure->>'type' = 'start_to_close'");
cmp_ok($lost, '>', 0, "though $lost attempts were lost in the crashes");
is($node->safe_psql($db, 'SELECT count(*) FROM durable.message'), '0', 'no mail is left');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log but those wanted');
$node->stop('fast');
done_testing();
