# A full disk, as far as the engine's own statements can tell: one try, then
# growing delays, one line in the log, wf_stuck; and when there is room again
# everything goes on within five seconds, without anybody's call.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

my $node = durable_node('main', "autovacuum = off\n");

create_database($node, 'app');
$node->safe_psql('app', <<'SQL');
CREATE TABLE disk (is_full boolean);
INSERT INTO disk VALUES (false);
CREATE FUNCTION need_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT is_full FROM public.disk) THEN
		RAISE 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER need_room BEFORE INSERT OR UPDATE ON durable.execution EXECUTE FUNCTION need_room();
CREATE TRIGGER need_room BEFORE INSERT ON durable.history EXECUTE FUNCTION need_room();
CREATE TRIGGER need_room BEFORE INSERT OR UPDATE OR DELETE ON durable.activity EXECUTE FUNCTION need_room();
CREATE TRIGGER need_room BEFORE INSERT OR UPDATE OR DELETE ON durable.timer EXECUTE FUNCTION need_room();
CREATE FUNCTION never(id text, step int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT is_full FROM public.disk) THEN
		RAISE 'could not extend file "base/1/3": No space left on device' USING ERRCODE = 'disk_full';
	END IF;
	RETURN step;
END $$;
CREATE FUNCTION asks() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE u record;
BEGIN
	SELECT * INTO u FROM wf_next_update();
	PERFORM wf_reply(u.update_id, u.args);
	RETURN u.args;
END $$;
SQL
sub processes { return $node->safe_psql('app', "SELECT string_agg(kind || ' ' || pid, ',' ORDER BY kind, pid) FROM wf_workers WHERE kind = '$_[0]'"); }

$node->safe_psql('app', "SELECT count(wf_start('ask', id => 'ask ' || n)) FROM generate_series(1, 20) n");
$node->safe_psql('app', "SELECT wf_start('asks', id => 'asks')");
$node->safe_psql('app', "SELECT wf_start('nap', '{\"seconds\": 2}', id => 'nap')");
start_act($node, 'app', 'held', 'hold', input => '\'{"id": "held"}\'::jsonb');
ok($node->poll_query_until('app', "SELECT count(*) = 20 FROM wf_executions WHERE waiting_for = 'signal answer'"), 'runs wait');
ok($node->poll_query_until('app', "SELECT count(*) = 1 FROM wf_activities WHERE state = 'started'"), 'an activity runs')
  or diag_engine($node, 'app');
my $scheduler = processes('scheduler');
my $offset = -s $node->logfile;

$node->safe_psql('app', 'UPDATE disk SET is_full = true');
$node->safe_psql('app', "INSERT INTO gates VALUES ('gate')");
$node->safe_psql('app', "SELECT count(wf_signal('ask ' || n, 'answer', to_jsonb(n))) FROM generate_series(1, 20) n");
ok($node->poll_query_until('app', "SELECT count(*) = 20 FROM wf_stuck WHERE workflow_id LIKE 'ask %' AND why ~ 'No space left on device .SQLSTATE 53100'"),
	'wf_stuck tells it of all runs that could move');
my ($out, $err);
$node->psql('app', "SELECT wf_update('asks', 'q', '{}', timeout => '5 s')", stdout => \$out, stderr => \$err);
like($err, qr/No space left|has not answered|still|WF015|not.*in time/, 'an update has an end, too');

# six seconds of it: by then all tries are four seconds apart
sleep(6);
my $tries = $node->safe_psql('app', "SELECT max(substring(why FROM '\\((\\d+) so far')::int) FROM wf_stuck");
cmp_ok($tries, '<', 60, "not tried more than $tries times");
my $lines = count_in_log($node, qr/ LOG: .*durable/, $offset);
cmp_ok($lines, '<=', 6, 'few lines in the log') or diag(log_since($node, $offset));
is(count_in_log($node, qr/LOG:  durable cannot work in database "app": could not extend file/, $offset), 1, 'one of them for all of it');
cmp_ok(count_in_log($node, qr/its turn fails/, $offset), '<=', 4, 'and none for each run');
is(processes('scheduler'), $scheduler, 'the scheduler is the same');

$node->safe_psql('app', 'UPDATE disk SET is_full = false');
my $took = elapsed(sub { $node->poll_query_until('app', "SELECT count(*) = 1 FROM wf_executions WHERE status = 'running'"); });
cmp_ok($took, '<', 6, 'all goes on within five seconds') or diag_engine($node, 'app');
is($node->safe_psql('app', "SELECT count(*) FROM effects WHERE id LIKE 'ask %'"), 40, 'nothing lost, nothing twice');
is(wait_result($node, 'app', 'nap'), '"awake"', 'the timer has fired');
like(wait_result($node, 'app', 'held'), qr/^\d+$/, 'the activity is done');
is($node->safe_psql('app', 'SELECT count(*) FROM wf_stuck'), 0, 'nothing is stuck');
ok(until_true(sub { count_in_log($node, qr/LOG:  durable works again in database "app"/, $offset) == 1 }), 'and the log says so');

# A step that meets it: the next attempt is near, whatever the policy has come to
$node->safe_psql('app', <<'SQL');
UPDATE disk SET is_full = true;
DROP TRIGGER need_room ON durable.execution;
DROP TRIGGER need_room ON durable.history;
DROP TRIGGER need_room ON durable.activity;
DROP TRIGGER need_room ON durable.timer;
CREATE FUNCTION far(mode text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	RETURN wf_activity('never', '{"id": "far", "step": 3}', mode => mode, retry => wf_retry(initial_interval => '1 hour'));
END $$;
SELECT wf_start('far', '{"mode": "inline"}', id => 'far'), wf_start('far', '{"mode": "queued"}', id => 'far, queued');
SQL
ok($node->poll_query_until('app', "SELECT count(*) = 2 FROM wf_activities WHERE attempt = 1 AND next_attempt_at < now() + interval '5 s'"),
	'steps are tried again soon') or diag_engine($node, 'app');
$node->safe_psql('app', 'UPDATE disk SET is_full = false');
is(wait_result($node, 'app', $_), 3, $_) foreach 'far', 'far, queued';

# Code that only says so is its run's failure, and nobody else's
$node->safe_psql('app', <<'SQL');
CREATE FUNCTION liar() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'I am full' USING ERRCODE = 'disk_full'; END $$;
CREATE TABLE lies (n int);
CREATE CONSTRAINT TRIGGER liar AFTER INSERT ON lies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION liar();
CREATE FUNCTION lie() RETURNS int LANGUAGE sql AS 'INSERT INTO lies VALUES (1) RETURNING n';
CREATE FUNCTION lies() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('lie'); END $$;
SELECT wf_start('lies', id => 'lies');
SQL
ok($node->poll_query_until('app', "SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'lies' AND attempt > 1 AND last_failure->>'message' = 'I am full'"), 'a step that says so fails alone')
  or diag_engine($node, 'app');
is(count_in_log($node, qr/durable cannot work in database/, $offset), 1, 'the database is in no trouble');

unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
