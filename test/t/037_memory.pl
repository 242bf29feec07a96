# Memory of a session and of workers is flat, however many calls fail or are
# cancelled, and workers find their process clean. MEMORY_ROUNDS=10000 is the
# long form.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use Test::More;

my $rounds = $ENV{MEMORY_ROUNDS} || 25;
my $node = durable_node('main', <<'CONF');
autovacuum = off
durable.max_workers = 0
durable.max_activity_workers = 0
CONF
create_database($node, 'mem');
$node->safe_psql('mem', <<'SQL');
CREATE FUNCTION bad(pad text, n int DEFAULT 0) RETURNS int LANGUAGE sql AS 'SELECT 1 / n';
CREATE FUNCTION lingers(pad text) RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(5)::text';
CREATE FUNCTION several(pad text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN NEXT pad; RAISE 'x'; END $$;
CREATE PROCEDURE stops(pad text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT 1'; COMMIT; CREATE TEMP TABLE t (id int); COMMIT; PERFORM 1 / 0; END $$;
CREATE FUNCTION tries(f text, a jsonb, m text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity(f, a, mode => m, start_to_close => '10 s', retry => wf_retry(max_attempts => 1)); END $$;
CREATE FUNCTION fenced(pad text) RETURNS text LANGUAGE sql AS 'SELECT now()::text';
CREATE FUNCTION waits() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_next_update('u'); RETURN 'x'; END $$;
CREATE FUNCTION replaced(a int, b date) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
SELECT wf_start('waits', id => 'waits');
CALL wf_work();
SQL

my $pad = "repeat('x', 100000)";
my $input = "jsonb_build_object('pad', $pad)";
my $execute = sub { my ($f, $m) = @_; "CALL wf_execute('tries', jsonb_build_object('f', '$f', 'a', $input, 'm', $m), NULL)" };
# What fails at once, and what a timeout cancels
my @fails = (
	$execute->('bad', 'NULL'), $execute->('several', 'NULL'), $execute->('missing', 'NULL'),
	"SELECT wf_start('tries', jsonb_build_object('f', $pad, 'x', 1))",
	"SELECT wf_start('replaced', jsonb_build_object('a', $pad, 'b', 1))",
	"SELECT wf_start('replaced', '{\"a\": 1, \"b\": \"no\"}')",
	"CREATE OR REPLACE FUNCTION replaced(a int, b date) RETURNS text LANGUAGE sql AS 'SELECT ''x'''; SELECT wf_start('replaced', '{\"a\": 1}')",
	"SELECT wf_result('nobody')", "SELECT wf_update('nobody', 'u', $input)", "SELECT wf_query('waits', 'nothing', $input)",
	"SELECT wf_signal('nobody', 's', $input)",
	"BEGIN; SELECT wf_test_begin(); SELECT wf_test_run('tries', jsonb_build_object('f', 'bad', 'a', $input)); ROLLBACK",
	"BEGIN; SELECT wf_test_begin(); SELECT wf_test_run('fenced', $input); ROLLBACK",
	"SELECT wf_start('tries', jsonb_build_object('f', 'bad', 'a', $input, 'm', 'queued')); CALL wf_work()",
	"SELECT wf_start('tries', jsonb_build_object('f', 'stops', 'a', $input, 'm', 'queued')); CALL wf_work()",
	"SELECT wf_start('fenced', $input, id => 'fenced') ; CALL wf_work(); SELECT wf_terminate('fenced')");
my @cancelled = (
	$execute->('lingers', 'NULL'),
	"SELECT wf_start('tries', jsonb_build_object('f', 'lingers', 'a', $input, 'm', 'queued'), id => 'q'); CALL wf_work(); ",
	"SELECT wf_result('waits')", "SELECT wf_update('waits', 'v', $input)",
	"SELECT * FROM wf_poll_activities('q', worker => 'me', wait => '10 s')",
	"BEGIN; SELECT wf_test_begin(); SELECT wf_test_run('tries', jsonb_build_object('f', 'lingers', 'a', $input)); ROLLBACK");

sub statements
{
	my $text = "SET statement_timeout = 0;\n" . join('', map { "$_;\n" } @fails);
	foreach my $statement (@cancelled)
	{
		my @parts = split /; /, $statement;
		$text .= "SET statement_timeout = '40ms';\n" . join('', map { "$_;\n" } @parts) . "ROLLBACK;\n";
	}
	# what was cancelled is done with, or the next round would do it
	return "$text\nSET statement_timeout = 0;\nSELECT wf_terminate(workflow_id) FROM wf_executions WHERE status = 'running' AND workflow_id <> 'waits';\nCALL wf_work();\n";
}

my $used = "SELECT 'used ' || sum(used_bytes) FROM pg_backend_memory_contexts;\n";
my $ours = "SELECT 'ours ' || name || ' ' || count(*) || ' ' || sum(total_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'durable%' GROUP BY name;\n";
my $warm = statements() x 3;
my ($out, $err);
$node->psql('mem', "SET client_min_messages = error;\n$warm$used" . statements() x $rounds . $used . $ours,
	stdout => \$out, stderr => \$err, on_error_stop => 0);
my ($before, $after) = $out =~ /^used (\d+)$/mg;
ok(defined $after, 'the session lives') or diag $err;
my $kept = $after - $before;
my $limit = 50_000 + 200 * $rounds;
ok($kept < $limit, "after $rounds rounds of " . (@fails + @cancelled) . " calls that fail or are cancelled a session keeps $kept bytes more")
  or diag join "\n", $out =~ /^(ours .*)$/mg;
unlike(log_since($node), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
$node->stop('immediate');
done_testing();
