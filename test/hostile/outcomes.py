"""Another outcome than recorded: code that changes, clocks and defaults that are asked again, calls that are made twice."""
from stage import attack, check

STEP = "CREATE TABLE done (t text); CREATE FUNCTION step(t text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO {0}.done VALUES (t); RETURN t; END $$"
OLD = """helper() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {} END $$"""


@attack
def a_recorded_call_that_is_not_made(stage):
    """A helper that a waiting run has called is replaced: its recorded calls are gone, moved, new or others. Nobody gets another's result."""
    changes = {
        "gone": "", "another": "PERFORM wf_sleep('1 ms');", "moved": "PERFORM wf_activity('step', '{\"t\": \"b\"}'); PERFORM wf_activity('step', '{\"t\": \"a\"}'); PERFORM wf_uuid();",
        "one gone": "PERFORM wf_activity('step', '{\"t\": \"b\"}');", "a child": "PERFORM wf_child('step', '{\"t\": \"a\"}');", "queued signal": "PERFORM wf_wait_signal('other', '1 ms');",
    }
    role = stage.role("owner")
    role(STEP.format(role.role))
    role("""CREATE FUNCTION w(mine text) RETURNS jsonb LANGUAGE plpgsql AS $$
        BEGIN
          EXECUTE format('SELECT helper_%s()', mine);
          PERFORM wf_wait_signal('go');
          RETURN wf_activity('step', '{"t": "last"}');
        END $$""")
    for n, (name, body) in enumerate(changes.items()):
        role(f"CREATE FUNCTION helper_{n}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('step', '{{\"t\": \"a\"}}'); PERFORM wf_activity('step', '{{\"t\": \"b\"}}'); END $$")
        role.start("w", f"r{n}", mine=str(n))
    role.wait(f"SELECT count(*) = {len(changes)} FROM wf_executions WHERE waiting_for LIKE 'signal%'", "all runs wait")
    for n, body in enumerate(changes.values()):
        if n != 2:
            role(f"CREATE OR REPLACE FUNCTION helper_{n}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    wrong = []
    for n, name in enumerate(changes):
        if n == 2:
            continue        # the same activity in another order: its inputs differ, which is a warning
        told = role.rows("SELECT ok, problem FROM wf_check_replay('w') WHERE workflow_id = %s", f"r{n}")
        if not told or told[0][0]:
            wrong.append(f"{name}: wf_check_replay says {told}")
        role("SELECT wf_signal(%s::text, 'go')", f"r{n}")
    role("SELECT pg_sleep(1)")
    for n, name in enumerate(changes):
        if n != 2 and role.status(f"r{n}") != "running":
            wrong.append(f"{name}: the run is {role.status(f'r{n}')} with {role.outcome(f'r{n}', 1)}")
    check(not wrong, "; ".join(wrong))
    check(role("SELECT count(*) FROM done WHERE t = 'last'") == 0, "a step after the lost one ran")


@attack
def clocks_behind_a_cached_plan(stage):
    """A helper that asks the clock, a sequence or chance is called by a step first, in the same process; then workflow code calls it."""
    role = stage.role("owner")
    role("CREATE SEQUENCE s")
    bodies = ["now()", "CURRENT_TIMESTAMP", "clock_timestamp()", "random()", "gen_random_uuid()", "nextval('s')", "'now'::text::timestamptz", "current_setting('work_mem')", "pg_backend_pid()",
              "txid_current()", "CURRENT_DATE", "LOCALTIME", "(SELECT count(*) FROM pg_stat_activity)", "'today'::text::date", "(VALUES (now()), (now()) LIMIT 1)",
              "(SELECT min(c) FROM (SELECT now() AS c UNION ALL SELECT now()) x)", "(SELECT max(c) FROM (SELECT now() AS c FROM generate_series(1, 2) OFFSET 1) x)"]
    role("CREATE FUNCTION same(v jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT v'")
    for n, body in enumerate(bodies):
        quoted = body.replace("'", "''")
        role(f"CREATE FUNCTION p{n}() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN {body}::text; END $$")
        role(f"CREATE FUNCTION q{n}() RETURNS text LANGUAGE sql STABLE AS $$ SELECT {body}::text $$" if "nextval" not in body else
             f"CREATE FUNCTION q{n}() RETURNS text LANGUAGE sql AS $$ SELECT {body}::text $$")
        role(f"CREATE FUNCTION w{n}(how text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE v text; BEGIN PERFORM wf_activity('p{n}'); PERFORM wf_activity('q{n}');"
             f" IF how = 'p' THEN v := p{n}(); ELSIF how = 'q' THEN v := q{n}(); ELSE v := (SELECT max(x) FROM (SELECT q{n}() AS x FROM generate_series(1, 2)) y); END IF;"
             " PERFORM wf_wait_signal('go'); RETURN v; END $$")
    role("CREATE FUNCTION warm() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    for n in range(len(bodies)):
        for how in "pqr":
            role.start(f"w{n}", f"{n} {how}", how=how)
    role("CALL wf_work()")
    role("SELECT pg_sleep(2)")
    through = role.rows("SELECT workflow_id FROM wf_executions WHERE waiting_for LIKE 'signal%' OR status = 'completed' ORDER BY 1")
    check(not through, f"allowed in workflow code: {[bodies[int(row[0].split()[0])] + ' ' + row[0].split()[1] for row in through]}")


@attack
def defaults_that_change(stage):
    """Defaults of a workflow's parameters are those of its start, at each turn and for a child, too."""
    role = stage.role("owner")
    role("CREATE FUNCTION rate() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT 1.5'")
    role("""CREATE FUNCTION loan(at timestamptz DEFAULT clock_timestamp(), r numeric DEFAULT rate()) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE first jsonb := wf_sql('SELECT $1 AS r, $2 AS t', r, at) -> 0;
        BEGIN PERFORM wf_wait_signal('go'); RETURN jsonb_build_array(first -> 'r', r, first -> 't' = to_jsonb(at)); END $$""")
    role("CREATE FUNCTION parent() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_child('loan', id => 'kid'); END $$")
    role.start("loan", "x")
    role.start("parent", "p")
    role.wait("SELECT count(*) = 2 FROM wf_executions WHERE waiting_for LIKE 'signal%'", "both wait")
    role("CREATE OR REPLACE FUNCTION rate() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT 9.9'")
    for run in ("x", "kid"):
        role("SELECT wf_signal(%s::text, 'go')", run)
        check(role.outcome(run) == [1.5, 1.5, True], f"{run}: {role.outcome(run, 1)}")


@attack
def calls_made_twice(stage):
    """A call with an id, sent again after its run was closed, went on or was reset, is the same call."""
    role = stage.role("owner")
    role("CREATE FUNCTION pay() RETURNS text LANGUAGE plpgsql AS $$ DECLARE u record; BEGIN u := wf_next_update(); PERFORM wf_reply(u.update_id, '\"done\"'); RETURN 'end'; END $$")
    for _ in range(2):
        check(role("SELECT wf_update_with_start('pay', 'order', 'pay', update_id => 'U1')") == "U1", "the update's id")
        role.outcome("order")
    check(role("SELECT count(*) FROM wf_executions WHERE workflow_id = 'order'") == 1, "wf_update_with_start twice: two runs")
    role("CREATE FUNCTION waits() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_wait_signal('go'); END $$")
    role.start("waits", "a")
    first = role("SELECT wf_start('waits', id => 'a', on_running => 'use_existing', request_id => 'R')")
    role("SELECT wf_signal('a', 'go')")
    role.outcome("a")
    check(role("SELECT wf_start('waits', id => 'a', on_running => 'use_existing', request_id => 'R')") == first, "wf_start with its request_id again: another run")
    check(role("SELECT count(*) FROM wf_executions WHERE workflow_id = 'a'") == 1, "wf_start twice: two runs")
    role("CREATE FUNCTION sleeps() RETURNS int LANGUAGE plpgsql AS $$ DECLARE n int := 0; BEGIN FOR i IN 1 .. 2 LOOP BEGIN PERFORM wf_sleep('1 s');"
         " EXCEPTION WHEN SQLSTATE 'WF003' THEN n := n + 1; END; END LOOP; RETURN n; END $$")
    role.start("sleeps", "c")
    role.wait("SELECT waiting_for IS NOT NULL FROM wf_executions WHERE workflow_id = 'c'", "it sleeps")
    role("SELECT wf_cancel('c')")
    check(role("SELECT wf_cancel('c')") is False, "a second wf_cancel found something to do")
    check(role.outcome("c") == 1, "the workflow was cancelled twice")


@attack
def a_row_of_nulls(stage):
    """wf_next_update after its timeout, assigned to a record, is a row."""
    role = stage.role("owner")
    role("CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$ DECLARE u record; BEGIN u := wf_next_update('u', '50 ms');"
         " RETURN CASE WHEN u.update_id IS NULL THEN 'timeout' ELSE 'update' END; END $$")
    check(role.run("f") == "timeout", "the run is stuck")


@attack
def publication_of_all_tables(stage):
    """Someone publishes all tables: runs start, end and are deleted as before."""
    role = stage.role("owner")
    role("CREATE FUNCTION f() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('pg_catalog.now', retry => wf_retry(max_attempts => 2));"
         " PERFORM wf_activity('pg_catalog.pi', mode => 'queued'); RETURN wf_wait_signal('go', '1 ms'); END $$")
    stage.su("CREATE PUBLICATION everything FOR ALL TABLES")
    for n in range(3):
        role.start("f", f"x{n}")
        role.outcome(f"x{n}")
        role("SELECT wf_reset(%s::text, 1)", f"x{n}")
        role.outcome(f"x{n}")
    role("SELECT count(wf_delete(workflow_id, run_id => run_id)) FROM wf_executions")
    check(role("SELECT count(*) FROM wf_executions") == 0, "runs are left after wf_delete")


@attack
def monitor_sees_and_reads_nothing(stage):
    """pg_monitor sees that there are runs, queues and workers, and not what is in them."""
    owner, monitor = stage.role("owner"), stage.role("monitor")
    stage.su(f"GRANT pg_monitor TO {monitor.role}")
    owner("CREATE FUNCTION f(pin text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_set('k', '\"sesame\"'); RETURN wf_activity('x', '{\"pin\": \"sesame\"}', task_queue => 'q'); END $$")
    owner.start("f", "x", pin="sesame")
    owner.wait("SELECT count(*) = 1 FROM wf_activities", "the activity is scheduled")
    for view in stage.views():
        check("sesame" not in str(monitor.rows(f"SELECT x::text FROM {view} x")), f"{view} shows pg_monitor what is in a run")
    check(monitor("SELECT count(*) FROM wf_workers") > 0, "pg_monitor sees no worker")
    for call in ("wf_signal('x', 'go')", "wf_terminate('x')", "wf_query('x', 'k')", "wf_history('x')"):
        check(monitor.error(f"SELECT * FROM {call}") is not None, f"pg_monitor could call {call}")
    stage.su(f"REVOKE pg_monitor FROM {monitor.role}")
