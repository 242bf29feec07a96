"""Becoming another role, reading what is another's, crashing the server."""
import json
import threading

import psycopg

from stage import attack, check

SECRET = "the secret"


def bank(stage, victim):
    """A function of the victim's that runs what it is given, with the victim's rights, for whom the victim trusts."""
    victim(f"CREATE TABLE vault AS SELECT '{SECRET}'::text AS x")
    victim(f"""
        CREATE FUNCTION teller(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = {victim.role}, public AS $$
        DECLARE r text;
        BEGIN
          PERFORM wf_wait_signal('go');
          EXECUTE q INTO r;
          RETURN r || ' as ' || current_user;
        END $$""")
    return f"{victim.role}.teller"


def waits(session, workflow_id):
    session.wait(f"SELECT count(*) = 1 FROM wf_executions WHERE workflow_id = '{workflow_id}' AND waiting_for LIKE 'signal%'", f"{workflow_id} waits for its signal")


NEW_TEXT = "CREATE OR REPLACE FUNCTION {name}(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 'mended'; END $$"


def refuse_all_clones(stage, *sessions):
    """Nobody, not even its owner, calls a clone by hand."""
    for clone, owner, nargs in stage.clones():
        for session in sessions:
            arguments = ", ".join(["NULL"] * nargs)
            error = session.error(f"SELECT {clone.split('(')[0]}({arguments})")
            check(error is not None, f"{session.role} could call {clone} of {owner}")


@attack
def definers_clone_belongs_to_its_first_owner(stage):
    """A function is tried out by the superuser and handed to bob: the clone of its text must not be the superuser's."""
    bob = stage.role("bob")
    app = bob.role
    stage.su(f"CREATE FUNCTION {app}.f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = {app}, public AS "
             f"$$ DECLARE h text := {app}.helper(); BEGIN PERFORM wf_wait_signal('a'); RETURN {app}.helper(); END $$")
    stage.su(f"CREATE FUNCTION {app}.helper() RETURNS text LANGUAGE sql AS $$ SELECT 'harmless' $$")
    stage.su.start(f"{app}.f", "tried")
    waits(stage.su, "tried")
    stage.su("SELECT wf_terminate('tried')")
    stage.su(f"ALTER FUNCTION {app}.f() OWNER TO {app}")
    stage.su(f"ALTER FUNCTION {app}.helper() OWNER TO {app}")
    bob(f"CREATE OR REPLACE FUNCTION helper() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN current_user; END $$")
    bob.start("f", "old")
    waits(bob, "old")
    bob("CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN 'v2'; END $$")
    bob("SELECT wf_signal('old', 'a')")
    result = bob.outcome("old", 4)
    check(result != "postgres" and "postgres" not in str(result), f"bob's helper ran as {result}")
    bob("CREATE OR REPLACE FUNCTION helper() RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE {0} SUPERUSER'; RETURN 'x'; END $$".format(app))
    bob("CREATE FUNCTION wf_wait_signal(text) RETURNS jsonb LANGUAGE sql AS $$ SELECT '1'::jsonb $$")
    refuse_all_clones(stage, bob)


@attack
def execute_is_granted_by_a_child(stage):
    """ann has no EXECUTE on bob's definer function; a function of bob's starts it as a child of her run, and she resets that to its old text."""
    bob, ann = stage.role("bob"), stage.role("ann")
    bank(stage, bob)
    bob("REVOKE ALL ON FUNCTION teller(text) FROM public")
    bob(f"CREATE FUNCTION f() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN wf_child('{bob.role}.teller', '{{\"q\": \"SELECT 1\"}}', id => 'kid'); END $$")
    ann.start(f"{bob.role}.f", "parent")
    ann.outcome("parent", 2)
    bob(NEW_TEXT.format(name="teller"))
    ann.error("SELECT wf_reset('kid', 1, code => 'same')")
    ann.error("SELECT wf_signal('kid', 'go')")
    result = str(ann.outcome("kid", 2))
    check(bob.role not in result, f"ann's run gave {result}")
    refuse_all_clones(stage, ann, bob)


def pinned_run_after(stage, change):
    """mallory has a run of the victim's definer function; then its text changes, and CHANGE happens; the run goes on, or does not."""
    victim, mallory = stage.role("victim"), stage.role("mallory")
    name = bank(stage, victim)
    for workflow_id in ("pinned", "trusted"):
        mallory.start(name, workflow_id, q="SELECT 1")
        waits(mallory, workflow_id)
    victim(NEW_TEXT.format(name="teller"))
    mallory("SELECT wf_signal('trusted', 'go')")
    check(mallory.outcome("trusted") == f"1 as {victim.role}", f"a trusted run of an earlier version gave {mallory.outcome('trusted', 1)}")
    change(victim, mallory)
    mallory("SELECT wf_signal('pinned', 'go')")
    result = str(mallory.outcome("pinned", 3))
    check(result != f"1 as {victim.role}", f"after the change the run still gave {result}")
    refuse_all_clones(stage, mallory, victim)


@attack
def clone_runs_on_after_a_revoke(stage):
    """EXECUTE on the victim's function is revoked while the attacker's run of its earlier text waits."""
    pinned_run_after(stage, lambda victim, mallory: victim("REVOKE ALL ON FUNCTION teller(text) FROM public"))


@attack
def clone_runs_on_after_a_drop(stage):
    """The victim's function is dropped while the attacker's run of its earlier text waits."""
    pinned_run_after(stage, lambda victim, mallory: victim("DROP FUNCTION teller(text)"))


@attack
def clone_runs_on_as_the_old_owner(stage):
    """The function goes to another owner while the attacker's run of its earlier text waits."""
    def change(victim, mallory):
        stage.su(f"ALTER FUNCTION {victim.role}.teller(text) OWNER TO {mallory.role}")
    pinned_run_after(stage, change)


@attack
def text_of_another_function_in_ones_own_name(stage):
    """mallory makes a function with the text, name and arguments of the victim's definer: no clone of the victim's may serve her."""
    victim, mallory = stage.role("victim"), stage.role("mallory")
    bank(stage, victim)
    victim("REVOKE ALL ON FUNCTION teller(text) FROM public")
    victim.start("teller", "own", q="SELECT 1")
    waits(victim, "own")
    source = stage.su("SELECT prosrc FROM pg_proc WHERE oid = %s::regprocedure", f"{victim.role}.teller(text)")
    mallory(f"CREATE FUNCTION teller(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = {victim.role}, public AS $$ {source} $$")
    mallory.start("teller", "hers", q="SELECT 1")
    waits(mallory, "hers")
    victim(NEW_TEXT.format(name="teller"))
    mallory(NEW_TEXT.format(name="teller"))
    mallory("SELECT wf_signal('hers', 'go')")
    result = str(mallory.outcome("hers", 3))
    check(result == f"1 as {mallory.role}", f"the attacker's run gave {result}")
    refuse_all_clones(stage, mallory, victim)


@attack
def step_runs_as_the_definer(stage):
    """Steps of all kinds in a definer's workflow, many at once (in place) and one alone: always as the run's owner."""
    bob, ann = stage.role("bob"), stage.role("ann")
    bob(f"CREATE TABLE vault AS SELECT '{SECRET}'::text AS x")
    bob("""CREATE FUNCTION f(step text, child text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
          PERFORM wf_compensate(step);
          PERFORM wf_run_compensations();
          RETURN jsonb_build_array(wf_activity(step), wf_activity(step, mode => 'queued'), wf_sql('SELECT current_user::text AS u') -> 0 -> 'u', wf_child(child),
                                   wf_await_all(ARRAY[wf_start_activity(step), wf_start_child(child)]));
        END $$""")
    ann(f"""CREATE TABLE ran (who text);
        CREATE FUNCTION who() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO {ann.role}.ran VALUES (current_user || ' ' || session_user);
          RETURN current_user || coalesce((SELECT ' reads ' || x FROM {bob.role}.vault), '');
        EXCEPTION WHEN insufficient_privilege THEN RETURN current_user;
        END $$;
        GRANT ALL ON ran TO public;
        CREATE FUNCTION child() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN current_user; END $$""")
    arguments = json.dumps({"step": f"{ann.role}.who", "child": f"{ann.role}.child"})
    ann(f"SELECT count(wf_start('{bob.role}.f', '{arguments}', id => 'r' || n)) FROM generate_series(1, 5) n")
    for n in range(1, 6):
        result = json.dumps(ann.outcome(f"r{n}"))
        check(SECRET not in result and bob.role not in result and ann.role in result, f"run {n} gave {result}")
    others = ann.rows(f"SELECT DISTINCT who FROM ran WHERE who NOT LIKE '{ann.role} %'")
    check(not others, f"a step or compensation ran as {others}")


@attack
def superuser_looks_at_a_hostile_run(stage):
    """Whatever an operator calls on the attacker's run, her code runs as her: replay, query, update, reset, migrate, work."""
    mallory = stage.role("mallory")
    trap = stage.trap(mallory.role)
    mallory(f"CREATE FUNCTION trap(v anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {trap} RETURN true; END $$")
    mallory(f"CREATE DOMAIN d AS int CHECK ({mallory.role}.trap(VALUE))")
    mallory(f"""CREATE FUNCTION w(n d DEFAULT 1) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE u record;
        BEGIN
          {trap}
          PERFORM wf_set('k', '1');
          PERFORM wf_activity('{mallory.role}.act');
          u := wf_next_update('u');
          PERFORM wf_reply(u.update_id, '1');
          PERFORM wf_wait_signal('go');
          RETURN '1';
        END $$;
        CREATE FUNCTION act(n int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$ BEGIN {trap} RETURN 1; END $$;
        CREATE FUNCTION valid(arguments jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN {trap} END $$""")
    for id in ("a", "b", "c"):
        mallory.start("w", id, n=1)
    mallory.wait("SELECT count(*) = 3 FROM wf_executions WHERE waiting_for IS NOT NULL", "the runs wait")
    su, name = stage.su, f"{mallory.role}.w"
    for path in ("public", f"{mallory.role}, public"):
        su(f"SET search_path = {path}")
        for call in ("wf_query('a', 'k')", "wf_query('a', '__stack')", "wf_query('a', '__info')", f"wf_check_replay('{name}')", "wf_history('a')", "wf_reset('b', 1)",
                     f"wf_migrate('{name}')", "wf_update('c', 'u', timeout => '2 s')", "wf_signal('a', 'x')", "wf_pause('a')", "wf_unpause('a')", "wf_cancel('b')",
                     f"wf_replay((SELECT jsonb_agg(to_jsonb(h) ORDER BY event_id) FROM wf_history('a') h), '{name}(int)'::regprocedure)"):
            su.error(f"SELECT * FROM {call}")
        for view in stage.views():
            su.error(f"SELECT count(x::text) FROM {view} x")
        mallory.error("CREATE OR REPLACE FUNCTION w(n d DEFAULT 1) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_wait_signal('go'); RETURN '2'; END $$")
        su.error("CALL wf_work()")


@attack
def planted_functions_and_operators(stage):
    """A role that may create in public plants better matches of what the extension's SQL might call; superusers and others call everything."""
    victim, mallory = stage.role("victim"), stage.role("mallory")
    stage.su("GRANT CREATE ON SCHEMA public TO public")
    body = f"BEGIN {stage.trap(mallory.role)} RETURN NULL; END"
    for name, args, result in (
        ("jsonb_build_object", "text, text", "jsonb"), ("jsonb_build_object", "text, int", "jsonb"), ("format", "text, text", "text"), ("concat", "text, text", "text"),
        ("to_jsonb", "text", "jsonb"), ("to_jsonb", "int", "jsonb"), ("row_to_json", "durable.event", "json"), ("quote_literal", "name", "text"), ("max", "name", "name"),
        ("to_jsonb", "durable.event", "jsonb"), ("unnest", "durable.event[]", "durable.event"), ("array_agg", "durable.event", "text"), ("pg_notify", "name, text", "void"),
        ("lower", "name", "text"), ("left", "name, int", "text"), ("pg_has_role", "regrole, text", "boolean"), ("has_function_privilege", "regrole, text, text", "boolean")):
        mallory.error(f"CREATE FUNCTION public.{name}({args}) RETURNS {result} LANGUAGE plpgsql AS $$ {body} $$")
    for number, (op, left, right) in enumerate((("=", "text", "name"), ("=", "name", "varchar"), ("=", "regrole", "regrole"), ("=", "int2", "int8"), ("||", "text", "name"), ("->>", "jsonb", "name"),
                                                ("=", "oid", "regrole"), ("=", "regproc", "oid"), ("<", "timestamptz", "text"), ("=", "uuid", "text"), ("-", "int8", "int2"))):
        mallory.error(f"CREATE FUNCTION public.plant_{number}({left}, {right}) RETURNS boolean LANGUAGE plpgsql AS $$ {body} $$")
        mallory.error(f"CREATE OPERATOR public.{op} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = public.plant_{number})")
    victim("CREATE FUNCTION w() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_set('k', '1'); PERFORM wf_activity('act'); PERFORM wf_activity('act', mode => 'queued');"
           " RETURN wf_wait_signal('go'); END $$; CREATE FUNCTION act(n int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    victim.start("w", "x")
    victim.wait("SELECT waiting_for LIKE 'signal%' FROM wf_executions", "the run waits for its signal")
    for session in (stage.su, victim):
        for call in ("wf_query('x', 'k')", "wf_history('x')", "wf_check_replay('w')", "wf_signal('x', 'y')", "wf_set_task_queue('q', max_concurrent => 2)", "wf_poll_activities('q')",
                     "wf_reset('x', 1)", "wf_update_activity('x')", "wf_start('w', id => 'y')", "wf_cancel('y')", "wf_delete('y')", "wf_pause('x')", "wf_unpause('x')"):
            session.error(f"SELECT * FROM {call}")
        for view in stage.views():
            session.error(f"SELECT count(x::text) FROM {view} x")
    victim("SELECT wf_signal('x', 'go')")
    check(victim.outcome("x", 10) is None, "the victim's run did not complete")


@attack
def every_client_call_on_anothers_run(stage):
    """mallory tries each call on the victim's run, and it does not change; nor does she see it anywhere."""
    victim, mallory = stage.role("victim"), stage.role("mallory")
    victim("CREATE FUNCTION w() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_set('k', '\"sesame\"'); RETURN wf_activity('task', '{\"pin\": \"sesame\"}', task_queue => 'vq'); END $$")
    run = victim.start("w", "salary")
    victim.wait("SELECT count(*) = 1 FROM wf_activities", "the activity is scheduled")
    state = "SELECT (SELECT jsonb_agg(to_jsonb(e)) FROM wf_executions e), (SELECT jsonb_agg(to_jsonb(h)) FROM wf_history('salary') h), (SELECT jsonb_agg(to_jsonb(a)) FROM wf_activities a)"
    before = victim.rows(state)
    for who in ("'salary'", f"'{run}'"):
        for call in (f"wf_signal({who}, 'x')", f"wf_cancel({who})", f"wf_terminate({who})", f"wf_pause({who})", f"wf_unpause({who})", f"wf_delete({who})", f"wf_reset({who}, 1)",
                     f"wf_result({who}, timeout => '10 ms')", f"wf_history({who})", f"wf_query({who}, 'k')", f"wf_query({who}, '__stack')", f"wf_update({who}, 'u', timeout => '10 ms')",
                     f"wf_listen_workflow({who})", f"wf_update_activity({who})", f"wf_signal_with_start('w', {who}, 'x')"):
            rows = []
            try:
                rows = mallory.rows(f"SELECT * FROM {call}")
            except Exception as e:
                check("sesame" not in str(e), f"{call} told: {e}")
            check("sesame" not in str(rows), f"{call} told {rows}")
            check(not (call.startswith("wf_listen_workflow") and 'salary' in call and rows), f"{call} gave {rows}")
    check(not mallory.rows("SELECT * FROM wf_poll_activities('vq', 10)"), "mallory was handed the victim's task")
    for view in stage.views():
        seen = mallory.rows(f"SELECT x::text FROM {view} x")
        check(victim.role not in str(seen) and run not in str(seen) and "sesame" not in str(seen), f"{view} shows mallory {seen}")
    check(victim.rows(state) == before, "the victim's run was changed")


@attack
def anothers_process_from_another_database(stage):
    """What wf_workers and wf_task_queues show of the whole cluster is one's own, in whichever database one asks."""
    victim, mallory = stage.role("victim"), stage.role("mallory")
    there = stage.session(mallory.role, database=stage.other_database())
    victim("CREATE FUNCTION act() RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(2)::text $$;"
           "CREATE FUNCTION w() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN wf_activity('act', mode => 'queued'); END $$")
    poller = stage.again(victim).background("SELECT * FROM wf_poll_activities('victims-queue', worker => 'victims-worker', wait => '2 s')")
    victim.start("w", "x")
    victim.wait("SELECT count(*) > 0 FROM wf_workers", "the victim sees its workers", 5)
    for session in (mallory, there):
        for view in ("wf_workers", "wf_task_queues", "wf_activities", "wf_stuck", "wf_executions"):
            seen = str(session.rows(f"SELECT x::text FROM {view} x"))
            check("victim" not in seen, f"{view} in {session.database} shows mallory {seen}")
    poller.join()
    victim.outcome("x", 5)


@attack
def names_cut_inside_a_letter(stage):
    """Names of workers, queues and activities of two-, three- and four-byte letters, cut anywhere, stay readable for everybody."""
    mallory = stage.role("mallory")
    for letter in ("é", "€", "\U0001F600"):
        for lead in range(4):
            name = "a" * lead + letter * 62
            for call in (f"wf_poll_activities('q', worker => '{name}')", f"wf_poll_activities('{name}')", f"wf_set_task_queue('{name}', max_concurrent => 1)",
                         f"wf_listen('{name}')"):
                mallory.error(f"SELECT * FROM {call}")
    views = stage.views()
    for session in (stage.su, mallory):
        for encoding in ("UTF8", "SQL_ASCII"):
            session(f"SET client_encoding = '{encoding}'")
            for view in views:
                session(f"SELECT count(*) FROM (SELECT convert_from(convert_to(x::text, 'UTF8'), 'UTF8'), upper(x::text), length(x::text) FROM {view} x) y")


@attack
def function_replaced_under_its_own_call(stage):
    """A domain's check replaces, drops or moves the function whose arguments are being read: an error of PostgreSQL's about what is gone, and no crash."""
    mallory = stage.role("mallory")
    for n, change in enumerate((
            "CREATE OR REPLACE FUNCTION f(a d, b d, c d) RETURNS text LANGUAGE sql AS 'SELECT ''y'''", "DROP FUNCTION f(d, d, d)",
            "ALTER FUNCTION f(d, d, d) RENAME TO g", "DROP TYPE d CASCADE", "ALTER DOMAIN d ADD CHECK (VALUE <> 77)", "ALTER FUNCTION f(d, d, d) STABLE")):
        mallory(f"DROP SCHEMA IF EXISTS s{n} CASCADE")
        mallory.error("DROP DOMAIN IF EXISTS d CASCADE")
        mallory.error("DROP FUNCTION IF EXISTS chk(int)")
        mallory(f"""CREATE FUNCTION chk(v int) RETURNS boolean LANGUAGE plpgsql AS $$
            BEGIN
              IF v < 10 THEN
                {change};
                BEGIN
                  PERFORM wf_start('f', '{{"a": 10, "b": 11, "c": 12}}');
                EXCEPTION WHEN others THEN NULL;
                END;
                PERFORM repeat('z', 100000);
              END IF;
              RETURN true;
            END $$""")
        mallory("CREATE DOMAIN d AS int CHECK (chk(VALUE))")
        mallory("CREATE FUNCTION f(a d, b d, c d) RETURNS text LANGUAGE sql AS 'SELECT ''x'''")
        for a in (1, 4):
            mallory.error("SELECT wf_start('f', %s::jsonb)", json.dumps({"a": a, "b": a + 1, "c": a + 2}), internal=True)
        check(mallory("SELECT 1") == 1, "the session is gone")


@attack
def histories_that_no_run_ever_had(stage):
    """wf_replay of histories that consist of one event of each type, alone or after the start, in two orders."""
    mallory = stage.role("mallory")
    types = [row[0] for row in mallory.rows("SELECT durable.event_type_name(n::int2) FROM generate_series(1, 41) n")]
    mallory("CREATE FUNCTION w() RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('x'); PERFORM wf_sleep('1 s'); RETURN wf_wait_signal('s'); END $$")

    def event(n, kind):
        return {"at": "2026-01-01T00:00:00Z", "ran": False, "mail": True, "turn": 1, "run_id": "01a22e0b-d7f2-7045-83ff-e12260f9f362", "goes_on": False, "turn_at": "2026-01-01T00:00:00Z",
                "event_id": n, "attributes": {"input": {}, "command": 1}, "event_type": kind, "has_payload": n == 1}
    for kind in types:
        for kinds in ([kind], ["workflow_started", kind], [kind, "workflow_started"], [kind, kind, kind]):
            for function in ("pg_catalog.now()", f"{mallory.role}.w()"):
                history = json.dumps([event(n, k) for n, k in enumerate(kinds, 1)])
                mallory.error(f"SELECT * FROM wf_replay(%s::jsonb, '{function}'::regprocedure)", history)
    check(mallory("SELECT 1") == 1, "the session is gone")


@attack
def long_last_words_in_the_test_kit(stage):
    """wf_test_run of a workflow that fails its turn with more to say than a page holds."""
    mallory = stage.role("mallory")
    mallory("CREATE FUNCTION h(n int, m int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING errcode = '55P03',"
            " message = repeat('x', n), hint = repeat('y', n), detail = repeat('z', n); END $$")
    for n in (10, 9000, 16000, 12000, 20000, 30000, 100000):
        mallory("BEGIN")
        mallory("SELECT wf_test_begin()")
        try:
            mallory("SELECT wf_test_run('h', %s::jsonb)", json.dumps({"n": n}))
        except Exception as e:
            check("x" * 10 in str(e), f"other words than those of the function: {str(e)[:100]}")
        mallory("ROLLBACK")


@attack
def outcome_of_a_run_given_away(stage):
    """Who waits for a run, or comes by the closed one that it goes on for, while it is given to another gets neither its result nor its answers."""
    mallory, victim = stage.role("mallory"), stage.role("victim")
    mallory("CREATE FUNCTION f(again boolean DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$ DECLARE u record; BEGIN"
            " IF again THEN PERFORM wf_wait_signal('go'); PERFORM wf_continue_as_new('{\"again\": false}'); END IF;"
            " LOOP SELECT * INTO u FROM wf_next_update(); EXIT WHEN u.name = 'end'; PERFORM wf_wait_signal('answer'); PERFORM wf_reply(u.update_id, to_jsonb('answer'::text)); END LOOP;"
            " RETURN 'secret'; END $$")
    mallory.start("f", "f")
    first = str(mallory("SELECT run_id FROM wf_executions"))
    mallory("SELECT wf_signal('f', 'go')")
    mallory.wait("SELECT count(*) = 2 FROM wf_executions", "the run goes on as another")
    got = []

    def go(sql):
        session = stage.again(mallory)

        def call():
            try:
                got.append(session(sql))
            except psycopg.Error as e:
                got.append(e.sqlstate)
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        return thread

    waiting = [go("SELECT wf_result('f', timeout => '15 s')"), go("SELECT result FROM wf_wait('f', timeout => '15 s')"),
               go("SELECT wf_update('f', 'ask', update_id => 'u', timeout => '15 s')"), go("CALL wf_await_result('f', timeout => '15 s')")]
    stage.su.wait("SELECT count(*) = 4 FROM pg_stat_activity WHERE wait_event_type IN ('Extension', 'Activity') AND backend_type = 'client backend' AND query LIKE '%%15 s%%'", "four sessions wait")
    stage.su(f"SELECT wf_change_owner('f', '{victim.role}')")
    victim("SELECT wf_signal('f', 'answer')")
    victim("SELECT wf_update('f', 'ask', update_id => 'u', timeout => '15 s')")
    victim("SELECT wf_update('f', 'end', wait_for => 'admitted')")
    check(victim.outcome("f") == "secret", "the victim's result")
    for thread in waiting:
        thread.join(20)
    waiting = [go(f"SELECT wf_result('f', timeout => '5 s', run_id => '{first}')"), go(f"SELECT result FROM wf_wait('f', timeout => '5 s', run_id => '{first}')")]
    for thread in waiting:
        thread.join(20)
    check(got == ["42501"] * 6, f"mallory got {got}")
