"""One role's work in the way of all others': workers, queues, locks, code that does not end."""
import time

from stage import attack, check


def useful_work(role):
    role("CREATE FUNCTION ok() RETURNS text LANGUAGE sql AS $$ SELECT 'ok' $$;"
         "CREATE FUNCTION plain() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('ok'); END $$;"
         "CREATE FUNCTION queued(q text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('ok', mode => 'queued', task_queue => q); END $$")
    served(role, "before")


def served(role, when, seconds=20):
    for workflow in ("plain", "queued"):
        result = role.run(workflow, seconds)
        check(result == "ok", f"{role.role} in {role.database} {when}, {workflow}: {result}")


@attack
def all_workers_taken(stage):
    """Steps and queued activities that sleep for ever, of one role and, started by it, in two databases: others are served, and an operator ends them."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    useful_work(victim)
    there = stage.other_database()
    stage.session("postgres", database=there)(f"CREATE SCHEMA {victim.role} AUTHORIZATION {victim.role}; CREATE SCHEMA {mallory.role} AUTHORIZATION {mallory.role}")
    sessions = [mallory, stage.session(mallory.role, f"{mallory.role}, public", there)]
    for session in sessions:
        session("CREATE FUNCTION nap() RETURNS void LANGUAGE sql AS $$ SELECT pg_sleep(1e6) $$;"
                "CREATE FUNCTION hog() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('nap'); END $$;"
                "CREATE FUNCTION hogq() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('nap', mode => 'queued'); END $$")
        for n in range(8):
            session.start("hogq", f"hogq{n}")
            session.start("hog", f"hog{n}")
            session("SELECT pg_sleep(0.1)")
    served(victim, "beside sleeping steps")
    useful_work(stage.session(victim.role, f"{victim.role}, public", there))
    for call in ("wf_terminate('hog0')", "wf_pause('hog1')", "wf_cancel('hog2')", "wf_terminate('hogq0')"):
        stage.su("SET statement_timeout = '5 s'")
        check(stage.su.error(f"SELECT {call}") is None, f"an operator's {call} did not come through in 5 s")
    check(stage.su.status("hog0") == "terminated", "the terminated run is not")
    stage.su(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{mallory.role}' AND backend_type <> 'client backend'")


@attack
def all_places_for_queues_taken(stage):
    """One role fills what the server keeps of queues, with limits, tasks and polls: others' queues work as before."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    useful_work(victim)
    mallory("""CREATE FUNCTION many(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE h wf_handle[];
        BEGIN
          FOR i IN 1 .. 100 LOOP h := h || wf_start_activity('x', task_queue => 'q' || n || '-' || i); END LOOP;
          RETURN to_jsonb(wf_await_all(h));
        END $$""")
    mallory.error("SELECT count(wf_set_task_queue('l' || n, max_concurrent => 1)) FROM generate_series(1, 2500) n")
    mallory.error("SELECT count(wf_start('many', jsonb_build_object('n', n), id => 'm' || n)) FROM generate_series(1, 24) n")
    mallory("SELECT pg_sleep(2)")
    mallory.error("DO $$ BEGIN FOR n IN 1 .. 2500 LOOP BEGIN PERFORM count(*) FROM wf_poll_activities('p' || n); EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$")
    served(victim, "beside 2,400 queues")
    check(victim.run("queued", 20, q="my-own") == "ok", "a new queue of the victim's")
    victim("CREATE FUNCTION external() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('x', task_queue => 'victims'); END $$")
    victim.start("external", "e")
    victim.wait("SELECT count(*) = 1 FROM wf_activities WHERE workflow_id = 'e'", "the victim's task is scheduled")
    victim.wait("SELECT count(wf_complete_activity(task_token, '1')) = 1 FROM wf_poll_activities('victims', wait => '1 s')", "the victim's poll gets its task", 20)


@attack
def open_transaction_with_a_clone(stage):
    """A clone is made in a transaction that stays open: others' runs of earlier versions go on."""
    mallory, victim, other = stage.role("mallory"), stage.role("victim"), stage.role("other")
    useful_work(victim)
    useful_work(other)
    for role in (mallory, victim):
        role("CREATE FUNCTION g() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('a'); END $$")
        role(f"SELECT count(wf_start('g', id => '{role.role}' || n)) FROM generate_series(1, 8) n")
        role.wait("SELECT count(*) = 8 FROM wf_executions WHERE waiting_for LIKE 'signal%'", "the runs wait")
        role("CREATE OR REPLACE FUNCTION g() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('b'); END $$")
    mallory("BEGIN")
    mallory.error("SELECT migrated, problem FROM wf_migrate('g', 1)")
    victim(f"SELECT count(wf_signal('{victim.role}' || n, 'a', '\"done\"')) FROM generate_series(1, 8) n")
    for n in range(1, 9):
        check(victim.outcome(f"{victim.role}{n}", 10) == "done", f"the victim's run {n} beside an open transaction: {victim.outcome(f'{victim.role}{n}', 1)}")
    served(victim, "beside it")
    served(other, "beside it")


@attack
def ids_taken_in_an_open_transaction(stage):
    """Starts of ids that others want are left uncommitted: a child that wants one waits, all else does not."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    useful_work(victim)
    mallory("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$")
    victim("CREATE FUNCTION parent(n int) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('plain', id => 'invoice-' || n); END $$")
    mallory("BEGIN")
    mallory("SELECT count(wf_start('f', id => 'invoice-' || n)) FROM generate_series(1, 100) n")
    victim("SELECT count(wf_start('parent', jsonb_build_object('n', n), id => 'parent-' || n)) FROM generate_series(1, 6) n")
    victim("SELECT pg_sleep(0.5)")
    for _ in range(3):
        served(victim, "beside children that wait for a lock", 8)
    mallory("ROLLBACK")
    for n in range(1, 7):
        check(victim.outcome(f"parent-{n}", 10) == "ok", f"parent-{n} after the rollback: {victim.outcome(f'parent-{n}', 1)}")


@attack
def first_start_of_a_database_left_open(stage):
    """In a new database the very first wf_start stays uncommitted, and another's comes."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    mallory("BEGIN")
    mallory("SELECT wf_start('pg_catalog.now', id => 'hers')")
    victim("SET statement_timeout = '5 s'")
    check(victim.error("SELECT wf_start('pg_catalog.now', id => 'his')") is None, "the victim's first start waited for it")
    useful_work(victim)


@attack
def code_that_will_not_end(stage):
    """Code that catches its cancellation in a loop, in a workflow, a step and a queued activity: it is ended, by its process if need be."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    useful_work(victim)
    mallory("CREATE FUNCTION spin() RETURNS text LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN LOOP NULL; END LOOP; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;"
            "CREATE FUNCTION spinstep() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('spin', start_to_close => '1 s', retry => wf_retry(max_attempts => 1)); END $$;"
            "CREATE FUNCTION spinq() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('spin', mode => 'queued', start_to_close => '1 s', retry => wf_retry(max_attempts => 1)); END $$")
    for workflow in ("spin", "spinstep", "spinq"):
        mallory.start(workflow, workflow)
        mallory("SELECT pg_sleep(0.3)")
    pids = f"SELECT pid, backend_type, extract(epoch FROM clock_timestamp() - xact_start)::int FROM pg_stat_activity WHERE usename = '{mallory.role}' AND backend_type <> 'client backend'"
    served(victim, "beside it")
    time.sleep(14)
    old = [row for row in stage.su.rows(pids) if (row[2] or 0) > 13]
    check(not old, f"after 14 s still running: {old}")
    served(victim, "afterwards")
    for workflow in ("spin", "spinstep", "spinq"):
        stage.su.error("SET statement_timeout = '5 s'")
        check(stage.su.error(f"SELECT wf_terminate('{workflow}')") in (None, "WF005"), f"an operator cannot terminate {workflow}")


@attack
def all_timers_for_one_moment(stage):
    """One role's 100,000 timers fall due together, before those of others: theirs come in time, and so do their updates."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    useful_work(victim)
    mallory("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$")
    victim("CREATE FUNCTION tick() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('50 ms'); RETURN 'ok'; END $$;"
           "CREATE FUNCTION answers() RETURNS text LANGUAGE plpgsql AS $$ DECLARE u record; BEGIN LOOP SELECT * INTO u FROM wf_next_update(); EXIT WHEN u.name = 'end'; PERFORM wf_reply(u.update_id, '1'); END LOOP; RETURN 'ok'; END $$")
    victim.start("answers", "a")
    mallory("SET statement_timeout = 0")
    mallory("SELECT count(wf_start('f', id => 't' || n, start_delay => '1 hour')) FROM generate_series(1, 100000) n")
    # the hour is over; the next scheduler sees that only if it is committed
    stage.su("UPDATE durable.timer SET fire_at = now()")
    stage.su("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'durable scheduler' AND datname = current_database()")
    longest = 0
    end = time.monotonic() + 10
    while time.monotonic() < end and mallory("SELECT EXISTS (SELECT FROM wf_timers)"):
        begin = time.monotonic()
        check(victim.run("tick", 20) == "ok", "a timer of 50 ms does not fire in 20 s")
        victim("SELECT wf_update('a', 'u', timeout => '20 s')")
        longest = max(longest, time.monotonic() - begin)
    check(longest < 4, f"a timer of 50 ms and an update took {longest:.1f} s")


@attack
def a_queue_for_each_task(stage):
    """20,000 tasks of one role, each in a queue of its own, when all is looked at again: timers of others, and their queues, do not wait for that."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    useful_work(victim)
    victim("CREATE FUNCTION tick() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_sleep('50 ms'); RETURN 'ok'; END $$")
    mallory("""CREATE FUNCTION many(n int) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE h wf_handle[];
        BEGIN
          FOR i IN 1 .. 200 LOOP h := h || wf_start_activity('x', task_queue => 'q' || n || '-' || i); END LOOP;
          RETURN to_jsonb(wf_await_all(h));
        END $$""")
    mallory("SELECT count(wf_start('many', jsonb_build_object('n', n), id => 'm' || n)) FROM generate_series(1, 100) n")
    mallory.wait("SELECT count(*) = 20000 FROM wf_activities", "all are there", 30)
    stage.su("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'durable scheduler' AND datname = current_database()")
    begin = time.monotonic()
    check(victim.run("tick", 60) == "ok", "a timer of 50 ms")
    longest = time.monotonic() - begin
    check(longest < 5, f"a timer of 50 ms took {longest:.1f} s")
    served(victim, "beside it")


@attack
def settings_raised_by_oneself(stage):
    """Nobody but a superuser changes a limit: not by SET, a function's SET clause, ALTER ROLE, nor set_config in a step."""
    mallory = stage.role("mallory")
    limits = [row[0] for row in stage.su.rows("SELECT name FROM pg_settings WHERE name LIKE 'durable.%%' AND context = 'superuser'")]
    for name in limits:
        value = stage.su(f"SELECT current_setting('{name}')")
        for statement in (f"SET {name} = {quote(value)}", f"ALTER ROLE {mallory.role} SET {name} = {quote(value)}", f"SELECT set_config('{name}', {quote(value)}, true)",
                          f"CREATE FUNCTION raised_{name.split('.')[1]}() RETURNS int LANGUAGE sql SET {name} = {quote(value)} AS 'SELECT 1'"):
            if mallory.error(statement) is None:
                check(mallory.error(f"SELECT raised_{name.split('.')[1]}()") is not None, f"mallory could: {statement}")
    check(len(limits) > 0, "no setting is a superuser's")


def quote(value):
    return "'" + value.replace("'", "''") + "'"


@attack
def worker_of_the_same_name(stage):
    """mallory polls a queue of the victim's queue's name, as a worker of his worker's name: his stays in wf_workers."""
    victim, mallory = stage.role("victim"), stage.role("mallory")
    seen = "SELECT string_agg(role::text, ' ' ORDER BY role::text) FROM wf_workers WHERE kind = 'external' AND name = 'w'"
    for session in (victim, mallory, stage.again(mallory)):
        session("SELECT count(*) FROM wf_poll_activities('q', worker => 'w')")
    check(victim(seen) == victim.role, "the victim's worker is gone")
    check(mallory(seen) == mallory.role, "so is mallory's own")
    stage.su(f"SET ROLE {victim.role}; SELECT count(*) FROM public.wf_poll_activities('q', worker => 'w')")
    stage.su(f"SET ROLE {mallory.role}; SELECT count(*) FROM public.wf_poll_activities('q', worker => 'w'); RESET ROLE")
    check(victim(seen) == victim.role, "a session that polls as two roles has one worker")
