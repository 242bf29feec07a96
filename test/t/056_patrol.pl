# The patrol: each class of work that stands still is found when it is planted, by
# surgery on the tables that wakes nobody, and set going; what waits for somebody
# or something is not found; and it rests where nothing happens.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

$DurableTest::findings_expected = 1;
my $db = 'app';
my $node = durable_node('main', <<'CONF');
autovacuum = off
max_worker_processes = 60
durable.max_workers = 20
durable.max_activity_workers = 20
durable.patrol_interval = 200
durable.worker_idle_timeout = '10min'
CONF

create_database($node, $db);
sub sql { return $node->safe_psql($db, shift); }

# Each case has a role, so that none of its processes comes by for another's work
my @roles = qw(mail task parked timer timeout lease retry waits session answer
  locked busy limited rated choosy alone timerlock checklock nologin child);
$node->safe_psql('postgres', join ';', map { "CREATE ROLE $_ LOGIN" } @roles);
sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC");
sql(<<'SQL');
-- fails at first, and would be tried again in an hour; so it lies there with nobody thinking of it
CREATE SEQUENCE tries;
GRANT ALL ON SEQUENCE tries TO PUBLIC;
CREATE FUNCTION flaky() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF (wf_activity_info()->>'attempt')::int = 1 THEN RAISE EXCEPTION 'not yet'; END IF;
	RETURN 'tried again';
END $$;
CREATE FUNCTION tries(queue text DEFAULT NULL, mode text DEFAULT 'queued', key text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity('flaky', task_queue => queue, mode => mode, fairness_key => key,
		retry => '{"initial_interval": "1 hour"}');
END $$;
CREATE FUNCTION parent() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('ask', id => wf_info()->>'workflow_id' || ' child'); END $$;
SQL

sub as { my ($role, $sql) = @_; return sql("SET SESSION AUTHORIZATION $role; $sql"); }
sub start { my ($role, $workflow, $input) = @_; return as($role, "SELECT wf_start('$workflow', '" . ($input // '{}') . "', id => '$role')"); }

my $waiting = "SELECT count(*) FROM durable.execution WHERE waiting_for IS NOT NULL AND workflow_id";
my $backoff = "SELECT count(*) FROM wf_activities WHERE state = 'backoff' AND workflow_id";

start($_, 'ask') foreach qw(mail session answer locked nologin busy);
start($_, 'nap', '{"seconds": 86400}') foreach qw(timer timerlock);
start($_, 'parent') foreach qw(waits child);
as($_, "SELECT wf_set_task_queue('rates', per_key_rate_limit => 0.0001, mode => 'queued')") foreach qw(rated);
as($_, "SELECT wf_set_task_queue('keys', max_concurrent_per_key => 5, mode => 'queued')") foreach qw(parked);
as($_, "SELECT wf_set_task_queue('slow', rate_limit => 0.0001, mode => 'queued')") foreach qw(limited);
start('task', 'tries');
start('lease', 'tries');
start('retry', 'tries', '{"mode": null}');
start('parked', 'tries', '{"queue": "keys", "key": "k"}');
start('rated', 'tries', '{"queue": "rates", "key": "k"}');
start('limited', 'tries', '{"queue": "slow"}');
start($_, 'tries', '{"queue": "out", "mode": null}') foreach qw(choosy alone);
start($_, 'act', '{"activity": "effect", "task_queue": "due", "schedule_to_close": "1 day"}') foreach qw(timeout checklock);
ok($node->poll_query_until($db, "SELECT ($waiting IN ('mail', 'session', 'answer', 'locked', 'nologin', 'busy', 'timer', 'timerlock', 'waits child', 'child child'))
		= 10 AND ($backoff IN ('task', 'lease', 'retry', 'parked', 'rated', 'limited')) = 6"), 'all wait') or diag_engine($node, $db);
# the two of external workers fail by their token
foreach my $role (qw(choosy alone))
{
	as($role, "SELECT wf_fail_activity((SELECT task_token FROM wf_poll_activities('out', wait => '10 s')), 'not yet')");
}

# The end of a child that its parent never hears of
my $lock = $node->background_psql($db);
$lock->query_safe("BEGIN");
$lock->query_safe("SELECT 1 FROM durable.execution WHERE workflow_id = 'waits' FOR UPDATE");
as('waits', "SELECT wf_signal('waits child', 'answer', '\"grown up\"')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM durable.message m JOIN durable.execution e USING (run_id) WHERE workflow_id = 'waits'"),
	'a child has ended');
sql("DELETE FROM durable.message m USING durable.execution e WHERE e.run_id = m.run_id AND workflow_id = 'waits'");
$lock->query_safe("COMMIT");
$lock->quit;

# Sessions that wait: for a run, and for tasks of one name
sub client_of
{
	my ($role, $sql) = @_;
	my ($out, $err) = ('', '');

	return IPC::Run::start([$node->installed_command('psql'), '-XAtqd', $node->connstr($db), '-c', "SET SESSION AUTHORIZATION $role", '-c', $sql],
		'>', \$out, '2>', \$err);
}
my @clients = map { client_of(@$_) } (['session', "CALL wf_await_result('session', timeout => '1 min')"],
	['answer', "CALL wf_await_update('answer', 'u', update_id => 'u1', timeout => '1 min')"],
	['choosy', "SELECT * FROM wf_poll_activities('out', wait => '1 min', activities => '{other}')"],
	['busy', "SELECT wf_start('plod', '{\"seconds\": 14}', id => 'slow')"]);
ok($node->poll_query_until($db, "SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension'
	AND query_start < clock_timestamp() - interval '2 s'"),
	'sessions wait') or diag_engine($node, $db);
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event = 'PgSleep'"), 'one is busy');
$node->safe_psql('postgres', 'ALTER ROLE nologin NOLOGIN');

# What others have locked
sub overdue_timer { return "UPDATE durable.timer SET fire_at = '2001-01-01' WHERE run_id = (SELECT run_id FROM durable.execution WHERE workflow_id = '$_[0]')"; }
sub overdue_check { return "UPDATE durable.activity SET check_at = '2001-01-01', scheduled_at = '2001-01-01' WHERE workflow_id = '$_[0]'"; }
sql(overdue_timer('timerlock') . ';' . overdue_check('checklock'));
push @clients, client_of('postgres', "SELECT 1 FROM durable.execution WHERE workflow_id = 'locked' FOR UPDATE;
	SELECT 1 FROM durable.timer WHERE run_id = (SELECT run_id FROM durable.execution WHERE workflow_id = 'timerlock') FOR UPDATE;
	SELECT 1 FROM durable.activity WHERE workflow_id = 'checklock' FOR UPDATE; SELECT pg_sleep(100)");
my $sleeps = "wait_event = 'PgSleep' AND backend_type = 'client backend'";
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE $sleeps"), 'one has locks');

# Nothing has been found so far, of all that was started
is(sql('SELECT count(*) FROM wf_patrol'), '0', 'nothing is found in what goes its way');

# Plant all of it in one transaction; a start in it that waits for tomorrow has the patrol look
sub mail { return "INSERT INTO durable.message (owner, seq, run_id, kind, alone, at, name, payload)
	SELECT owner, nextval('durable.message_seq'), run_id, 2, false, now(), 'answer', '\"planted\"' FROM durable.execution WHERE workflow_id = '$_[0]'"; }
sub place { return "UPDATE durable.activity SET place = 3::bigint << 60, seq = 1, queued_at = now(), next_attempt_at = NULL, check_at = NULL WHERE workflow_id = '$_[0]'"; }
sub park { return "UPDATE durable.activity SET parked = hashtext('k'), seq = 1, queued_at = now(), next_attempt_at = NULL, check_at = NULL WHERE workflow_id = '$_[0]'"; }
sub start_tomorrow { return "SELECT wf_start('one', '{\"n\": 1}', start_delay => '1 day')"; }

sql(join ";\n", 'BEGIN',
	(map { mail($_) } qw(mail locked busy nologin)),
	(map { place($_) } qw(task limited choosy alone)),
	(map { park($_) } qw(parked rated)),
	overdue_timer('timer'), overdue_check('timeout'),
	"UPDATE durable.activity SET lease = 4711, started_at = now(), worker = 'gone', next_attempt_at = NULL, check_at = NULL WHERE workflow_id = 'lease'",
	"UPDATE durable.activity SET next_attempt_at = '2001-01-01' WHERE workflow_id = 'retry'",
	"DELETE FROM durable.timer WHERE run_id = (SELECT run_id FROM durable.execution WHERE workflow_id = 'retry')",
	"UPDATE durable.update SET state = 3, completed_at = now(), result = '\"planted\"' WHERE update_id = 'u1'",
	"DELETE FROM durable.execution WHERE workflow_id = 'session'",
	start_tomorrow(), 'COMMIT');
my $looks = sql('SELECT looks FROM durable.patrol_looks()');
ok($node->poll_query_until($db, "SELECT looks > $looks + 2 FROM durable.patrol_looks()"), 'it has looked');
is(sql('SELECT count(*) FROM wf_patrol'), '0', 'nothing is found that may be on its way');
ok($node->poll_query_until($db, 'SELECT count(*) >= 10 FROM wf_patrol'), 'then it is') or diag_engine($node, $db);

my %found = map { split /\|/ } split /\n/, sql("SELECT what, coalesce(workflow_id, 'deleted') FROM wf_patrol WHERE workflow_id IS DISTINCT FROM 'answer'");
is(sql("SELECT what FROM wf_patrol WHERE workflow_id = 'answer'"), 'waiting session', 'so is a session that waits for what is answered');
is_deeply(\%found, { mail => 'mail', task => 'task', 'limited task' => 'parked', timer => 'timer', 'activity timeout' => 'timeout',
	lease => 'lease', retry => 'retry', wait => 'waits', 'waiting session' => 'deleted' }, 'each class, and nothing else');

# What was found goes on
is(wait_result($node, $db, 'mail'), '"planted"', 'mail was read');
is(wait_result($node, $db, $_), '"tried again"', "$_: it was tried") foreach qw(task parked retry);
is(wait_result($node, $db, 'timer'), '"awake"', 'the timer fired');
is(wait_result($node, $db, 'waits'), '"grown up"', 'the parent was told of its child');
like(wait_result($node, $db, 'timeout'), qr/timed out/, 'the timeout came');
is(sql("SELECT state, last_failure->>'type' FROM wf_activities WHERE workflow_id = 'lease'"), 'backoff|worker_lost', 'the lease is over');
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM pg_stat_activity WHERE query ~ '^CALL wf_await'"), 'the session was told');

# What is held, limited, or nobody's to do is not found, however often it looks
sleep 6;
is(sql('SELECT count(*), sum(times) FROM wf_patrol'), '10|10', 'each once, and nothing else was found');
is(count_in_log($node, 'durable patrol: '), 10, 'each is in the log, once');
is(wait_result($node, $db, 'busy'), '"planted"', 'a busy worker looks when it is through');
is(sql("SELECT string_agg(workflow_id, ' ' ORDER BY workflow_id) FROM wf_executions WHERE status = 'running' AND workflow_id = ANY ('{locked,busy,limited,choosy,alone,child,timerlock,checklock}')"),
	'alone checklock child choosy limited locked timerlock', 'they still wait, but for one whose worker came to it');

# Who may see it
is(as('mail', 'SELECT what, workflow_id, owner, times FROM wf_patrol'), 'mail|mail|mail|1', 'a role sees what was its own');
$node->safe_psql('postgres', 'GRANT pg_monitor TO alone');
is(as('alone', 'SELECT count(*) FROM wf_patrol'), '10', 'who monitors sees all');

# The locks of others are gone, and their rows are nobody's: now they are found
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE $sleeps");
is(wait_result($node, $db, 'locked'), '"planted"', 'a worker comes back to what was locked');
is(wait_result($node, $db, 'timerlock'), '"awake"', 'so does the patrol');
my $findings = sql('SELECT count(*) FROM wf_patrol');
ok($findings >= 10 && $findings <= 12, 'with one finding each, where the patrol was the first to come by');

# Where no process may run, nothing could move
set_conf($node, "durable.max_workers = 0\n");
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'no workers');
sql("SELECT wf_start('ask', id => 'none')");
$looks = sql('SELECT looks FROM durable.patrol_looks()');
ok($node->poll_query_until($db, "SELECT looks > $looks + 35 FROM durable.patrol_looks()"), 'it looks as long as there is mail');
is(sql('SELECT count(*) FROM wf_patrol'), $findings, 'without workers nothing is found');

# It rests where all sleep, and looks again when something happens
set_conf($node, "durable.max_workers = 20\n");
$node->safe_psql('postgres', 'ALTER ROLE nologin LOGIN');
sql('SELECT wf_terminate(workflow_id) FROM wf_executions WHERE status IN (\'running\', \'paused\')');
$_->signal('TERM') foreach @clients;
sql(start_tomorrow());
ok($node->poll_query_until($db, 'SELECT rests FROM durable.patrol_looks()'), 'it rests');
$looks = sql('SELECT looks FROM durable.patrol_looks()');
sleep 2;
is(sql('SELECT looks FROM durable.patrol_looks()'), $looks, 'then it does not look');
sql(start_tomorrow());
ok($node->poll_query_until($db, "SELECT looks > $looks AND rests FROM durable.patrol_looks()"), 'until something happens');
$_->finish foreach @clients;

done_testing();
