# Deploys in a storm: workflow functions are replaced, renamed, moved and
# dropped while thousands of runs are in flight and workers are killed.  Every
# run ends with the code it began with, and every step takes effect once.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $node = durable_node('main', "durable.max_workers = 3\nautovacuum = off\n");
create_database($node, 'app');
$node->safe_psql('app', <<'SQL');
CREATE SCHEMA other;
-- a run may have got its signal before, and close meanwhile
CREATE FUNCTION let_go(share float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id text;
BEGIN
	FOR id IN SELECT workflow_id FROM wf_executions WHERE status = 'running' AND random() < share LOOP
		BEGIN
			PERFORM wf_signal(id, 'go', request_id => 'go');
		EXCEPTION WHEN SQLSTATE 'WF007' THEN NULL;
		END;
	END LOOP;
END $$;
SQL

# A generation says which code it is in its first step, and again after each wait
sub deploy
{
	my ($generation) = @_;

	return <<"SQL";
CREATE OR REPLACE FUNCTION flow() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	me text := wf_info()->>'workflow_id';
BEGIN
	PERFORM wf_activity('effect', jsonb_build_object('id', me, 'step', $generation));
	PERFORM wf_sleep(make_interval(secs => 0.1 + wf_random()));
	PERFORM wf_activity('effect', jsonb_build_object('id', me, 'step', $generation));
	PERFORM wf_wait_signal('go');
	PERFORM wf_activity('effect', jsonb_build_object('id', me, 'step', $generation));
	RETURN 'generation $generation';
END \$\$;
SQL
}

my $errors = PostgreSQL::Test::Utils::tempdir() . '/errors';
my $started = 0;
my $kills = 0;
my @ways = (
	'',
	'ALTER FUNCTION flow() RENAME TO flow_away;',
	'ALTER FUNCTION flow() SET SCHEMA other; DROP FUNCTION IF EXISTS other.old CASCADE; ALTER FUNCTION other.flow() RENAME TO old;',
	'DROP FUNCTION flow();',
	"ALTER FUNCTION flow() SET work_mem = '1MB';");

insist($node, 'app', deploy(0), $errors);
foreach my $generation (1 .. 20)
{
	my $way = $ways[ $generation % @ways ];

	insist($node, 'app', "SELECT count(wf_start('flow', id => 'r' || n, on_running => 'use_existing')) FROM generate_series($started + 1, $started + 150) n", $errors);
	$started += 150;
	usleep(100_000);
	# runs that had no turn yet may find their function gone for a moment, so it comes back with the next
	insist($node, 'app', 'DROP FUNCTION IF EXISTS flow_away();', $errors);
	insist($node, 'app', "DO \$do\$ BEGIN IF to_regprocedure('flow()') IS NOT NULL THEN $way END IF; END \$do\$", $errors) if $way;
	insist($node, 'app', deploy($generation), $errors);
	insist($node, 'app', 'SELECT let_go(0.3)', $errors);
	if ($generation % 4 == 0)
	{
		my $pid = eval { $node->safe_psql('app', "SELECT pid FROM wf_workers WHERE kind = 'worker' AND pid IS NOT NULL LIMIT 1") };
		$kills += kill_process($pid) if $pid;
		until_true(sub { is_up($node, 'app') });
	}
}
cmp_ok($kills, '>=', 3, 'workers were killed');
insist($node, 'app', 'SELECT let_go(1)', $errors);
ok(until_true(sub { $node->safe_psql('app', "SELECT count(*) FROM wf_executions WHERE status = 'running'") eq '0' }, 120), 'all runs end')
  or diag_engine($node, 'app');
is($node->safe_psql('app', "SELECT status, count(*) FROM wf_executions GROUP BY 1"), "completed|$started", 'they complete');
is($node->safe_psql('app', "SELECT count(*) FROM wf_executions e WHERE result #>> '{}' IS DISTINCT FROM
	(SELECT 'generation ' || min(step) FROM effects f WHERE f.id = e.workflow_id)"), '0', 'with the code they began with');
is($node->safe_psql('app', "SELECT count(*) FROM (SELECT id FROM effects GROUP BY id HAVING count(*) = 3 AND count(DISTINCT step) = 1) x"),
	$started, 'all their steps are of that code, and took effect once');
cmp_ok($node->safe_psql('app', 'SELECT count(DISTINCT result) FROM wf_executions'), '>', 10, 'many versions were in flight');
cmp_ok($node->safe_psql('app', 'SELECT count(*) FROM wf_versions WHERE clone IS NOT NULL'), '>', 5, 'by clones');
is($node->safe_psql('app', "SELECT count(*) FROM wf_history('r1') WHERE event_type = 'workflow_options_updated'"), '0', 'and no run was moved');
$node->safe_psql('app', 'CALL wf_maintain()');
is($node->safe_psql('app', "SELECT count(*) FROM pg_proc WHERE pronamespace = 'durable'::regnamespace AND proname LIKE 'flow\$%'"), '0', 'wf_maintain() drops the clones');
is(-e $errors ? slurp_file($errors) : '', '', 'no call failed');

# A dump has the clones, and a restored run goes on with them
$node->safe_psql('app', "SELECT wf_start('flow', id => 'dumped')");
ok($node->poll_query_until('app', "SELECT waiting_for = 'signal go' FROM wf_executions WHERE workflow_id = 'dumped'"), 'a run waits');
$node->safe_psql('app', 'CREATE ROLE deployer; CREATE ROLE runner; ALTER FUNCTION flow() OWNER TO deployer; ' . deploy(99));
$node->safe_psql('app', "SELECT wf_start('flow', id => 'twin')");
ok($node->poll_query_until('app', "SELECT waiting_for = 'signal go' FROM wf_executions WHERE workflow_id = 'twin'"), 'and a newer one');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->safe_psql('app', 'DROP FUNCTION flow()');
$node->safe_psql('app', "SELECT wf_start('one', '{\"n\": 1}', id => 'x')");
# the clone of the first is there: it was looked for by a turn
$node->safe_psql('app', "SELECT wf_cancel('twin')");
ok($node->poll_query_until('app', "SELECT status = 'cancelled' FROM wf_executions WHERE workflow_id = 'twin'"), 'a clone does a turn');
cmp_ok($node->safe_psql('app', "SELECT count(*) FROM pg_proc WHERE pronamespace = 'durable'::regnamespace AND proname LIKE 'flow\$%'"), '>=', 1, 'a clone is there');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('app') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
is($node->safe_psql('restored', "SELECT count(*) FROM pg_proc WHERE pronamespace = 'durable'::regnamespace AND proname LIKE 'flow\$%'"),
	$node->safe_psql('app', "SELECT count(*) FROM pg_proc WHERE pronamespace = 'durable'::regnamespace AND proname LIKE 'flow\$%'"), 'the clones were restored');
$node->safe_psql('restored', "SELECT wf_adopt(); SELECT wf_signal('dumped', 'go')");
like(wait_result($node, 'restored', 'dumped'), qr/generation/, 'a restored run goes on without its function');
quick_ok($node, 'restored', 'DROP EXTENSION durable', 5, 'DROP EXTENSION takes the clones along');
unlike(log_since($node), qr/PANIC|TRAP/, 'no crash in the log');
$node->stop;
done_testing();
