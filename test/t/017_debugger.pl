# A history of production under the PL/pgSQL debugger (pldebugger): wf_replay()
# stops at a breakpoint in the workflow function, its variables can be read, it
# is stepped through and goes on, and nothing takes place.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $config = $ENV{PG_CONFIG} // 'pg_config';
chomp(my $pkglibdir = `$config --pkglibdir`);
plan skip_all => 'pldebugger is not installed' unless -e "$pkglibdir/plugin_debugger.so";

my $node = durable_node('main', "shared_preload_libraries = 'durable, plugin_debugger'\n");
create_database($node, 'app');
$node->safe_psql('app', <<'SQL');
CREATE EXTENSION pldbgapi;
CREATE FUNCTION order_flow(amount int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	total int;
	answer jsonb;
BEGIN
	total := wf_activity('effect', jsonb_build_object('id', 'order', 'step', amount))::int;
	total := total + 1;
	answer := wf_wait_signal('paid');
	total := total + (answer->>'more')::int;
	RETURN 'total ' || total;
END $$;
SELECT wf_start('order_flow', '{"amount": 40}', id => 'o1');
SQL
ok($node->poll_query_until('app', "SELECT waiting_for = 'signal paid' FROM wf_executions WHERE workflow_id = 'o1'"), 'the run waits');
$node->safe_psql('app', "SELECT wf_signal('o1', 'paid', '{\"more\": 1}')");
is(wait_result($node, 'app', 'o1'), '"total 42"', 'and ended');
is($node->safe_psql('app', 'SELECT count(*) FROM effects'), '1', 'with one effect');

# the debugger: a listener and a breakpoint at line 7, after the activity
# (which outlives the error of its last call: the session under debug is gone)
my $debugger = $node->background_psql('app', on_error_stop => 0);
my $session = $debugger->query('SELECT pldbg_create_listener()');
like($session, qr/^\d+$/, 'a listener');
my $function = $node->safe_psql('app', "SELECT 'order_flow(int)'::regprocedure::oid");
is($debugger->query("SELECT pldbg_set_global_breakpoint($session, $function, 7, NULL)"), 't', 'a breakpoint');

# the session under debug
my $target = $node->background_psql('app');
$target->query_until(qr/^$/, "SELECT 'ended ' || (wf_replay((SELECT jsonb_agg(to_jsonb(h)) FROM wf_history('o1') h), 'order_flow(int)') ->> 'result');\n");
like($debugger->query("SELECT pldbg_wait_for_target($session)"), qr/^\d+$/, 'the replay arrives');
# (pldebugger tells the line one higher than it is asked for)
is($debugger->query("SELECT linenumber FROM pldbg_wait_for_breakpoint($session)"), '8', 'and stops at the breakpoint');
is($debugger->query("SELECT value FROM pldbg_get_variables($session) WHERE name = 'total'"), '40', 'a variable has the recorded result');
is($debugger->query("SELECT value FROM pldbg_get_variables($session) WHERE name = 'amount'"), '40', 'so has an argument');
is($debugger->query("SELECT linenumber FROM pldbg_step_over($session)"), '9', 'a step');
is($debugger->query("SELECT value FROM pldbg_get_variables($session) WHERE name = 'total'"), '41', 'changed it');
is($debugger->query("SELECT linenumber FROM pldbg_step_over($session)"), '10', 'a step over a wait, which is over in the history');
is($debugger->query("SELECT value FROM pldbg_get_variables($session) WHERE name = 'answer'"), '{"more": 1}', 'the signal as it came');
like($debugger->query("SELECT targetname FROM pldbg_get_stack($session)"), qr/order_flow/, 'the stack');
is($debugger->query("SELECT pldbg_drop_breakpoint($session, $function, 7)"), 't', 'the breakpoint is taken away');
$debugger->query_until(qr/^$/, "SELECT pldbg_continue($session);\n");
$target->query_until(qr/ended total 42/, "SELECT 1;\n");
pass('the replay came to its end, with the result of the run');
is($node->safe_psql('app', 'SELECT count(*) FROM effects'), '1', 'nothing took place');
is($node->safe_psql('app', "SELECT count(*) FROM wf_history('o1')"), '5', 'and the history is as it was');
$target->quit;
$debugger->quit;
$node->stop;
done_testing();
