# A physical copy that is started beside its original has the same identity.
# With durable.enabled off before its first start nothing is run there, by
# nobody, and wf_stuck lists all that would go on.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $db = 'app';
my $node = durable_node('original', "autovacuum = off\n", init => [ allows_streaming => 1 ]);

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
-- fails where it is not a copy, so that the copy could succeed
CREATE FUNCTION copied() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('cluster_name') <> 'copy' THEN RAISE 'not here'; END IF;
	INSERT INTO effects VALUES ('copied', 1);
	RETURN 1;
END $$;
CREATE FUNCTION rests(mode text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('copied', mode => mode, retry => wf_retry(initial_interval => '2 s', backoff => 1)); END $$;
CREATE FUNCTION asks() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
	SELECT * INTO u FROM wf_next_update();
	PERFORM wf_reply(u.update_id, u.args);
	RETURN u.args;
END $$;
SELECT wf_start('rests', '{"mode": "queued"}', id => 'backoff'), wf_start('rests', '{"mode": "inline"}', id => 'inline backoff'),
	wf_start('nap', '{"seconds": 4}', id => 'timer'), wf_start('ask', id => 'mail'), wf_start('ask', id => 'waits'), wf_start('asks', id => 'asks');
SQL
start_act($node, $db, 'external', 'mail', task_queue => "'mail'", start_to_close => "'2 s'");
start_act($node, $db, 'polled', 'mail', task_queue => "'polled'", start_to_close => "'2 s'");
start_act($node, $db, 'started', 'hold', input => '\'{"id": "started"}\'::jsonb');
start_act($node, $db, 'held', 'effect', input => '\'{"id": "held", "step": 9}\'::jsonb', start_to_close => "'1 s'");
ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'started' AND state = 'started'"), 'an activity runs');
ok($node->poll_query_until($db, "SELECT count(*) = 6 FROM wf_executions WHERE waiting_for IS NOT NULL AND workflow_id NOT IN ('started', 'external', 'polled', 'held')"), 'runs wait')
  or diag_engine($node, $db);
is($node->safe_psql($db, "SELECT count(*) FROM wf_poll_activities('polled')"), '1', 'a task is polled');

$node->backup('base');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'base');
$copy->append_conf('postgresql.conf', "durable.enabled = off\ncluster_name = 'copy'\n");
$copy->start;
my $effects = $copy->safe_psql($db, 'SELECT count(*) FROM effects');
my $events = $copy->safe_psql($db, 'SELECT count(*) FROM durable.history');

# What would be due there by now, if anybody looked
$copy->safe_psql($db, "SELECT wf_signal('mail', 'answer', '1'), wf_start('one', '{\"n\": 1}', id => 'new')");
ok($copy->poll_query_until($db, "SELECT count(*) >= 1 FROM wf_timers WHERE workflow_id = 'timer' AND fire_at < now()"), 'a timer is due');
is($copy->safe_psql($db, "SELECT string_agg(workflow_id, ',' ORDER BY workflow_id COLLATE \"C\") FROM wf_stuck WHERE why ~ 'durable.enabled is off'"),
	'backoff,external,inline backoff,mail,new,polled,started,timer', 'wf_stuck lists all that would go on');
is($copy->safe_psql($db, 'SELECT count(*) FROM wf_workers'), '0', 'no process was started');
foreach my $call ("SELECT * FROM wf_poll_activities('mail')", 'CALL wf_work()', "CALL wf_execute('one', '{\"n\": 1}')",
	"SELECT wf_update('asks', 'q', '{}', timeout => '5 s')")
{
	my ($rc, $out, $err) = $copy->psql($db, $call);
	like($err, qr/ERROR:  durable.enabled is off: nothing is run in this server.*HINT:.*copy/s, "$call is refused");
}
is($copy->safe_psql($db, "SELECT count(*) FROM wf_executions WHERE workflow_id = 'one'"), '0', 'wf_execute() has started nothing');
is($copy->safe_psql($db, 'SELECT count(*) FROM effects'), $effects, 'nothing was done');
is($copy->safe_psql($db, 'SELECT count(*) FROM durable.history'), $events, 'no turn was taken');
is($copy->safe_psql($db, "SELECT count(*) FROM wf_workers"), '0', 'and still no process');

# Some are deleted, the rest goes on when it is on again, without a restart
$copy->safe_psql($db, "SELECT wf_terminate(workflow_id, run_id => run_id) FROM wf_executions WHERE status = 'running' AND workflow_id NOT IN ('backoff', 'inline backoff', 'mail', 'timer', 'new')");
set_conf($copy, "durable.enabled = on\n");
is(wait_result($copy, $db, $_->[0]), $_->[1], "on again: $_->[0]") or diag_engine($copy, $db)
  foreach [ 'backoff', '1' ], [ 'inline backoff', '1' ], [ 'mail', '1' ], [ 'timer', '"awake"' ], [ 'new', '2' ];

# Off at run time: processes leave, what comes waits
set_conf($copy, "durable.enabled = off\n");
ok($copy->poll_query_until($db, 'SELECT count(*) = 0 FROM wf_workers'), 'off again: all processes leave') or diag_engine($copy, $db);
$copy->safe_psql($db, "SELECT wf_start('one', '{\"n\": 4}', id => 'later')");
is($copy->safe_psql($db, "SELECT count(*) FROM wf_stuck WHERE workflow_id = 'later'"), '1', 'what is started is stuck');
set_conf($copy, "durable.enabled = on\n");
is(wait_result($copy, $db, 'later'), '5', 'and goes on');

unlike(log_since($_), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log') foreach $node, $copy;
$_->stop('immediate') foreach $copy, $node;
done_testing();
