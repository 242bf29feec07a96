# Nothing is started in vain: not for a role that is gone, nor for one that could
# not log in; wf_stuck lists the runs, and they go on when somebody has seen to it.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

my $db = 'app';
my $node = durable_node('main', "autovacuum = off\nlog_min_messages = debug1\n");
my $old = $node->pg_version < 17;

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE ROLE leaver LOGIN;
CREATE ROLE mute LOGIN;
SQL
foreach my $role ('leaver', 'mute')
{
	$node->safe_psql($db, "SET ROLE $role; SELECT wf_start('ask', id => '$role asks'), wf_start('act', '{\"activity\": \"effect\", \"input\": {\"id\": \"$role\", \"step\": 3}, \"retry\": {\"initial_interval\": \"1 s\"}}', id => '$role acts')")
	  if $role eq 'mute';
	$node->safe_psql($db, "SET ROLE $role; SELECT wf_start('ask', id => '$role asks')") if $role eq 'leaver';
}
start_act($node, $db, 'warm', 'effect', input => '\'{"id": "warm", "step": 1}\'::jsonb');
is(wait_result($node, $db, 'warm'), '1', 'the engine runs');
ok($node->poll_query_until($db, "SELECT count(*) = 2 FROM wf_executions WHERE waiting_for = 'signal answer'"), 'runs wait');
is(wait_result($node, $db, 'mute acts'), '3', 'an activity of the role');
# a queued activity of the role that will be gone, which nobody has begun
set_conf($node, "durable.max_activity_workers = 0\n");
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'activity_worker'"), 'no activity workers');
$node->safe_psql($db, "SET ROLE leaver; SELECT wf_start('act', '{\"activity\": \"effect\", \"input\": {\"id\": \"leaver\", \"step\": 4}}', id => 'leaver acts')");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'leaver acts'"), 'its task is there');
set_conf($node, "durable.max_workers = 0\n");
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM wf_workers WHERE kind = 'worker'"), 'no workers');
my $leaver = $node->safe_psql($db, "SELECT 'leaver'::regrole::oid");
my $mute = $node->safe_psql($db, "SELECT 'mute'::regrole::oid");
$node->safe_psql($db, "DROP ROLE leaver; ALTER ROLE mute NOLOGIN; CREATE ROLE heir LOGIN");
$node->safe_psql($db, "SELECT wf_signal('leaver asks', 'answer', '1'), wf_signal('mute asks', 'answer', '2')");

my $offset = -s $node->logfile;
set_conf($node, "durable.max_workers = 4\ndurable.max_activity_workers = 4\n");
ok(eval { $node->wait_for_log(qr/LOG:  durable starts nothing for role $leaver in database \d+: it does not exist any more/, $offset) }, 'the log tells of a role that is gone')
  or diag(log_since($node, $offset));
ok(eval { $node->wait_for_log(qr/LOG:  durable starts nothing for role $mute in database \d+: it cannot log in/, $offset) }, 'and of one that cannot log in') if $old;
# by now each kind of process has had its start in vain
sleep(4);
sub started { return count_in_log($node, qr/starting background worker process "durable (?:activity )?worker for database \d+ role (?:$leaver|$mute)"/, $offset) }
my $starts = started();
cmp_ok($starts, '<=', 3 + !$old, "$starts processes started in vain, one of a kind");
is(count_in_log($node, qr/durable starts nothing for role $leaver/, $offset), 2, 'a line for each kind');
is($node->safe_psql($db, "SELECT string_agg(workflow_id, ',' ORDER BY workflow_id) FROM wf_stuck WHERE why ~ 'role $leaver, does not exist'"),
	'leaver acts,leaver asks', 'wf_stuck lists the runs of the role that is gone, those with queued activities too');
SKIP:
{
	skip 'workers of PostgreSQL 17 do not log in', 2 unless $old;
	is($node->safe_psql($db, "SELECT string_agg(workflow_id, ',') FROM wf_stuck WHERE why ~ 'cannot log in'"), 'mute asks', 'and those of the other one');
	$node->safe_psql($db, 'ALTER ROLE mute LOGIN');
	is(wait_result($node, $db, 'mute asks', '25 s'), '2', 'which goes on when it can log in again') or diag_engine($node, $db);
}
$node->safe_psql($db, "SELECT wf_change_owner(id, 'heir') FROM unnest(ARRAY['leaver asks', 'leaver acts']) id");
is(wait_result($node, $db, 'leaver asks'), '1', 'given to another role, the run goes on');
is(wait_result($node, $db, 'leaver acts'), '4', 'and the activity');
cmp_ok(started() - $starts, '<=', 2, 'nothing more was started for it');

# What fails again and again has its lines, and is in wf_stuck; so is what nobody polls for
set_conf($node, "durable.tell_attempts = 5\ndurable.tell_unpolled = '2 s'\n");
$node->safe_psql($db, <<'SQL');
CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order'; END $$;
CREATE FUNCTION retries(mode text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('fails', mode => mode, retry => wf_retry(initial_interval => '50 ms', backoff => 1)); END $$;
CREATE FUNCTION no_turn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM effects); END $$;
SQL
$offset = -s $node->logfile;
$node->safe_psql($db, "SELECT wf_start('retries', '{\"mode\": \"queued\"}', id => 'queued'), wf_start('retries', '{\"mode\": \"inline\"}', id => 'inline')");
start_act($node, $db, 'nobody', 'mail', task_queue => "'mail'");
start_act($node, $db, 'somebody', 'other', task_queue => "'polled'");
ok(eval { $node->wait_for_log(qr/LOG:  workflow "$_" \(run \S+\): activity "fails" has failed 10 times: out of order/, $offset) }, "$_: an activity that is retried has a line when its number has doubled")
  || diag(log_since($node, $offset)) foreach 'queued', 'inline';
is(count_in_log($node, qr/workflow "inline" \(run \S+\): activity "fails" has failed [1-9] times/, $offset), 1, 'and one before that');
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_stuck WHERE workflow_id = '$_' AND why ~ 'activity \"fails\" has failed \\d+ times: out of order' AND failures >= 5"), "$_: wf_stuck tells")
  foreach 'queued', 'inline';
$node->safe_psql($db, "SELECT wf_terminate(id) FROM unnest(ARRAY['queued', 'inline']) id; SELECT wf_start('no_turn', id => 'no turn')");
ok(eval { $node->wait_for_log(qr/LOG:  workflow "no turn" \(run \S+\): its turn fails, 1 times by now: /, $offset) }, 'a turn that fails has a line');
is($node->safe_psql($db, "SELECT count(*) FROM wf_poll_activities('polled', max => 1)"), 1, 'one queue is polled');
start_act($node, $db, 'another', 'other', task_queue => "'polled'");
ok($node->poll_query_until($db, "SELECT string_agg(workflow_id || ': ' || why, ',') = 'nobody: no worker polls for task queue \"mail\"' FROM wf_stuck WHERE why ~ 'polls'"),
	'wf_stuck tells of tasks that nobody polls for, and of no others') or diag($node->safe_psql($db, 'SELECT workflow_id, why FROM wf_stuck'));
ok(eval { $node->wait_for_log(qr/LOG:  task queue "mail" of role postgres: its tasks wait, and no worker polls for them/, $offset) }, 'so does the log')
  || diag(log_since($node, $offset));
sleep 3;
is(count_in_log($node, qr/task queue "mail" of role postgres: its tasks wait/, $offset), 1, 'once');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
