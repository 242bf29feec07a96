# A database whose tables are written by logical replication does not run the
# runs that come, nor lets others take their tasks, until it is told that it is
# the one to go on; and who starts what nobody can run is told so.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = durable_node('main', "autovacuum = off\ndurable.worker_idle_timeout = '1h'\n", init => [ allows_streaming => 'logical' ]);
my $connection = $node->connstr;

sub prepare
{
	my ($db) = @_;

	create_database($node, $db);
	$node->safe_psql($db, <<'SQL');
CREATE FUNCTION waits(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM wf_wait_signal('go');
	PERFORM wf_activity('effect', jsonb_build_object('id', name, 'step', 1));
	RETURN wf_activity('outside', task_queue => 'q', retry => wf_retry(1));
END $$;
CREATE FUNCTION quick(name text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity('effect', jsonb_build_object('id', name, 'step', 1)); END $$;
SQL
}

sub subscribe
{
	my ($from, $to, $options) = @_;

	$node->safe_psql($from, "CREATE PUBLICATION every FOR ALL TABLES");
	$node->safe_psql($from, "SELECT pg_create_logical_replication_slot('to_$to', 'pgoutput')");
	$node->safe_psql($to, "CREATE SUBSCRIPTION sub_$to CONNECTION '$connection dbname=$from' PUBLICATION every WITH (create_slot = false, slot_name = 'to_$to'$options)");
}

sub unsubscribe
{
	my ($from, $to) = @_;

	$node->safe_psql($to, "ALTER SUBSCRIPTION sub_$to DISABLE; ALTER SUBSCRIPTION sub_$to SET (slot_name = NONE); DROP SUBSCRIPTION sub_$to");
	until_in($from, "SELECT pg_drop_replication_slot(slot_name) IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'to_$to' AND NOT active");
	$node->safe_psql($from, "DROP PUBLICATION every");
}

# Wait for a query to say so
sub until_in
{
	my ($db, $query) = @_;

	$node->poll_query_until($db, $query) or fail("timed out: $query");
	return;
}

sub effects { return $node->safe_psql($_[0], "SELECT coalesce(string_agg(id, ' ' ORDER BY id), 'none') FROM effects"); }
sub fails
{
	my ($db, $statement) = @_;
	my ($status, $out, $err) = $node->psql($db, $statement);

	return $status == 0 ? "no error: $out" : $err;
}

# 1. A subscriber that has run workflows of its own, and has a worker that waits for more.
prepare('pub');
prepare('sub');
for my $db ('pub', 'sub')
{
	$node->safe_psql($db, "SELECT wf_start('quick', '{\"name\": \"own\"}', id => 'own')");
	is(wait_result($node, $db, 'own'), '1', "$db runs its own");
}
$node->safe_psql('sub', 'TRUNCATE effects');
# one that applies nothing: not even where it seems so
$node->safe_psql('sub', "SET session_replication_role = replica; SELECT wf_start('quick', '{\"name\": \"by replica\"}', id => 'replica')");
is(wait_result($node, 'sub', 'replica'), '1', 'a start in a session with session_replication_role = replica is an ordinary one');
$node->safe_psql('sub', 'BEGIN; SET session_replication_role = replica; INSERT INTO durable.identity (system_identifier, database_oid) VALUES (1, 1); ROLLBACK');
$node->safe_psql('sub', "SELECT wf_start('quick', '{\"name\": \"after undo\"}', id => 'undo')");
is(wait_result($node, 'sub', 'undo'), '1', 'replicated rows that were rolled back leave nothing behind');
$node->safe_psql('sub', 'TRUNCATE effects');
my $workers = $node->safe_psql('sub', "SELECT count(*) FROM wf_workers WHERE database = 'sub' AND kind = 'worker'");
cmp_ok($workers, '>=', 1, 'the subscriber has a worker');

subscribe('pub', 'sub', ', copy_data = false');
until_in('pub', "SELECT active FROM pg_replication_slots WHERE slot_name = 'to_sub'");
$node->safe_psql('pub', "SELECT wf_start('waits', '{\"name\": \"theirs\"}', id => 'theirs'); SELECT wf_start('waits', '{\"name\": \"kept\"}', id => 'kept')");
$node->safe_psql('pub', "SELECT wf_signal('theirs', 'go')");
until_in('pub', "SELECT count(*) = 1 FROM effects WHERE id = 'theirs'");
until_in('sub', "SELECT count(*) = 1 FROM durable.activity");
# whoever drives the engine here, and whoever takes tasks
like(fails('sub', "CALL wf_work()"), qr/were started in another one/, 'wf_work refuses');
like(fails('sub', "CALL wf_execute('quick', '{\"name\": \"x\"}')"), qr/were started in another one/, 'wf_execute refuses');
like(fails('sub', "SELECT * FROM wf_poll_activities('q')"), qr/were started in another one/, 'a poll refuses');
my ($status, $out, $err) = $node->psql('sub', "SELECT wf_start('quick', '{\"name\": \"stuck\"}', id => 'stuck')");
like($err, qr/WARNING:  no worker will run this workflow: the database is a restored dump, a copy, or replicated/, 'who starts something is told');
until_in('sub', "SELECT count(*) = 1 FROM wf_stuck WHERE workflow_id = 'stuck' AND why ~ 'replicated'");
until_in('sub', "SELECT count(*) = 0 FROM wf_workers WHERE database = 'sub' AND kind = 'worker'");
is($node->safe_psql('pub', "SELECT count(wf_complete_activity(task_token, '7')) FROM wf_poll_activities('q')"), '1', 'the publisher has its task');
is(wait_result($node, 'pub', 'theirs'), '7', 'and its run ends there');
is(effects('sub'), 'theirs', 'the row of the step has come by replication');
is($node->safe_psql('sub', "SELECT count(*) FROM effects WHERE id IN ('stuck', 'kept')"), '0', 'and no other was written');
is(effects('pub'), 'own theirs', 'once');

# 2. The subscriber takes over.
until_in('sub', "SELECT count(*) = 1 FROM durable.closed WHERE workflow_id = 'theirs'");
unsubscribe('pub', 'sub');
is(effects('sub'), 'theirs', 'without the subscription nothing runs either');
like(fails('sub', "CALL wf_work()"), qr/were started in another one/, 'still refused');
is($node->safe_psql('sub', 'SELECT wf_adopt()'), 't', 'until wf_adopt()');
is(wait_result($node, 'sub', 'stuck'), '1', 'what was started meanwhile runs');
$node->safe_psql('sub', "SELECT wf_signal('kept', 'go')");
until_in('sub', "SELECT count(*) = 1 FROM effects WHERE id = 'kept'");
until_in('sub', "SELECT count(wf_complete_activity(task_token, '8')) = 1 FROM wf_poll_activities('q')");
is(wait_result($node, 'sub', 'kept'), '8', 'and so does what came by replication');
is(wait_result($node, 'sub', 'theirs'), '7', 'whose ends are known');

# 3. A new database, the whole of which comes by replication: an upgrade without a pause.
prepare('next');
$node->safe_psql('pub', "SELECT wf_start('waits', jsonb_build_object('name', n), id => n) FROM unnest('{a,b}'::text[]) n");
subscribe('pub', 'next', '');
until_in('next', "SELECT count(*) = 3 FROM durable.execution");
until_in('next', "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel");
$node->safe_psql('pub', "SELECT wf_signal('a', 'go')");
until_in('pub', "SELECT count(*) = 1 FROM effects WHERE id = 'a'");
until_in('next', "SELECT count(*) = 1 FROM durable.activity");
like(fails('next', "CALL wf_work()"), qr/were started in another one/, 'a database that is only replicated refuses too');
$node->safe_psql('pub', "SELECT wf_signal('b', 'go')");
until_in('next', "SELECT count(*) = 2 FROM durable.activity");
unsubscribe('pub', 'next');
$node->safe_psql('pub', "DROP EXTENSION durable CASCADE");
$node->safe_psql('next', "SELECT wf_adopt()");
until_in('next', "SELECT count(wf_complete_activity(task_token, '9')) > 0 FROM wf_poll_activities('q', max => 10)");
until_in('next', "SELECT count(*) = 0 FROM durable.activity");
is(wait_result($node, 'next', 'a') . wait_result($node, 'next', 'b'), '99', 'after wf_adopt() it goes on');
is(effects('next'), 'a b own theirs', 'no step was taken twice');

# 4. A role that no worker can connect as
$node->safe_psql('next', "CREATE ROLE authenticated NOLOGIN; CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE authenticated; CREATE FUNCTION hello() RETURNS text LANGUAGE sql AS \$\$ SELECT current_user::text \$\$");
($status, $out, $err) = $node->psql('next', "BEGIN; SET LOCAL ROLE authenticated; SELECT wf_start('hello', id => 'web'); SELECT wf_start('hello', id => 'web2'); COMMIT", extra_params => [ '-U', 'authenticator' ]);
is($status, 0, 'a role without LOGIN starts a workflow');
if ($node->pg_version < 17)
{
	is(scalar(() = $err =~ /WARNING:  no worker will run this workflow: the owner, role "authenticated", cannot log in/g), 1, 'and is told, once, that no worker can run it');
	until_in('next', "SELECT count(*) = 2 FROM wf_stuck WHERE workflow_id LIKE 'web%' AND why ~ 'cannot log in'");
	$node->safe_psql('next', 'ALTER ROLE authenticated LOGIN');
}
else
{
	unlike($err, qr/WARNING/, 'nothing is wrong with that');
}
is(wait_result($node, 'next', 'web'), '"authenticated"', 'with LOGIN, or from PostgreSQL 17 on, it runs');

# 5. What is applied is seen to be so after a call of ours that failed, too
is($node->safe_psql('next', <<'SQL'), '1', 'whatever failed before');
DO $$ BEGIN PERFORM wf_start('hello', id => 'web', on_closed => 'reject'); EXCEPTION WHEN SQLSTATE 'WF006' THEN NULL; END $$;
BEGIN; SET session_replication_role = replica; INSERT INTO durable.identity (system_identifier, database_oid) VALUES (1, 1);
SELECT count(*) FROM durable.identity WHERE system_identifier = 0; ROLLBACK
SQL
$node->stop;
done_testing();
