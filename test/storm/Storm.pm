# A storm of everything: workflows of all kinds (test/t/load.sql, model.sql) run
# in two databases for two roles each, while processes are killed, ended,
# cancelled, given errors, while clients die, tables are locked, rewritten and
# altered, settings and time change and a disk is full.  Then all causes end, and
# everything has to come to its end: each run with its result, each effect once,
# and nothing left behind.
#
# 1. What happens, in which order, and after which pause, is drawn beforehand from
#	 one seed (drawn).  Whom it meets depends on who is there, and is chosen by a
#	 number that was drawn too.
# 2. A strike is a kill, a cancel, a request to end, or an error, and counts.
#	 What surrounds strikes (beside) does not count: it goes on in processes of
#	 its own while others strike, but for what would keep a crashed server
#	 from coming up (a full disk), or from knowing (a clock that is set).
# 3. The load is tenants: a role in a database, with a batch of all kinds at a
#	 time, each with a tag of its own.  Clients repeat what they do until it is
#	 committed.
# 4. After a strike a probe looks how soon a new run of some tenant is done.
package Storm;

use strict;
use warnings;
use Exporter 'import';
use Cwd ();
use File::Basename ();
use POSIX ();
use Time::HiRes qw(time usleep);
use DurableTest;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(storm);

my $here = Cwd::realpath(File::Basename::dirname(__FILE__));
my $load = "$here/../t/load.sql";
my $python = '/usr/bin/python3';
my $library = "$here/../../clients/python/src";
# a disk that may be filled, for one of the databases
my $disk = $ENV{STORM_DISK};

my @databases = qw(sea sky);
my @roles = qw(anna ben);
my ($node, $dir, $errors);

# What clients may be told in a storm
my $weather = qr/trouble|makes no progress|still running|No space left|is off: nothing is run|tuple concurrently|deadlock|statement timeout|lock timeout|could not serialize|nothing is started|no longer yours|closed before|at the same time/;

my %strikes = (
	'kill worker' => 6, 'kill activity worker' => 4, 'kill scheduler' => 4, 'kill launcher' => 2, 'kill client backend' => 2, 'kill postmaster' => 6,
	'kill client' => 8, 'kill python' => 4,
	'terminate worker' => 6, 'terminate activity worker' => 4, 'terminate scheduler' => 4, 'terminate launcher' => 2, 'terminate client backend' => 6,
	'cancel worker' => 8, 'cancel activity worker' => 6, 'cancel scheduler' => 4, 'cancel launcher' => 2, 'cancel client backend' => 8,
	'restart fast' => 3, 'restart immediate' => 3, 'timeout client' => 8, 'error step' => 10);
my %beside = (
	lock => 8, vacuum => 4, reindex => 2, redefine => 6, type => 5, alter => 4, snapshot => 2, pause => 3, settings => 3, off => 2, clock => 3, disk => 4);

# -- the plan -------------------------------------------------------------------

sub draw
{
	my ($weights) = @_;
	my $sum = 0;

	$sum += $_ for values %$weights;
	my $at = rand($sum);
	foreach my $name (sort keys %$weights)
	{
		return $name if ($at -= $weights->{$name}) < 0;
	}
}

# [ what, pause before, three numbers of 0 to 1, whether a probe follows ]
sub drawn
{
	my ($seed, $kills, $pause) = @_;
	my @plan;

	srand($seed);
	foreach my $n (1 .. $kills)
	{
		push @plan, [ draw(\%beside), rand(0.3), rand(), rand(), rand(), 0 ] if rand() < 0.5;
		# half of them come in the middle of picking things up again
		push @plan, [ draw(\%strikes), rand() < 0.5 ? rand(0.3) : $pause * (0.3 + 1.4 * rand()), rand(), rand(), rand(), rand() < 0.4 ];
	}
	return @plan;
}

# -- asking a server that may be down ---------------------------------------------

sub ask
{
	my ($db, $sql, $seconds) = @_;
	my ($out, $err) = ('', '');

	until_true(sub { ($out, $err) = ('', '');
		my $rc = eval { $node->psql($db, $sql, stdout => \$out, stderr => \$err, on_error_stop => 1, timeout => 60) };
		defined $rc && $rc == 0 }, $seconds // 60) or die "no answer to $sql: $err\n";
	return $out;
}

sub try_sql
{
	my ($db, $sql) = @_;
	my ($out, $err) = ('', '');
	my $rc = eval { $node->psql($db, $sql, stdout => \$out, stderr => \$err, on_error_stop => 1, timeout => 30) };

	return defined $rc && $rc == 0 ? $out : undef;
}

sub pick { my ($at, @of) = @_; return $of[ int($at * @of) ]; }

# A process of the kind, by its number among them
sub victim
{
	my ($kind, $at) = @_;
	my $type = $kind eq 'client backend' ? $kind : "durable $kind";
	my @pids = split /\n/, try_sql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = '$type' AND pid <> pg_backend_pid() AND coalesce(application_name, '') <> 'probe' ORDER BY (wait_event IS NULL) DESC, pid") // '';

	return @pids ? pick($at, @pids) : undef;
}

# -- strikes ----------------------------------------------------------------------

my $clients = 0;

# What a client is at when it dies or runs out of time
sub client_script
{
	my ($at, $role, $db) = @_;
	my $n = ++$clients;

	return pick($at,
		"BEGIN; SELECT start_extra('extra-$n'); SELECT pg_sleep(0.1); COMMIT;",
		"SELECT start_extra('extra-$n'); SELECT wf_result('extra-$n-1', timeout => '5 s'); SELECT pg_sleep(0.3);",
		"SELECT count(*) FROM wf_poll_activities('stop_ext', max => 2, worker => 'dies', wait => '300 ms'); SELECT pg_sleep(0.2);",
		"CALL wf_execute('steps', id => 'call-$n'); CALL wf_execute('patient', id => 'gone-$n');",
		"SELECT start_extra('extra-$n'); SELECT wf_signal('extra-$n-1', 'nobody waits'); CALL wf_work(max_time => '300 ms');",
		"BEGIN; SELECT start_extra('extra-$n'); SELECT wf_signal(workflow_id, 'unread') FROM wf_executions WHERE closed_at IS NULL AND workflow = 'ear' LIMIT 3; SELECT pg_sleep(0.3); ROLLBACK;",
		"CALL wf_await_result('none', timeout => '1 s'); SELECT * FROM wf_wait('none', timeout => '1 s');");
}

my %strike = (
	kill => sub {
		my ($whom, $r, $s, $t) = @_;

		if ($whom eq 'postmaster')
		{
			kill_postmaster($node);
			start_with_clock($node);
		}
		elsif ($whom eq 'client')
		{
			my $db = pick($s, @databases);
			my $script = "$dir/client";
			open(my $fh, '>', $script) or die;
			print $fh client_script($r, undef, $db);
			close $fh;
			my $pid = psql_client($node, $db, $script, "$dir/clients.out", '-U', pick($t, @roles));
			usleep(20_000 + 500_000 * $t);
			kill(9, $pid);
			waitpid($pid, 0);
		}
		elsif ($whom eq 'python')
		{
			my $pid = eval { slurp_file("$dir/python.pid") } or return 0;
			kill(9, $pid);
		}
		else
		{
			my $pid = victim($whom, $r) or return 0;
			kill_process($pid) if kill(0, $pid);
		}
		return 1;
	},
	terminate => sub {
		my ($whom, $r) = @_;
		my $pid = victim($whom, $r) or return 0;

		return (try_sql('postgres', "SELECT pg_terminate_backend($pid)") // '') eq 't';
	},
	cancel => sub {
		my ($whom, $r) = @_;
		my $pid = victim($whom, $r) or return 0;

		return (try_sql('postgres', "SELECT pg_cancel_backend($pid)") // '') eq 't';
	},
	restart => sub {
		my ($mode) = @_;

		$node->stop($mode);
		start_with_clock($node);
		return 1;
	},
	timeout => sub {
		my (undef, $r, $s, $t) = @_;
		my $script = sprintf("SET statement_timeout = %d; %s", 1 + 150 * $s * $s, client_script($r));

		try_sql_as(pick($t, @databases), pick($s, @roles), $script);
		return 1;
	},
	error => sub {
		my (undef, $r, $s, $t) = @_;

		ask(pick($r, @databases), sprintf("SELECT make_trouble(%d, '%s')", 1 + 12 * $s, pick($t, qw(40001 40P01 55P03 53200))));
		return 1;
	});

sub try_sql_as
{
	my ($db, $role, $sql) = @_;
	my ($out, $err) = ('', '');

	eval { $node->psql($db, $sql, stdout => \$out, stderr => \$err, on_error_stop => 1, timeout => 30, extra_params => [ '-U', $role ]) };
	return;
}

# -- what goes on beside ----------------------------------------------------------

my @tables = qw(execution message history closed activity timer update state version task_queue attempt);
my @functions = qw(steps nap ear tasks outside kid family chain cart saga again doomed never typed patient leave flaky paired pieces mark);

# In the background, so that strikes meet it
sub background
{
	my ($code) = @_;

	return client($code, $errors);
}

sub sql_background
{
	my ($db, $sql) = @_;

	return background(sub { try_sql($db, $sql) });
}

sub with_settings
{
	my ($seconds, @settings) = @_;

	return background(sub {
		ask('postgres', join '', map { "ALTER SYSTEM SET $_;\n" } @settings);
		ask('postgres', 'SELECT pg_reload_conf()');
		usleep(1_000_000 * $seconds);
		ask('postgres', join '', map { /^(\S+)/; "ALTER SYSTEM RESET $1;\n" } @settings);
		ask('postgres', 'SELECT pg_reload_conf()');
	});
}

# Until there is no room, for a while.  In the foreground: a server that crashes
# now would not come up.
sub fill_disk
{
	my ($seconds) = @_;
	my $chunk = 'x' x 65536;

	open(my $fh, '>', "$disk/ballast") or die "$disk/ballast: $!";
	while (syswrite($fh, $chunk)) { }
	usleep(1_000_000 * $seconds);
	close $fh;
	unlink "$disk/ballast" or die "$disk/ballast: $!";
	return;
}

# The clock is set, and stays so.  In the foreground: if it goes back while the
# server is down nobody can know.  pg_sleep() goes by it, so who sleeps is woken.
sub jump
{
	my ($seconds) = @_;

	ask('postgres', 'SELECT 1');
	set_clock($seconds);
	foreach (1 .. 9)			# it is noticed within four seconds, see CLOCK_CHECK_MS
	{
		try_sql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
		usleep(500_000);
	}
	return;
}

# Each returns the pid of what goes on, or nothing
my %doing = (
	lock => sub { my ($db, $r, $s, $t) = @_;
		my @which = map { "durable.$_" } sort { $a cmp $b } ($t < 0.3 ? @tables : pick($r, @tables));
		return sql_background($db, sprintf("SET lock_timeout = '3 s'; BEGIN; LOCK TABLE %s IN %s MODE; SELECT pg_sleep(%.2f); COMMIT;",
				join(', ', @which), pick($t, 'ACCESS EXCLUSIVE', 'ACCESS EXCLUSIVE', 'SHARE', 'EXCLUSIVE'), 0.1 + 1.2 * $s)); },
	vacuum => sub { my ($db, $r) = @_; return sql_background($db, 'VACUUM FULL durable.' . pick($r, @tables)); },
	reindex => sub { my ($db, $r) = @_; return sql_background($db, 'REINDEX TABLE durable.' . pick($r, @tables)); },
	redefine => sub { my ($db, $r, $s) = @_;
		return sql_background($db, sprintf("SELECT redefine('%s', '%s'); SELECT redefine('%s', '%s');", pick($r, @functions), $r, pick($s, @functions), $s)); },
	type => sub { my ($db, $r, $s, $t) = @_;
		my $n = int($t * 1e9);
		return sql_background($db, $r < 0.4 ? "ALTER TYPE mood ADD VALUE 'mood $n'" : "ALTER TYPE pair ADD ATTRIBUTE extra$n int; SELECT pg_sleep($s); ALTER TYPE pair DROP ATTRIBUTE extra$n;"); },
	alter => sub { my ($db, $r, $s, $t) = @_;
		my $n = int($t * 1e9);
		return sql_background($db, pick($r, "ALTER TABLE effect ADD COLUMN extra$n int; ALTER TABLE effect DROP COLUMN extra$n;", "CREATE INDEX effect$n ON effect (id); DROP INDEX effect$n;",
				"ALTER FUNCTION nap() COST 50; ALTER FUNCTION nap() SET enable_seqscan = off; ALTER FUNCTION nap() RESET ALL;", 'ANALYZE')); },
	snapshot => sub { my ($db, $r) = @_; return sql_background($db, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SELECT pg_sleep(" . 4 * $r . '); COMMIT'); },
	pause => sub { my ($db, $r, $s) = @_;
		return background(sub {
			my $ids = try_sql($db, "SET lock_timeout = '1 s'; SELECT string_agg(quote_literal(workflow_id), ',') FROM (SELECT workflow_id, wf_pause(workflow_id, run_id => run_id) FROM wf_executions WHERE status = 'running' AND workflow_id NOT LIKE '%-paused' LIMIT 15) e");
			usleep(1_000_000 * $s);
			ask($db, "SELECT wf_unpause(workflow_id, run_id => run_id) FROM wf_executions WHERE status = 'paused' AND workflow_id NOT LIKE '%-paused'"); }); },
	settings => sub { my ($db, $r, $s) = @_;
		return with_settings(0.3 + $s, @{ pick($r, ['durable.max_workers = 1'], ['durable.max_workers = 0'], ['durable.max_activity_workers = 0'], ['durable.batch_size = 1'],
				["durable.worker_idle_timeout = '100 ms'"], [ 'durable.max_workers = 1', 'durable.max_activity_workers = 1' ]) }); },
	off => sub { my ($db, $r, $s) = @_; return with_settings(0.3 + $s, 'durable.enabled = off'); },
	clock => sub { my ($db, $r) = @_; jump(pick($r, -3600, 0, 3600, -20, 20)); return; },
	disk => sub { my ($db, $r, $s) = @_; fill_disk(0.5 + $s) if $disk; return; });

# -- the load ---------------------------------------------------------------------

# The scripts of a batch: who runs them, and what
sub scripts
{
	my ($role, $tag, $psql_worker) = @_;

	return ([ $role, "CALL client_main('$tag');" ], [ 'postgres', "CALL client_operator('$tag');" ], [ $role, "CALL client_holder('$tag');" ],
		[ $role, "CALL client_waiter('$tag');" ], $psql_worker ? [ $role, "CALL client_external('$tag');" ] : (),
		[ $role, "SELECT start_more('$tag'); SELECT start_all('$tag'); SELECT update_one('$tag'); SELECT finish('$tag'); SELECT wf_result('$tag-nap', timeout => '30 s'); SELECT wf_listen('stop_ext');" ]);
}

# One batch after the other, until it is told to stop
sub tenant
{
	my ($db, $role, $psql_worker) = @_;
	my $parent = getppid();

	for (my $n = 1; !-e "$dir/stop" && getppid() == $parent; $n++)
	{
		my $tag = "$role$n";
		append_to_file("$dir/$db.begun", "$tag\n");
		my @pids = map { my ($user, $sql) = @$_;
			client(sub { repeat_script($node, $db, $sql, $errors, user => $user, also => $weather, seconds => 300) }, $errors) } scripts($role, $tag, $psql_worker);
		waitpid($_, 0) for @pids;
		append_to_file("$dir/$db.done", "$tag\n");
		usleep(300_000);
	}
	return;
}

# The Python worker of one tenant, started again when it is killed
sub python_worker
{
	my ($db, $role) = @_;
	my $parent = getppid();

	until (-e "$dir/end" || getppid() != $parent)
	{
		my $pid = fork() // die "fork: $!";
		if (!$pid)
		{
			$ENV{PYTHONPATH} = $library;
			$ENV{PYTHONDONTWRITEBYTECODE} = 1;
			open(STDOUT, '>>', "$dir/python.out");
			open(STDERR, '>&', \*STDOUT);
			exec($python, "$here/worker.py", $node->connstr($db) . " user=$role") or POSIX::_exit(1);
		}
		open(my $fh, '>', "$dir/python.pid") or die;
		print $fh $pid;
		close $fh;
		until (-e "$dir/end" || getppid() != $parent) { last if waitpid($pid, POSIX::WNOHANG) == $pid; usleep(20_000); }
		kill(9, $pid);
		waitpid($pid, 0);
	}
	return;
}

sub has_python
{
	return system("PYTHONPATH='$library' PYTHONDONTWRITEBYTECODE=1 $python '$here/worker.py' >/dev/null 2>&1") == 0;
}

sub set_up
{
	my ($name) = @_;

	$node = durable_node($name, <<'CONF', start => 0);
max_connections = 100
max_worker_processes = 20
checkpoint_timeout = '30 s'
autovacuum_naptime = '1 s'
durable.max_workers = 3
durable.max_activity_workers = 3
durable.worker_idle_timeout = '2 s'
durable.max_turn_retry_delay = '1 s'
durable.max_lost_tries = 20
CONF
	start_with_clock($node);
	if ($disk)
	{
		mkdir "$disk/storm";
		$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$disk/storm'");
	}
	foreach my $db (@databases)
	{
		$node->safe_psql('postgres', "CREATE DATABASE $db" . ($disk && $db eq $databases[0] ? ' TABLESPACE small' : ''));
		$node->safe_psql($db, 'CREATE EXTENSION durable');
		$node->safe_psql($db, slurp_file($_)) for $load, "$here/model.sql";
	}
	foreach my $db (@databases)
	{
		my $sql = "SELECT wf_set_task_queue('stop_ext', max_concurrent => 4, max_concurrent_per_key => 2); SELECT wf_set_task_queue(NULL, mode => 'queued', max_concurrent => 3, max_concurrent_per_key => 1, rate_limit => 200);";
		$node->safe_psql($db, $sql, extra_params => [ '-U', 'anna' ]);
	}
	return;
}

# -- the storm --------------------------------------------------------------------

my @probes;

sub probe
{
	my ($n, $r) = @_;
	my ($db, $role) = (pick($r, @databases), pick($r * 2 - int($r * 2), @roles));
	my $began = time();
	my ($out, $err) = ('', '');

	until (time() - $began > 60)
	{
		($out, $err) = ('', '');
		eval { $node->psql($db, "SET application_name = 'probe'; SELECT wf_start('steps', id => 'probe-$n', request_id => 'probe-$n') IS NULL; SELECT wf_result('probe-$n', timeout => '30 s');",
				stdout => \$out, stderr => \$err, on_error_stop => 1, timeout => 60, extra_params => [ '-U', $role ]) };
		last if $out =~ /^2$/m;
		usleep(20_000);
	}
	my $took = time() - $began;
	push @probes, $took;
	note(sprintf('probe %d (%s in %s): %.1f s %s', $n, $role, $db, $took, $err)) if $took > 2;
	return;
}

# Everything in both databases that is not as it should be
sub wrong
{
	my @wrong;

	foreach my $db (@databases)
	{
		my $tags = join ',', split /\n/, slurp_file("$dir/$db.done");
		push @wrong, map { "$db: $_" } grep { $_ ne '' } split /\n/, ask($db, "SELECT wrong_runs(VARIADIC '{$tags}'); SELECT left_behind(); SELECT wrong_extras();");
		push @wrong, "$db: a batch did not come to its end" if slurp_file("$dir/$db.done") =~ tr/\n// != slurp_file("$dir/$db.begun") =~ tr/\n//;
	}
	return @wrong;
}

sub wait_for
{
	my ($seconds, @pids) = @_;
	my %left = map { $_ => 1 } @pids;

	until_true(sub { delete @left{ grep { waitpid($_, POSIX::WNOHANG) != 0 } keys %left }; !%left }, $seconds);
	return keys %left;
}

# The whole of it: seed, kills and minutes as options, and late: the seconds that
# a probe may take
sub storm
{
	my (%opt) = @_;
	my $pause = $opt{minutes} ? $opt{minutes} * 60 / $opt{kills} : 1;
	my @plan = drawn($opt{seed}, $opt{kills}, $pause);
	my (%count, @running, @late);
	my $strikes = 0;

	$dir = PostgreSQL::Test::Utils::tempdir();
	$errors = "$dir/errors";
	note("seed $opt{seed}, $opt{kills} strikes" . ($disk ? ", a disk at $disk" : ', no disk that could be full (STORM_DISK)'));
	set_up('storm');
	my $python_worker = has_python();
	note('no psycopg: all external workers are psql') unless $python_worker;
	my @tenants = map { my $db = $_; map { my $role = $_;
			client(sub { tenant($db, $role, !($python_worker && $db eq $databases[0] && $role eq $roles[0])) }, $errors) } @roles } @databases;
	my @workers = $python_worker ? client(sub { python_worker($databases[0], $roles[0]) }, $errors) : ();
	my $began = time();
	usleep(1_000_000);
	foreach my $cause (@plan)
	{
		my ($what, $wait, $r, $s, $t, $probe) = @$cause;

		usleep(1_000_000 * $wait);
		if (my $do = $doing{$what})
		{
			my $pid = $do->(pick($t, @databases), $r, $s, $t);
			push @running, $pid if $pid;
			note(sprintf('%.1f s: beside: %s', time() - $began, $what));
			$count{"beside $what"}++ unless $what eq 'disk' && !$disk;
			next;
		}
		my ($action, $whom) = split / /, $what, 2;
		my $met;
		# who is not there now may be there in a moment
		until_true(sub { $met = $strike{$action}->($whom, $r, $s, $t) }, 10);
		note(sprintf('%.1f s: %s%s', time() - $began, $what, $met ? '' : ': nobody is there'));
		$count{$what}++ if $met;
		$strikes++ if $met;
		next unless $probe;
		@running = wait_for(20, @running);
		probe($strikes, $t);
	}
	# the last cause ends
	my @stay = wait_for(60, @running);
	my $calm = time();
	my $storm = $calm - $began;
	append_to_file("$dir/stop", '');
	probe("end$_", $_ / 4) for 0 .. 3;
	my @stuck = wait_for(90, @tenants);
	my $settled = until_true(sub { !grep { ($_ // '1') ne '0' } map { try_sql($_, 'SELECT count(*) FROM durable.execution') } @databases }, 60);
	my $drain = time() - $calm;
	append_to_file("$dir/end", '');
	wait_for(20, @workers);

	is(scalar(@stay), 0, 'what went on beside came to its end');
	ok($settled && !@stuck, 'all is done') or do { diag_engine($node, $_) for @databases; };
	kill(9, @stuck) if @stuck;
	my @wrong;
	until_true(sub { @wrong = wrong(); !@wrong }, 10);
	is(join("\n", @wrong[ 0 .. ($#wrong > 40 ? 40 : $#wrong) ]), '', 'nothing is lost, doubled, stuck, or left behind');
	ok(!-e $errors, 'clients met no error that they should not') or diag(substr(slurp_file($errors), 0, 4000));
	my $log = log_since($node, 0);
	my @found = $log =~ /(durable patrol: .*)/g;
	is(join("\n", @found), '', 'the patrol found nothing');
	my @bad = $log =~ /(.*(?:PANIC|TRAP|terminated by signal (?!9|6: Aborted \(by parent|6: Aborted$)|ERROR:  (?:could not find|unexpected|cache lookup)|WARNING:  (?:you don't own|resource|buffer|snapshot|leaked|.*leak)).*)/g;
	is(join("\n", @bad[ 0 .. ($#bad > 20 ? 20 : $#bad) ]), '', 'nothing in the log that should not be');
	@probes = sort { $a <=> $b } @probes;
	cmp_ok($probes[-1], '<=', $opt{late}, sprintf('a run after a cause is done within %.1f s', $opt{late}));
	my $runs = 0;
	$runs += ask($_, 'SELECT count(*) FROM wf_executions') for @databases;
	my $effects = 0;
	$effects += ask($_, 'SELECT count(*) FROM effect') for @databases;
	diag(sprintf('seed %d: %d strikes in %.0f s over %d runs with %d effects; %d probes, median %.2f s, longest %.2f s; all done %.1f s after the last cause',
			$opt{seed}, $strikes, $storm, $runs, $effects, scalar(@probes), $probes[ @probes / 2 ], $probes[-1], $drain));
	diag(join ', ', map { "$_ $count{$_}" } sort keys %count);
	$node->stop('fast');
	return;
}

1;
