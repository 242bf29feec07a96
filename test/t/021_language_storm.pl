# The workflow language under SIGKILL: fan-outs of queued activities, races of
# handles, continue-as-new with signals in flight, updates whose clients repeat
# them until they are answered, compensations, all while the functions are
# replaced and the postmaster or a worker is killed.  In the end every effect
# is there once, every answer is right, and nothing is left.
#
# The table has no unique constraint: an effect that happened twice shows.
# DURABLE_KILLS and DURABLE_SEED in the environment set how many kills there
# are and the seed of their moments.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $kills = $ENV{DURABLE_KILLS} || 8;
my $seed = $ENV{DURABLE_SEED} || 20261122;
my $db = 'language';
my $tellers = 4;
my $rounds = 8;

note("seed $seed, $kills kills");
srand($seed);

my $node = durable_node('main', <<'CONF');
durable.max_workers = 3
durable.max_activity_workers = 3
max_connections = 40
CONF
create_database($node, $db);

# the functions, with a constant that is different in each version
sub deploy
{
	my ($version) = @_;

	return <<"SQL";
-- ten queued activities at once, then six in twos, then a race that the signal wins
CREATE OR REPLACE FUNCTION fan() RETURNS jsonb LANGUAGE plpgsql AS \$\$
DECLARE
	id text := wf_info()->>'workflow_id';
	h wf_handle[];
	r jsonb[];
	timer wf_handle;
	go wf_handle;
	version int := $version;
BEGIN
	FOR i IN 1..10 LOOP h := h || wf_start_activity('note', jsonb_build_object('id', id, 'n', i)); END LOOP;
	r := wf_await_all(h);
	PERFORM wf_map('note', (SELECT jsonb_agg(jsonb_build_object('id', id, 'n', i)) FROM generate_series(11, 16) i), max_parallel => 2);
	timer := wf_start_timer('1 hour');
	go := wf_signal_handle('go');
	IF wf_await_any(ARRAY[timer, go]) <> 2 THEN RAISE EXCEPTION 'the timer has fired'; END IF;
	PERFORM wf_cancel_handle(timer);
	RETURN to_jsonb((SELECT sum(x::int) FROM unnest(r) x));
END \$\$;
-- folds signals, five a run; 0 ends it
CREATE OR REPLACE FUNCTION fold(total int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE
	id text := wf_info()->>'workflow_id';
	n int;
	version int := $version;
BEGIN
	FOR i IN 1..5 LOOP
		n := wf_wait_signal('add')::int;
		IF n = 0 THEN RETURN total; END IF;
		PERFORM wf_activity('note', jsonb_build_object('id', id, 'n', n));
		total := total + n;
	END LOOP;
	PERFORM wf_continue_as_new(jsonb_build_object('total', total));
END \$\$;
-- answers requests, three a run; an amount of 0 ends it
CREATE OR REPLACE FUNCTION teller(total int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE
	id text := wf_info()->>'workflow_id';
	u record;
	n int;
	version int := $version;
BEGIN
	FOR i IN 1..3 LOOP
		u := wf_next_update('deposit');
		n := u.args->>'n';
		IF n > 0 THEN
			PERFORM wf_activity('note', jsonb_build_object('id', id, 'n', n));
			total := total + n;
		END IF;
		PERFORM wf_reply(u.update_id, to_jsonb(total));
		IF n = 0 THEN RETURN total; END IF;
	END LOOP;
	PERFORM wf_continue_as_new(jsonb_build_object('total', total));
END \$\$;
-- does three things, fails, and undoes them
CREATE OR REPLACE FUNCTION regret() RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	id text := wf_info()->>'workflow_id';
	version int := $version;
BEGIN
	FOR i IN 1..3 LOOP
		PERFORM wf_compensate('note', jsonb_build_object('id', id, 'n', -i), mode => CASE i WHEN 2 THEN 'queued' END);
		PERFORM wf_activity('note', jsonb_build_object('id', id, 'n', i), mode => CASE i WHEN 3 THEN 'queued' END);
		PERFORM wf_sleep('20 ms');
	END LOOP;
	RAISE EXCEPTION 'regret it';
END \$\$;
SQL
}

$node->safe_psql($db, <<'SQL' . deploy(0));
CREATE TABLE effect (id text, n int);
CREATE FUNCTION note(id text, n int) RETURNS int LANGUAGE sql AS 'INSERT INTO effect VALUES ($1, $2) RETURNING n';
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my $errors = "$dir/errors";

my $starter = client(sub {
	for my $round (1 .. $rounds)
	{
		insist($node, $db, <<"SQL", $errors);
SELECT count(wf_start('fan', id => 'fan $round-' || n, request_id => 'fan $round-' || n)) FROM generate_series(1, 5) n;
SELECT count(wf_start('regret', id => 'regret $round-' || n, request_id => 'regret $round-' || n)) FROM generate_series(1, 5) n;
SQL
		insist($node, $db, "SELECT count(wf_signal('fan $round-' || n, 'go', request_id => 'go')) FROM generate_series(1, 5) n", $errors);
		for my $n (1 .. 5)
		{
			insist($node, $db, "SELECT wf_signal_with_start('fold', 'fold ' || f, 'add', '" . ($round * 10 + $n) . "', request_id => f || ' $round-$n') FROM generate_series(1, 3) f", $errors);
		}
	}
	insist($node, $db, "SELECT wf_signal_with_start('fold', 'fold ' || f, 'add', '0', request_id => f || ' end') FROM generate_series(1, 3) f", $errors);
}, $errors);

# Clients of updates ask again with the same id until they have the answer
my @clients = map {
	my $t = $_;
	client(sub {
		my $total = 0;
		insist($node, $db, "SELECT wf_start('teller', id => 'teller $t', request_id => 'teller $t')", $errors);
		for my $n (1 .. 2 * $rounds, 0)
		{
			$total += $n;
			insist($node, $db, "SELECT 1 / (wf_update('teller $t', 'deposit', '{\"n\": $n}', update_id => '$t-$n', timeout => '50 s') = '$total')::int", $errors);
		}
	}, $errors);
} 1 .. $tellers;

my $version = 0;
for my $kill (1 .. $kills)
{
	until_true(sub { is_up($node, $db) }, 60) or BAIL_OUT('the server does not come up');
	usleep(200_000 + rand(900_000));
	insist($node, $db, deploy(++$version), $errors) if rand() < 0.5;
	my $pid = rand() < 0.4 ? eval { $node->safe_psql($db, "SELECT pid FROM wf_workers WHERE kind LIKE '%worker' AND database = '$db' AND pid IS NOT NULL ORDER BY random() LIMIT 1") } : undef;
	if ($pid)
	{
		kill 'KILL', $pid;
	}
	else
	{
		kill_postmaster($node);
		$node->start;
	}
}
waitpid($_, 0) foreach $starter, @clients;
ok(!-e $errors, 'clients met no error but lost connections') or diag(substr(slurp_file($errors), 0, 2000));
until_true(sub { is_up($node, $db) }, 60);
ok($node->poll_query_until($db, 'SELECT NOT EXISTS (SELECT 1 FROM durable.execution)'), 'all runs have ended')
  or diag($node->safe_psql($db, "SELECT workflow_id, waiting_for, turn_error FROM durable.execution"));

my $fans = 5 * $rounds;
is($node->safe_psql($db, "SELECT status, result, count(*) FROM wf_executions WHERE workflow = 'fan' GROUP BY 1, 2"), "completed|55|$fans", 'fan-outs have their results');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT (id, n)) FROM effect WHERE id LIKE 'fan%'"), join('|', ($fans * 16) x 2), 'and each activity was done once');
my $sum = 0;
foreach my $round (1 .. $rounds) { $sum += $round * 10 + $_ foreach 1 .. 5; }
is($node->safe_psql($db, "SELECT result, count(*) FROM wf_executions WHERE workflow = 'fold' AND status = 'completed' GROUP BY 1"), "$sum|3", 'chains have folded every signal once');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT (id, n)) FROM effect WHERE id LIKE 'fold%'"), join('|', (15 * $rounds) x 2), 'with one effect each');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT (id, n)) FROM effect WHERE id LIKE 'teller%'"), join('|', (2 * $rounds * $tellers) x 2), 'updates had one effect each');
is($node->safe_psql($db, "SELECT status, count(*) FROM wf_executions WHERE workflow = 'regret' GROUP BY 1"), "failed|$fans", 'sagas have failed');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT (id, n)), sum(n) FROM effect WHERE id LIKE 'regret%'"), $fans * 6 . '|' . $fans * 6 . '|0', 'and are undone, each step once');
is($node->safe_psql($db, "SELECT (SELECT count(*) FROM durable.message), (SELECT count(*) FROM durable.timer), (SELECT count(*) FROM durable.activity)"), '0|0|0', 'nothing is left');
is($node->safe_psql($db, "SELECT count(*) FROM wf_stuck"), '0', 'nothing is stuck');
$node->stop;
done_testing();
