# Plans of the engine's own statements follow from the statement and the indexes
# alone (src/store/planning.c).  The regression tests' SQL is what runs them: with
# tables that ANALYZE saw empty, and with tables never analyzed, as an
# application that has its own ideas of planner settings.  auto_explain
# tells what each was planned as; which of the logged statements are the engine's
# is told by the text, which is read from its sources.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sources = "$FindBin::RealBin/../../src";
my $tests = "$FindBin::RealBin/../sql";

# These look at a whole table, and rarely: after a process is gone, to count
# anew where a queue has limits, what operators ask about a workflow's runs, and
# to adopt a restored dump.
my $whole_table = qr/^SELECT (e\.run_id FROM durable\.execution e WHERE e\.function = |n\.clone, n\.function, n\.version, EXISTS )|^SELECT a FROM durable\.activity a WHERE (a\.queue = \$1 AND \(a\.lease)|^UPDATE durable\.(identity|activity a|task_queue q) SET (system_identifier|queue) = |^SELECT (i\.system_identifier = |pg_catalog\.setval\('durable\.|s\.value FROM durable\.secret s)/;

# Scans that have no condition for an index to start from, in a plan as text;
# one in the index's order that stops at a limit needs none
sub bad_scans
{
	my ($plan) = @_;
	my @lines = split /\n/, $plan;
	my @bad;

	foreach my $i (0 .. $#lines)
	{
		my ($kind, $table) = $lines[$i] =~ /^\s*(?:->  )?((?:Seq|Index|Index Only|Tid|Bitmap Heap|Sample)\b.* Scan\b.*? on (\S+).*|Seq Scan.*)/
		  or next;
		my $next = $lines[ $i + 1 ] // '';
		next if $next =~ /^\s+(Index|TID) Cond:/;
		next if $kind =~ /^Index/ && $next !~ /Filter:/ && $lines[0] =~ /^\s*Limit/ && $plan !~ /Sort/;
		push @bad, $kind;
	}
	return @bad;
}

my $code = '';
foreach my $file (glob("$sources/*/*.c"))
{
	$code .= slurp_file($file);
}
my %kind = slurp_file("$sources/store/message.h") =~ /^#define (KIND_\w+)\s+(\d+)$/mg;
$code =~ s/CppAsString2\((KIND_\w+)\)/"$kind{$1}"/g;
$code =~ s/"\s+(?=")/"/g;
$code =~ s/""//g;
my %macro = $code =~ /^#define (FIND_\w+)\s+"(.*)"$/mg;
$code =~ s/\b(FIND_\w+)"/"$macro{$1}/g;
my %engine = map { $_ => 1 } $code =~ /"((?:SELECT|INSERT|UPDATE|DELETE|WITH)\b[^"]*\bdurable\.[^"]*)"/g;
cmp_ok(scalar keys %engine, '>', 50, 'the sources have statements');

my $node = durable_node('main', <<'CONF', start => 0);
durable.max_workers = 0
durable.max_activity_workers = 0
max_prepared_transactions = 10
autovacuum = off
CONF
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'durable, auto_explain'\n");
plan(skip_all => 'auto_explain is not there')
  if !-e $node->config_data('--pkglibdir') . '/auto_explain.so';
$node->start;

# A session logs from here on; what a role has set must not matter
my %explain = (
	'session_preload_libraries' => 'auto_explain',
	'auto_explain.log_min_duration' => 0,
	'auto_explain.log_nested_statements' => 'on',
	'auto_explain.log_analyze' => 'off');
$explain{'auto_explain.log_parameter_max_length'} = 0 if $node->pg_version >= 16;
my %choices = (
	enable_seqscan => 'on', enable_hashjoin => 'on', enable_indexscan => 'off', enable_indexonlyscan => 'off',
	enable_nestloop => 'off', enable_sort => 'off', enable_tidscan => 'off', random_page_cost => 40);
my %phases = (
	'analyzed when empty' => {},
	'never analyzed' => \%choices);
my (%shapes, %bad, %seen);

foreach my $phase (sort keys %phases)
{
	my ($db) = map { s/ /_/gr } $phase;
	my $size;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	foreach my $set (\%explain, $phases{$phase})
	{
		$node->safe_psql('postgres', join('', map { "ALTER DATABASE $db SET $_ = '$set->{$_}';\n" } sort keys %$set));
	}
	# but for those that are long for the sake of their many cases, not of our statements
	foreach my $file (grep { !/(fence_functions|fence_shapes|replay_input|json_input|nondeterminism)\.sql$/ } glob("$tests/*.sql"))
	{
		local $ENV{PG_ABS_SRCDIR} = "$tests/..";
		$node->safe_psql($db, 'CREATE EXTENSION IF NOT EXISTS durable', extra_params => ['-q']);
		$node->safe_psql($db, <<'SQL') if $phase eq 'analyzed when empty';
UPDATE pg_class SET relpages = 1, reltuples = 0
WHERE relnamespace = 'durable'::regnamespace AND relkind IN ('r', 'i')
SQL
		$size = -s $node->logfile;
		my ($out, $err) = ('', '');
		$node->psql($db, undef, extra_params => ['-f', $file], on_error_stop => 0, stdout => \$out, stderr => \$err);
		my $log = slurp_file($node->logfile, $size);
		while ($log =~ /plan:\n\tQuery Text: ([^\n]*)\n((?:\t[^\n]*\n)+)/g)
		{
			my ($sql, $plan) = ($1, $2);
			# the last are made of the table of columns (columns.c)
			next unless $engine{$sql} || $sql =~ /^UPDATE durable\.(execution|activity) t SET \(/;
			$plan =~ s/  \(cost=[^\n]*//g;
			$seen{$sql} = 1;
			$shapes{$sql}{$plan}{$phase} = 1;
		}
	}
}

foreach my $sql (grep { $_ !~ $whole_table } keys %shapes)
{
	$bad{"$_: $sql"} = 1 foreach map { bad_scans($_) } keys %{ $shapes{$sql} };
}
cmp_ok(scalar keys %seen, '>', 0.8 * keys %engine, 'most statements were run');
note("not run: $_") foreach grep { !$seen{$_} } sort keys %engine;
is(join("\n", sort keys %bad), '', 'no statement walks over a whole table or index');
my @several = grep { keys %{ $shapes{$_} } > 1 } sort keys %shapes;
is(scalar @several, 0, 'each has one plan, whatever the statistics and the settings');
foreach my $sql (@several)
{
	diag($sql);
	diag(join(', ', sort keys %{ $shapes{$sql}{$_} }) . ":\n$_") foreach sort keys %{ $shapes{$sql} };
}
$node->stop;
done_testing();
