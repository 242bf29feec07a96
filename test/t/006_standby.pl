# A streaming standby: nothing runs on it.  After its promotion the open runs
# go on there, exactly once, without anyone's consent.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $db = 'app';
my $primary = durable_node('primary', '', init => [ allows_streaming => 1 ]);

create_database($primary, $db);
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

$primary->safe_psql($db, "SELECT wf_start('one', '{\"n\": 1}', id => 'before')");
is(wait_result($primary, $db, 'before'), '2', 'runs on the primary');
$primary->safe_psql($db, "SELECT wf_start('ask', id => 'ask'), wf_start('nap', '{\"seconds\": 4}', id => 'nap'), wf_start('plod', '{\"seconds\": 60}', id => 'plod', request_id => 'p')");
ok($primary->poll_query_until($db, "SELECT (SELECT count(*) FROM wf_executions WHERE waiting_for IS NOT NULL) = 2
	AND (SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep') = 1"), 'runs wait and work');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));

# On the standby one can look, and no more
is($standby->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'durable%'"), '0', 'no process on the standby');
is($standby->safe_psql($db, 'SELECT count(*) FROM wf_workers'), '0', 'wf_workers is empty there');
is( $standby->safe_psql($db, "SELECT workflow_id, status FROM wf_executions ORDER BY 1"),
	"ask|running\nbefore|completed\nnap|running\nplod|running", 'wf_executions can be read');
is($standby->safe_psql($db, "SELECT count(*) FROM wf_history('before')"), '4', 'so can a history');
is($standby->safe_psql($db, "SELECT wf_query('ask', '__info')->>'workflow_id'"), 'ask', 'wf_query() works') ;
is(wait_result($standby, $db, 'before'), '2', 'wf_result() of a closed run works');
my ($rc, $out, $err) = $standby->psql($db, 'SELECT count(*) FROM wf_stuck');
is($err, '', 'wf_stuck can be read');
foreach my $call ("wf_start('one', '{\"n\": 1}')", "wf_signal('ask', 'answer')", "wf_cancel('ask')", "wf_terminate('ask')")
{
	($rc, $out, $err) = $standby->psql($db, "SELECT $call");
	like($err, qr/ERROR:  cannot execute .* (in a read-only transaction|during recovery)/, "$call is refused as usual");
}
($rc, $out, $err) = $standby->psql($db, 'CALL wf_work()');
like($err, qr/ERROR:  cannot execute .* (in a read-only transaction|during recovery)/, 'so is CALL wf_work()');

# Promotion
kill_postmaster($primary);
$standby->promote;
ok($standby->poll_query_until($db, "SELECT count(*) >= 2 FROM pg_stat_activity WHERE backend_type LIKE 'durable%'"),
	'after promotion the processes come up');
is(wait_result($standby, $db, 'nap'), '"awake"', 'a timer fires there');
$standby->safe_psql($db, "SELECT wf_signal('ask', 'answer', '5')");
is(wait_result($standby, $db, 'ask'), '5', 'a waiting run takes its signal') or diag_engine($standby, $db);
is($standby->safe_psql($db, "SELECT count(*) FROM effects WHERE id IN ('nap', 'ask', 'before')"), '5', 'each step took effect once');
ok($standby->poll_query_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'durable worker' AND wait_event = 'PgSleep'"),
	'the step that was interrupted is tried again');
is($standby->safe_psql($db, "SELECT wf_start('plod', '{\"seconds\": 0}', id => 'plod', request_id => 'p') = run_id FROM wf_executions WHERE workflow_id = 'plod'"),
	't', 'a repeated start finds its run');
is($standby->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck or paused');
$standby->safe_psql($db, "SELECT wf_start('one', '{\"n\": 2}', id => 'after')");
is(wait_result($standby, $db, 'after'), '3', 'new workflows run');

unlike(log_since($standby), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$standby->stop('immediate');
done_testing();
