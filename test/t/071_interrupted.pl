# Who is to end does so in the middle of a step: children of a parent that has
# closed, runs whose time is over, a run that is reset.  And the launcher is
# back at once.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

my $db = 'app';
my $node = durable_node('main', "autovacuum = off\ndurable.max_workers = 4\n");

create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE tries (name text);
CREATE FUNCTION endless(name text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_lock(hashtext(name));
	PERFORM pg_sleep(100000);
	RETURN 1;
END $$;
CREATE FUNCTION child(name text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('endless', jsonb_build_object('name', name)); END $$;
CREATE FUNCTION nested(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_await(wf_start_child('child', jsonb_build_object('name', name), id => name || ' grandchild', parent_close_policy => 'terminate'));
END $$;
CREATE FUNCTION parent(f text, name text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_start_child(f, jsonb_build_object('name', name), id => name || ' child', parent_close_policy => 'terminate');
	PERFORM wf_wait_signal('end');
	RETURN 1;
END $$;
CREATE FUNCTION asked(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_wait_signal('go');
	RETURN wf_activity('endless', jsonb_build_object('name', name));
END $$;
CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1';
SQL

sub in_step
{
	my $name = shift;

	ok($node->poll_query_until($db, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid::bigint = (hashtext('$name')::bigint & 4294967295))"), "$name: in its step")
	  or diag_engine($node, $db);
}

# Done within five seconds, of which a busy machine takes most
sub ends_as
{
	my ($id, $status, $name) = @_;
	my $took = elapsed(sub { ok($node->poll_query_until($db, "SELECT status = '$status' FROM wf_executions WHERE workflow_id = '$id' ORDER BY run_id DESC LIMIT 1"), $name) or diag_engine($node, $db); });

	cmp_ok($took, '<', 10, "$name: soon");
}

$node->safe_psql($db, q{SELECT wf_start('parent', '{"f": "child", "name": "closed"}', id => 'closed')});
in_step('closed');
$node->safe_psql($db, q{SELECT wf_signal('closed', 'end')});
ends_as('closed child', 'terminated', 'child in a step, parent has returned');

$node->safe_psql($db, q{SELECT wf_start('parent', '{"f": "child", "name": "killed"}', id => 'killed')});
in_step('killed');
$node->safe_psql($db, q{SELECT wf_terminate('killed')});
ends_as('killed child', 'terminated', 'child in a step, parent is terminated');

$node->safe_psql($db, q{SELECT wf_start('parent', '{"f": "nested", "name": "old"}', id => 'old')});
in_step('old');
$node->safe_psql($db, q{SELECT wf_terminate('old')});
ends_as('old grandchild', 'terminated', 'grandchild in a step');

$node->safe_psql($db, q{SELECT wf_start('child', '{"name": "late"}', id => 'late', run_timeout => '1 s')});
ends_as('late', 'timed_out', 'the time of a run is over');
$node->safe_psql($db, q{SELECT wf_start('child', '{"name": "later"}', id => 'later', execution_timeout => '1 s')});
ends_as('later', 'timed_out', 'the time of an execution is over');

$node->safe_psql($db, q{SELECT wf_start('asked', '{"name": "again"}', id => 'again')});
ok($node->poll_query_until($db, "SELECT waiting_for IS NOT NULL FROM wf_executions WHERE workflow_id = 'again'"), 'again: waits');
$node->safe_psql($db, q{SELECT wf_signal('again', 'go')});
in_step('again');
my $took = elapsed(sub { $node->safe_psql($db, q{SELECT wf_reset('again', point => 'first')}); });
cmp_ok($took, '<', 10, 'a reset does not wait for the step');
in_step('again');
$node->safe_psql($db, q{SELECT wf_terminate('again')});
ends_as('again', 'terminated', 'the new run is');

# nothing keeps others from being served, and nothing of it is left in a step
$node->safe_psql($db, q{SELECT wf_start('other', id => 'other')});
is(wait_result($node, $db, 'other'), '1', 'others are served');
is($node->safe_psql($db, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'no step goes on');

# the launcher, asked to end as any process may be
$node->safe_psql($db, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'durable launcher'});
$took = elapsed(sub {
	$node->safe_psql($db, q{CREATE ROLE newcomer LOGIN});
	$node->safe_psql($db, q{SELECT wf_start('other', id => 'new')}, extra_params => [ '-U', 'newcomer' ]);
	is(wait_result($node, $db, 'new'), '1', 'a role that had no worker yet');
});
cmp_ok($took, '<', 4, 'the launcher is back before the server would wait five seconds for it');

$node->stop;
done_testing();
