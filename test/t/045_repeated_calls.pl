# A client that lost its connection in a crash repeats its call, and does not
# know whether the call was carried out.  It was, once, whenever the crash came;
# what the regression test of this name does not have is the crash.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = durable_node('main', "autovacuum = off\ndurable.max_turn_retry_delay = '100ms'\n");
create_database($node, 'app');
$node->safe_psql('app', <<'SQL');
CREATE FUNCTION counts() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	got int := 0;
	u record;
BEGIN
	LOOP
		u := wf_next_update();
		WHILE wf_poll_signal('s') IS NOT NULL LOOP got := got + 1; END LOOP;
		PERFORM wf_reply(u.update_id, to_jsonb(got));
		EXIT WHEN u.name = 'end';
		got := got + 100;
	END LOOP;
	RETURN got;
END $$;
SQL

# What is sent twice, and what the run has counted at its end
my %calls = (
	start => [ "wf_start('counts', id => 'start', request_id => 'start r')", 0 ],
	existing => [ "wf_start('counts', id => 'existing', on_running => 'use_existing', request_id => 'existing r')", 0, 1 ],
	terminate => [ "wf_start('counts', id => 'terminate', on_running => 'terminate_existing', request_id => 'terminate r')", 0, 1 ],
	signal => [ "wf_signal('signal', 's', request_id => 'r')", 1, 1 ],
	signal_with_start => [ "wf_signal_with_start('counts', 'signal_with_start', 's', request_id => 'signal_with_start r')", 1 ],
	signal_existing => [ "wf_signal_with_start('counts', 'signal_existing', 's', request_id => 'signal_existing r')", 1, 1 ],
	update => [ "wf_update('update', 'u', update_id => 'U', wait_for => 'admitted')", 100, 1 ],
	update_with_start => [ "wf_update_with_start('counts', 'update_with_start', 'u', update_id => 'U')", 100 ],
	update_existing => [ "wf_update_with_start('counts', 'update_existing', 'u', update_id => 'U')", 100, 1 ],
	update_answered => [ "wf_update('update_answered', 'u', update_id => 'U')", 100, 1 ],
	cancel => [ "wf_cancel('cancel')", 0, 1 ]);
my @ids = sort keys %calls;

sub crash
{
	$node->stop('immediate');
	$node->start;
	return;
}

sub runs { return $node->safe_psql('app', "SELECT string_agg(workflow_id || ' ' || n, ', ' ORDER BY workflow_id) FROM (SELECT workflow_id, count(*) AS n FROM wf_executions GROUP BY 1) r"); }

# 1. Before the commit: nothing was done.
for my $id (@ids)
{
	$node->safe_psql('app', "SELECT wf_start('counts', id => '$id')") if $calls{$id}[2];
}
my @open;
for my $id (@ids)
{
	next if $id =~ /update_answered|terminate/;    # that does not work in a transaction, and this would wait for the turn
	my $session = $node->background_psql('app', on_error_stop => 0);

	$session->query_safe("BEGIN; SELECT $calls{$id}[0]");
	push @open, $session;
}
crash();
eval { $_->quit } for @open;
is(runs(), join(', ', map { "$_ 1" } grep { $calls{$_}[2] } @ids), 'a call that was not committed has done nothing');

# 2. After the commit: the first of these does what it says, the second, after the crash, nothing more.
my %first = map { $_ => $node->safe_psql('app', "SELECT $calls{$_}[0]") } @ids;
my $runs = runs();
crash();
my %second = map { $_ => $node->safe_psql('app', "SELECT $calls{$_}[0]") } @ids;

$first{cancel} eq 't' and $second{cancel} eq 'f' or fail("a second cancellation does nothing: $first{cancel}, $second{cancel}");
delete $first{cancel};
delete $second{cancel};
is_deeply(\%second, \%first, 'repeated after a crash, each call is answered the same');
is(runs(), $runs, 'and starts nothing');

# 3. After the end of the run
for my $id (grep { $_ ne 'cancel' } @ids)
{
	is($node->safe_psql('app', "SELECT wf_update('$id', 'end', update_id => 'end')"), $calls{$id}[1], "$id: counted once");
}
crash();
my %third = map { $_ => $node->safe_psql('app', "SELECT $calls{$_}[0]") } grep { $_ ne 'cancel' } @ids;
is_deeply(\%third, \%first, 'repeated after a close and a crash, each call is answered the same');
is(runs(), $runs, 'and starts nothing');
like(wait_result($node, 'app', 'cancel'), qr/cancelled/, 'the cancelled run is');
$node->stop;
done_testing();
