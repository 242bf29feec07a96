# Sagas under SIGKILL: transfers of money in three legs that fail, are
# cancelled or time out at random, with compensations that fail at random too,
# while the postmaster or one worker is killed again and again.  In the end
# each transfer is done, or undone, once; no money came or went, and no account
# was ever overdrawn.
#
# The table of movements has no unique constraint: what happened twice shows.
# DURABLE_KILLS and DURABLE_SEED in the environment set how many kills there
# are and the seed of their moments.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $kills = $ENV{DURABLE_KILLS} || 10;
my $seed = $ENV{DURABLE_SEED} || 20261121;
my $least = 800;
my $db = 'saga';

note("seed $seed, $kills kills");
srand($seed);

my $node = durable_node('main', <<'CONF');
durable.max_workers = 3
durable.max_activity_workers = 2
max_connections = 30
checkpoint_timeout = '30 s'
CONF
create_database($node, $db);
$node->safe_psql($db, <<'SQL');
CREATE TABLE account (name text PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0));
INSERT INTO account SELECT 'customer ' || n, 1000 FROM generate_series(1, 40) n;
INSERT INTO account SELECT 'clearing ' || n, 0 FROM generate_series(0, 7) n;
INSERT INTO account SELECT 'abroad ' || n, 0 FROM generate_series(0, 7) n;
CREATE TABLE moved (id text, leg int, way int);
-- which queued legs have begun or are not to begin any more
CREATE TABLE ticket (id text PRIMARY KEY, void boolean);

CREATE FUNCTION move(id text, leg int, way int, src text, dst text, amount int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO moved VALUES (id, leg, way);
	UPDATE account SET balance = balance - amount WHERE name = CASE way WHEN 1 THEN src ELSE dst END;
	UPDATE account SET balance = balance + amount WHERE name = CASE way WHEN 1 THEN dst ELSE src END;
END $$;
-- a leg of the way there, after which it may fail yet
CREATE FUNCTION go(id text, leg int, src text, dst text, amount int, risk float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	-- long enough for a timeout to come meanwhile
	PERFORM pg_sleep(CASE leg WHEN 1 THEN 0.012 * random() ELSE 0 END);
	PERFORM move(id, leg, 1, src, dst, amount);
	IF random() < risk THEN
		RAISE EXCEPTION 'leg % failed', leg;
	END IF;
END $$;
-- and back
CREATE FUNCTION back(id text, leg int, src text, dst text, amount int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM move(id, leg, -1, src, dst, amount);
	IF random() < 0.5 THEN
		RAISE EXCEPTION 'the way back failed';
	END IF;
END $$;
-- the same in a queue: whoever takes the ticket first decides
CREATE FUNCTION go_queued(id text, leg int, src text, dst text, amount int, risk float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ticket VALUES (id, false);
	PERFORM go(id, leg, src, dst, amount, risk);
END $$;
CREATE FUNCTION back_queued(id text, leg int, src text, dst text, amount int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	was_void boolean;
BEGIN
	INSERT INTO ticket AS t VALUES (id, true) ON CONFLICT ON CONSTRAINT ticket_pkey DO UPDATE SET void = t.void RETURNING void INTO was_void;
	IF NOT was_void THEN
		PERFORM back(id, leg, src, dst, amount);
	END IF;
END $$;

CREATE FUNCTION transfer(n int, src text, dst text, amount int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	me text := wf_info()->>'workflow_id';
	leg1 jsonb := jsonb_build_object('id', me, 'leg', 1, 'src', src, 'dst', 'clearing ' || n % 8, 'amount', amount);
	leg2 jsonb := jsonb_build_object('id', me, 'leg', 2, 'src', 'clearing ' || n % 8, 'dst', 'abroad ' || n % 8, 'amount', amount);
	leg3 jsonb := jsonb_build_object('id', me, 'leg', 3, 'src', 'abroad ' || n % 8, 'dst', dst, 'amount', amount);
	often jsonb := wf_retry(initial_interval => '30 ms', backoff => 1);
BEGIN
	PERFORM wf_upsert_search_attributes('{"leg": 1}');
	-- a step that is done is known to be, so its undo can follow it
	PERFORM wf_activity('go', leg1 || '{"risk": 0.1}');
	PERFORM wf_compensate('back', leg1, retry => often, mode => CASE WHEN n % 3 = 0 THEN 'queued' END);
	PERFORM wf_sleep(make_interval(secs => wf_random() * 0.5));
	PERFORM wf_upsert_search_attributes('{"leg": 2}');
	-- of an activity in a queue that is not sure
	PERFORM wf_compensate('back_queued', leg2, retry => often);
	PERFORM wf_activity('go_queued', leg2 || '{"risk": 0.1}', mode => 'queued', retry => wf_retry(2, '30 ms'));
	PERFORM wf_sleep(make_interval(secs => wf_random() * 0.5));
	PERFORM wf_upsert_search_attributes('{"leg": 3}');
	BEGIN
		PERFORM wf_activity('go', leg3 || '{"risk": 0.3}');
	EXCEPTION WHEN SQLSTATE 'WF001' THEN
		IF n % 2 = 0 THEN
			PERFORM wf_run_compensations();
		END IF;
		RAISE EXCEPTION 'the last leg failed';
	END;
	RETURN 'arrived';
END $$;
CREATE FUNCTION begin_transfer(batch int, n int) RETURNS uuid LANGUAGE sql AS $$
	SELECT wf_start('transfer', jsonb_build_object('n', n, 'src', 'customer ' || 1 + (batch * 7 + n) % 40,
			'dst', 'customer ' || 1 + (batch * 11 + n * 3) % 40, 'amount', 1 + n % 90),
		id => format('transfer %s-%s', batch, n), request_id => format('transfer %s-%s', batch, n),
		run_timeout => CASE n % 4 WHEN 1 THEN make_interval(secs => 0.01 + n / 50.0) END,
		execution_timeout => CASE n % 8 WHEN 2 THEN make_interval(secs => 0.05 + n / 25.0) END)
$$;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my $errors = "$dir/errors";
my $batch_size = 40;

# starts transfers, and cancels some of those before
my $starter = client(sub {
	my $batch = 0;

	until (-e "$dir/stop" && $batch * $batch_size >= $least)
	{
		$batch++;
		insist($node, $db, "SELECT count(begin_transfer($batch, n)) FROM generate_series(1, $batch_size) n", $errors);
		usleep(200_000);
		insist($node, $db, "SELECT count(wf_cancel(format('transfer %s-%s', $batch, n))) FROM generate_series(3, $batch_size, 7) n", $errors);
	}
	append_to_file("$dir/all started", $batch);
}, $errors);

sub a_worker
{
	my ($out, $err) = ('', '');

	eval { $node->psql($db, "SELECT pid FROM wf_workers WHERE pid IS NOT NULL AND kind ~ 'worker' ORDER BY random() LIMIT 1",
			stdout => \$out, stderr => \$err, timeout => 10) };
	return $out =~ /^\d+$/ ? $out : undef;
}

my %killed = (postmaster => 0, worker => 0);
while ($killed{postmaster} + $killed{worker} < $kills)
{
	until_true(sub { is_up($node, $db) }, 60) or BAIL_OUT('the server does not come up');
	usleep(rand() < 0.3 ? rand(300_000) : 300_000 + rand(1_500_000));
	if (rand() < 0.4)
	{
		kill_postmaster($node);
		$node->start;
		$killed{postmaster}++;
	}
	elsif (my $pid = a_worker())
	{
		kill_process($pid) if kill(0, $pid);
		$killed{worker}++;
	}
}
append_to_file("$dir/stop", '');
waitpid($starter, 0);

my $started = slurp_file("$dir/all started") * $batch_size;
ok(!-e $errors, 'clients met no error but lost connections') or diag(substr(slurp_file($errors), 0, 2000));
cmp_ok($started, '>=', $least, "$started transfers, $killed{postmaster} kills of the postmaster, $killed{worker} of a worker");
ok($node->poll_query_until($db, 'SELECT count(*) = 0 FROM durable.execution'), 'all end') or diag_engine($node, $db);
note($node->safe_psql($db, "SELECT string_agg(status || ' ' || count, ', ' ORDER BY status) FROM (SELECT status, count(*) FROM wf_executions GROUP BY 1) s"));

is($node->safe_psql($db, "SELECT count(DISTINCT status) FROM wf_executions WHERE status IN ('completed', 'failed', 'cancelled', 'timed_out')"),
	'4', 'in each of the ways there are');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_executions'), $started, 'and no others were started');
is($node->safe_psql($db, 'SELECT sum(balance) FROM account'), '40000', 'no money came or went');
is($node->safe_psql($db, "SELECT sum(balance) FROM account WHERE name !~ 'customer'"), '0', 'and none is under way');
is( $node->safe_psql($db, <<'SQL'), '', 'a transfer that completed went all the way, once');
SELECT workflow_id, array_agg((leg, way)) FROM wf_executions e LEFT JOIN moved m ON m.id = e.workflow_id WHERE status = 'completed'
GROUP BY 1 HAVING array_agg(leg * way ORDER BY leg) <> '{1,2,3}' OR count(leg) <> 3 LIMIT 5
SQL
is( $node->safe_psql($db, <<'SQL'), '', 'and each leg of the others was undone, once');
SELECT workflow_id, status, leg, count(*), sum(way) FROM wf_executions e JOIN moved m ON m.id = e.workflow_id WHERE status <> 'completed'
GROUP BY 1, 2, 3 HAVING count(*) <> 2 OR sum(way) <> 0 LIMIT 5
SQL
is( $node->safe_psql($db, <<'SQL'), 't', 'there was something to undo in each of the ways');
SELECT count(DISTINCT status) = 3 FROM wf_executions e JOIN moved m ON m.id = e.workflow_id WHERE way = -1
SQL
is( $node->safe_psql($db, <<'SQL'), '', 'compensations ran from the last leg to the first');
SELECT e.run_id FROM (SELECT run_id, (attributes->>'command')::int AS command, (attributes->'input'->>'leg')::int AS leg FROM wf_events
	WHERE event_type = 'activity_scheduled' AND attributes->>'activity' ~ 'back') e
GROUP BY 1 HAVING array_agg(leg ORDER BY command) NOT IN ('{1}', '{2,1}') LIMIT 5
SQL
is( $node->safe_psql($db, <<'SQL'), '', 'search attributes are those last set');
SELECT e.workflow_id, e.search_attributes FROM wf_executions e WHERE e.search_attributes->'leg' IS DISTINCT FROM
	(SELECT v.attributes->'search_attributes'->'leg' FROM wf_events v WHERE v.run_id = e.run_id AND v.event_type = 'search_attributes_upserted'
	ORDER BY v.event_id DESC LIMIT 1) LIMIT 5
SQL
is($node->safe_psql($db, "SELECT count(*) FROM wf_executions WHERE error->'compensation_failures' IS NOT NULL"), '0', 'no compensation was given up');
is( $node->safe_psql($db, "SELECT count(*) FROM (SELECT run_id, event_id, lag(event_id, 1, 0::bigint) OVER (PARTITION BY run_id ORDER BY event_id) AS before FROM wf_events) e WHERE event_id <> before + 1"),
	'0', 'histories have no gap');
is($node->safe_psql($db, 'SELECT count(*) FROM wf_stuck'), '0', 'nothing is stuck');
ok($node->poll_query_until($db, "SELECT count(*) = 0 FROM durable.$_"), "nothing is left in durable.$_") foreach 'message', 'timer', 'activity';
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal (?!9|6: Aborted \(by parent)/, 'no crash in the log but those wanted');

$node->stop('fast');
done_testing();
