# Every moment that matters, and everything that can happen at it: at each stop
# event (src/shared/stopevents.def) a process is held, gets an error, a cancel or a
# request to end, or is killed, while a mixed load with known totals runs.  After
# each the load has to come to its end, with each effect once and each result
# right, and nothing may be left behind.
#
# Without more, a sample that a seed chooses, for about two minutes.
# STOP_EVENTS=all, or a list of names, takes all actions of all, or of those;
# STOP_ACTIONS limits the actions, STOP_SHARD="1/3" takes a part.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use DurableTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my @actions = qw(hold error cancel terminate kill crash);
my $seed = $ENV{STOP_SEED} // $ENV{DURABLE_SEED} // time() % 1_000_000 | 0;
my $budget = $ENV{STOP_SECONDS} // 120;
my $tmp = $PostgreSQL::Test::Utils::tmp_check;

# What has to happen before, or beside, so that a process gets there at all
my %with = (
	problem_recording => [ [ 'write_history', 'error', 8, 'worker' ] ],
	turn_stuck => [ [ 'hand_taken', 'error', 2, 'worker' ] ],
	loss_counted => [ [ 'step_done', 'terminate', 1, 'worker' ] ],
	hand_leaving => [ [ 'step_done', 'terminate', 1, 'worker' ] ],
	hand_left => [ [ 'step_done', 'terminate', 1, 'worker' ] ],
	check_lost => [ [ 'alone_done', 'terminate', 1, '' ] ],
	slot_detaching => [ [ 'worker_driven', 'terminate', 1, '' ] ],
	slot_detached => [ [ 'worker_driven', 'terminate', 1, '' ] ],
	map { $_ => [ [ 'scheduler_committed', 'terminate', 1, '' ] ] } qw(launcher_scheduler scheduler_attached scheduler_mail scheduler_tasks));
# The load does not get there (yet): they are walked over only when asked for by name
my %unreached = map { $_ => 1 } qw(patrol_found due_others problem_recording notify_sent activity_cancel ddl_blocked ddl_sent_away ddl_done setback_timers setback_activities setback_done);
# These need statements that take their time
my $ddl = qr/^(ddl|extension)_/;

sub install
{
	return $ENV{STOP_INSTALL} if $ENV{STOP_INSTALL};
	my $path = `"$FindBin::RealBin/../../scripts/stop-events-install" "$FindBin::RealBin/../.." "$tmp/stop_events" 2>&1`;
	die "scripts/stop-events-install: $path" if $?;
	chomp $path;
	return $path;
}

# The server, with a library that has the events
my $node = PostgreSQL::Test::Cluster->new('main', install_path => install());
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'durable'
restart_after_crash = on
log_statement = none
max_worker_processes = 16
max_connections = 40
shared_buffers = 16MB
fsync = off
autovacuum = off
timezone = 'UTC'
log_min_messages = log
durable.max_workers = 3
durable.max_activity_workers = 2
durable.worker_idle_timeout = '100 ms'
durable.max_turn_retry_delay = '1 s'
durable.max_lost_tries = 5
durable.patrol_interval = '500ms'
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', 'CREATE EXTENSION durable');
$node->safe_psql('app', slurp_file("$FindBin::RealBin/$_.sql")) for qw(load stop_events);
$node->safe_psql('postgres', 'CREATE DATABASE copied');

my @events = split /\n/, $node->safe_psql('app', "SELECT event FROM stop_events()");
my %raises = map { $_ => 1 } split /\n/, $node->safe_psql('app', "SELECT event FROM stop_events() WHERE may_raise");
note(scalar(@events) . " stop events, seed $seed");

# What is to be walked over: [event, action]
sub walk
{
	my @names = grep { !$unreached{$_} } @events;
	my @walk;

	if (($ENV{STOP_EVENTS} // 'all') ne 'all')
	{
		my %wanted = map { $_ => 1 } split /[ ,]+/, $ENV{STOP_EVENTS};
		@names = grep { $wanted{$_} } @events;
	}
	my @kinds = $ENV{STOP_ACTIONS} ? split /[ ,]+/, $ENV{STOP_ACTIONS} : @actions;
	foreach my $event (@names)
	{
		push @walk, map { [ $event, $_ ] } grep { $_ ne 'error' || $raises{$event} } @kinds;
	}
	if (($ENV{STOP_SHARD} // '') =~ m,^(\d+)/(\d+)$,)
	{
		my ($part, $of) = ($1, $2);
		@walk = @walk[ grep { $_ % $of == $part - 1 } 0 .. $#walk ];
	}
	return @walk if $ENV{STOP_EVENTS};
	srand($seed);
	for (my $i = $#walk; $i > 0; $i--)
	{
		my $j = int(rand($i + 1));
		@walk[ $i, $j ] = @walk[ $j, $i ];
	}
	return @walk;
}

# One row of text, by a server that may just be restarting
sub value
{
	my ($sql, $seconds) = @_;
	my ($out, $err) = ('', '');

	until_true(sub { ($out, $err) = ('', ''); my $rc = eval { $node->psql('app', $sql, stdout => \$out, stderr => \$err, timeout => 60) };
		defined $rc && $rc == 0 && $err !~ /FATAL|server closed/ }, $seconds // 40) or return "error: $err";
	return $out;
}

sub arm
{
	my ($event, $action) = @_;
	my $sql = join '', map { my ($e, $a, $times, $kind) = @$_; "SELECT stop_arm('$e', '$a', $times, 0, '$kind');\n" } @{ $with{$event} // [] };

	return value("$sql SELECT stop_arm('$event', '$action');");
}

my $round = 0;
my (%struck, @failed);

# One event and one action; returns what is wrong
sub walk_one
{
	my ($event, $action) = @_;
	my $tag = 'r' . ++$round;
	my $errors = "$tmp/errors.$tag";
	my $offset = -s $node->logfile;
	my @wrong;

	arm($event, $action);
	my @scripts = map { [ 'app', "CALL client_$_('$tag');" ] } qw(main external operator holder waiter);
	push @scripts, [ 'app', "SELECT start_all('$tag'); SELECT update_one('$tag'); SELECT finish('$tag'); SELECT wf_result('$tag-nap', timeout => '30 s'); SELECT wf_listen('stop_ext');" ];
	push @scripts, [ 'app', "CALL release('$event');" ] if $action eq 'hold';
	push @scripts, [ 'postgres', "DROP DATABASE IF EXISTS copy_$tag; CREATE DATABASE copy_$tag TEMPLATE copied; DROP DATABASE copy_$tag;" ],
	  [ 'copied', 'CREATE EXTENSION IF NOT EXISTS durable; DROP EXTENSION durable;' ]
	  if $event =~ $ddl;
	my @pids = map { my ($db, $sql) = @$_; client(sub { repeat_script($node, $db, $sql, $errors, also => qr/stop event|at the same time/) }, $errors) } @scripts;
	waitpid($_, 0) for @pids;
	push @wrong, 'clients: ' . substr(slurp_file($errors), 0, 1500) if -e $errors;
	# some come only when all is quiet again
	my $hit = until_true(sub { log_since($node, $offset) =~ /stop event $event: $action of/ }, 3);
	my $log = log_since($node, $offset);
	$struck{$event}++ if $hit;
	push @wrong, 'the event was not reached' unless $hit;
	# a process may just be coming, or leaving, at the last look
	my $rest;
	until_true(sub { ($rest = value("CALL settle('$tag'); SELECT findings('$tag');", 60)) eq '' }, 3);
	push @wrong, $rest if $rest ne '';
	push @wrong, "log: $1" if $log =~ /((?:PANIC|TRAP|ERROR:  (?:could not find|unexpected|tuple|cache lookup)|WARNING:  (?:you don't own|resource|buffer|snapshot|leaked|.*leak)).*)/;
	value("SELECT stop_disarm();") if @wrong || $action ne 'kill' && $action ne 'crash';
	return @wrong;
}

my $began = time();
my $n = 0;

foreach my $one (walk())
{
	last if !$ENV{STOP_EVENTS} && time() - $began > $budget;
	my ($event, $action) = @$one;
	my $start = time();
	my @wrong = walk_one($event, $action);

	# the load has its own way, and does not always get there
	for (1 .. 2)
	{
		@wrong = walk_one($event, $action) if @wrong == 1 && $wrong[0] =~ /was not reached/;
	}
	$n++;
	note(sprintf('%s %s %.1f s', $event, $action, time() - $start));
	ok(!@wrong, "$event: $action") or do {
		diag(join("\n", @wrong));
		diag_engine($node, 'app');
		push @failed, "$event: $action";
		# what is stuck is not to be found again
		$node->restart('immediate') if @failed > 0 && !is_up($node, 'app');
		value("SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE closed_at IS NULL; SELECT stop_disarm();");
		last if @failed >= ($ENV{STOP_FAILURES} // 5);
	};
}
cmp_ok($n, '>', 0, 'something was walked over');
note(sprintf('%d of %d stop events, %d strikes, seed %d, %.0f s', scalar(keys %struck), scalar(@events), $n, $seed, time() - $began));
$node->stop('fast');
done_testing();
