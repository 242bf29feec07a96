"""What a step, a run or a call that failed leaves to others, in a worker's process or a client's session."""
import psycopg

from stage import attack, check

FLOW = """CREATE FUNCTION flow(f text, a jsonb DEFAULT '{}', m text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN wf_activity(f, a, mode => m, retry => wf_retry(max_attempts => 1)); END $$"""

# What one step leaves, and how another would see it: the probe gives the first value in a new session.
LEFT = {
    "temporary table": ("CREATE TEMP TABLE orders AS SELECT 666 AS id", "SELECT count(*) FROM orders", 0),
    "temporary view": ("CREATE TEMP VIEW orders AS SELECT 666 AS id", "SELECT count(*) FROM orders", 0),
    "temporary function": ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()", 0),
    "temporary type": ("CREATE TYPE pg_temp.t AS (a int)", "SELECT count(*) FROM pg_type WHERE typname = 't' AND typnamespace = pg_my_temp_schema()", 0),
    "prepared statement": ("PREPARE p AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements", 0),
    "cursor": ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) FROM pg_cursors WHERE name = 'c'", 0),
    "advisory lock": ("SELECT pg_advisory_lock(4711)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND pid = pg_backend_pid()", 0),
    "shared advisory lock": ("SELECT pg_advisory_lock_shared(4712)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712 AND pid = pg_backend_pid()", 0),
    "LISTEN": ("LISTEN hostile", "SELECT count(*) FROM pg_listening_channels()", 0),
    "setting": ("SET work_mem = '77MB'", "SELECT (current_setting('work_mem') = '77MB')::int", 0),
    "own setting": ("SET app.tenant = '666'", "SELECT (coalesce(current_setting('app.tenant', true), '') <> '')::int", 0),
    "setting by function": ("SELECT set_config('app.user', '666', false)", "SELECT (coalesce(current_setting('app.user', true), '') <> '')::int", 0),
    "search_path": ("SET search_path = pg_temp, pg_catalog", "SELECT (current_setting('search_path') LIKE 'pg_temp%')::int", 0),
    "read only": ("SET default_transaction_read_only = on", "SELECT (current_setting('default_transaction_read_only') = 'on')::int", 0),
    "isolation": ("SET default_transaction_isolation = 'serializable'", "SELECT (current_setting('default_transaction_isolation') = 'serializable')::int", 0),
    "random seed": ("SELECT setseed(0.5)", "SELECT (random()::text = (SELECT r::text FROM seeded))::int", 0),
    "sequence's last value": ("SELECT nextval('seq')", "SELECT lastval_or_zero()", 0),
}


def probes(role):
    role(FLOW)
    role("CREATE TABLE orders (id int); CREATE SEQUENCE seq; GRANT ALL ON orders TO public")
    role("""CREATE FUNCTION lastval_or_zero() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lastval(); EXCEPTION WHEN object_not_in_prerequisite_state OR insufficient_privilege THEN RETURN 0; END $$""")
    role("SELECT setseed(0.5)")
    role("CREATE TABLE seeded AS SELECT random() AS r")
    role("CREATE FUNCTION leave(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN 1; END $$")
    role("CREATE FUNCTION probe(what text) RETURNS int LANGUAGE plpgsql AS $$ DECLARE r int; BEGIN EXECUTE what INTO r; RETURN r; END $$")


def left_behind(stage, mode):
    """Each in its turn; a step may also be refused what it would leave."""
    role = stage.role("tenant")
    probes(role)
    found = []
    for name, (leave, probe, clean) in LEFT.items():
        # advisory locks go with the transaction, which others may share
        for how in ("once", "with the next at its heels")[:1 if "lock" in name else 2]:
            if how == "once":
                role.run("flow", f="leave", a={"what": leave}, m=mode)
            else:
                role("SELECT count(wf_start('flow', jsonb_build_object('f', 'leave', 'a', jsonb_build_object('what', %s::text), 'm', %s::text))) FROM generate_series(1, 3) n", leave, mode)
            seen = [role.run("flow", f="probe", a={"what": probe}, m=mode) for _ in range(2)]
            if set(seen) != {clean}:
                found.append(f"{name} {how}: {seen}")
    held = stage.su.rows("SELECT objid, pid FROM pg_locks WHERE locktype = 'advisory' AND objid IN (4711, 4712)")
    check(not found and not held, f"left for the next run: {found} {held}")


@attack
def what_an_inline_step_leaves(stage):
    """Temporary objects, prepared statements, cursors, locks, settings of one run's step are there for another's."""
    left_behind(stage, None)


@attack
def what_a_queued_activity_leaves(stage):
    """The same, of queued activities in their workers."""
    left_behind(stage, "queued")


@attack
def temporary_table_swallows_rows(stage):
    """A step leaves a temporary table in the place of a table: other runs' rows must not be lost in it."""
    role = stage.role("tenant")
    probes(role)
    role(f"CREATE FUNCTION place(id int) RETURNS int LANGUAGE sql AS 'INSERT INTO orders VALUES (id) RETURNING id'")
    role(f"SELECT count(wf_start('flow', jsonb_build_object('f', 'leave', 'a', jsonb_build_object('what', 'CREATE TEMP TABLE IF NOT EXISTS orders (id int)')), id => 'r' || n)) FROM generate_series(1, 8) n")
    role("SELECT count(wf_start('flow', jsonb_build_object('f', 'place', 'a', jsonb_build_object('id', n)), id => 'o' || n)) FROM generate_series(1, 30) n")
    role.wait("SELECT count(*) = 0 FROM wf_executions WHERE closed_at IS NULL", "all runs are closed")
    completed = role("SELECT count(*) FROM wf_executions WHERE workflow_id LIKE 'o%' AND status = 'completed'")
    rows = stage.su(f"SELECT count(*) FROM {role.role}.orders")
    check(rows == completed, f"{completed} runs completed and left {rows} rows")


@attack
def step_writes_into_the_clients_own_table(stage):
    """A client has a temporary table, and lets the run work in its session: the step's rows are not for that table."""
    role = stage.role("tenant")
    probes(role)
    role(f"CREATE FUNCTION place(id int) RETURNS int LANGUAGE sql AS 'INSERT INTO orders VALUES (id) RETURNING id'")
    role("CREATE TEMP TABLE orders (id int)")
    role("PREPARE mine AS SELECT 1")
    for n in range(3):
        role("SELECT wf_start('flow', '{\"f\": \"place\", \"a\": {\"id\": 1}}', id => %s::text)", f"own{n}")
        role.error("CALL wf_work()")
        role.error(f"CALL wf_execute('flow', '{{\"f\": \"place\", \"a\": {{\"id\": 1}}}}', NULL, id => 'execute{n}')")
    role.wait("SELECT count(*) = 0 FROM wf_executions WHERE closed_at IS NULL", "all runs are closed")
    completed = role("SELECT count(*) FROM wf_executions WHERE status = 'completed'")
    rows = stage.su(f"SELECT count(*) FROM {role.role}.orders")
    check(rows == completed, f"{completed} runs completed and left {rows} rows; the client's own table has {role('SELECT count(*) FROM pg_temp.orders')}")
    check(role("SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'") == 1, "the client's prepared statement is gone")


@attack
def tables_that_last_for_a_commit(stage):
    """ON COMMIT DROP and ON COMMIT DELETE ROWS, in steps that share a transaction and in queued ones: each as if it had its own."""
    role = stage.role("tenant")
    role("CREATE FUNCTION total(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT generate_series(1, n) AS i;"
         " RETURN (SELECT sum(i) FROM scratch); END $$")
    role("CREATE FUNCTION kept(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE IF NOT EXISTS kept (i int) ON COMMIT DELETE ROWS; INSERT INTO kept VALUES (n);"
         " RETURN (SELECT count(*) FROM kept); END $$")
    role("CREATE FUNCTION many(f text) RETURNS jsonb LANGUAGE plpgsql AS $$ DECLARE r jsonb := '[]'; BEGIN"
         " FOR i IN 1 .. 8 LOOP r := r || wf_activity(f, '{\"n\": 3}', retry => wf_retry(max_attempts => 1)); END LOOP; RETURN r; END $$")
    role("CREATE FUNCTION map(f text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN"
         " RETURN wf_map(f, (SELECT jsonb_agg('{\"n\": 3}'::jsonb) FROM generate_series(1, 8)), mode => 'queued', retry => wf_retry(max_attempts => 1)); END $$")
    for f, expected in (("total", 6), ("kept", 1)):
        for workflow in ("many", "map", "many", "map"):
            result = role.run(workflow, f=f)
            check(result == [expected] * 8, f"{workflow} of {f}: {result}")


@attack
def procedures_that_leave_settings(stage):
    """A queued procedure that leaves its transaction or session read only, or another role: its worker completes it, and others."""
    role = stage.role("tenant")
    role("CREATE PROCEDURE ro() LANGUAGE plpgsql AS $$ BEGIN SET TRANSACTION READ ONLY; END $$")
    role("CREATE PROCEDURE ro_after() LANGUAGE plpgsql AS $$ BEGIN COMMIT; SET TRANSACTION READ ONLY; END $$")
    role("CREATE PROCEDURE ro_session() LANGUAGE plpgsql AS $$ BEGIN SET default_transaction_read_only = on; COMMIT; END $$")
    role("CREATE PROCEDURE serial() LANGUAGE plpgsql AS $$ BEGIN SET default_transaction_isolation = 'serializable'; COMMIT; END $$")
    role("CREATE PROCEDURE impatient() LANGUAGE plpgsql AS $$ BEGIN SET statement_timeout = '1 ms'; COMMIT; END $$")
    role("CREATE PROCEDURE idle() LANGUAGE plpgsql AS $$ BEGIN SET idle_in_transaction_session_timeout = '1 ms'; SET idle_session_timeout = '1 ms'; COMMIT; END $$")
    role("CREATE PROCEDURE fine() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$")
    role("CREATE FUNCTION q(a text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity(a, mode => 'queued', retry => wf_retry(max_attempts => 1)); RETURN a; END $$")
    for name in ("ro", "ro_after", "ro_session", "serial", "impatient", "idle"):
        result = role.run("q", a=name)
        check(result == name, f"{name}: {result}")
        check(role.run("q", a="fine") == "fine", f"after {name}: {result}")


@attack
def memory_of_cancelled_calls(stage):
    """Calls that are cancelled and calls that fail keep nothing of what they were given."""
    role = stage.role("tenant")
    stage.su("CREATE FUNCTION public.memory() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(total_bytes) FROM pg_catalog.pg_backend_memory_contexts'")
    role("CREATE FUNCTION slow(pad text) RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(5)::text $$")
    role("CREATE FUNCTION w(pad text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM wf_activity('slow', jsonb_build_object('pad', pad)); RETURN 'x'; END $$")
    role("CREATE FUNCTION bad(pad text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', pad; END $$")
    big = "jsonb_build_object('pad', repeat('x', 300000))"
    calls = [f"CALL wf_execute('w', {big}, NULL)", f"CALL wf_execute('bad', {big}, NULL)", f"SELECT wf_start('nothing', {big})",
             f"SELECT wf_replay({big}, 'w(text)'::regprocedure)", f"SELECT wf_update('nobody', 'u', {big})"]
    sizes = []
    for _ in range(3):
        for _ in range(2):
            for call in calls:
                role("SET statement_timeout = '60 ms'")
                role.error(call)
        role("SET statement_timeout = '30 s'")
        sizes.append(role("SELECT public.memory()"))
    check(sizes[2] - sizes[1] < 200_000, f"bytes of the session after each round of 20 calls: {sizes}")
    stage.su("SELECT count(wf_terminate(workflow_id)) FROM wf_executions WHERE closed_at IS NULL")


@attack
def types_that_change(stage):
    """Row types, domains and enums that a worker has seen are altered, by another session, nested too: the next call is by the new one."""
    role = stage.role("tenant")
    role(FLOW)
    role("CREATE TABLE item (id int, qty int)")
    role("CREATE TYPE inner_type AS (a int); CREATE TYPE outer_type AS (i inner_type, l inner_type[])")
    role("CREATE DOMAIN dom AS int; CREATE TYPE mood AS ENUM ('sad')")
    role("CREATE FUNCTION pack(i item) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(i)'")
    role("CREATE FUNCTION nest(o outer_type) RETURNS outer_type LANGUAGE sql AS 'SELECT o'")
    role("CREATE FUNCTION domv(d dom) RETURNS dom LANGUAGE sql AS 'SELECT d'")
    role("CREATE FUNCTION feel(m mood) RETURNS mood LANGUAGE sql AS 'SELECT m'")
    other = stage.again(role)
    for mode in (None, "queued"):
        def once(f, **arguments):
            return role.run("flow", f=f, a=arguments, m=mode)
        n = 1 if mode is None else 2
        once("pack", i={"id": 1, "qty": 2})
        other(f"ALTER TABLE item ADD note{n} text")
        check(once("pack", i={"id": 1, "qty": 2, f"note{n}": "fragile"}).get(f"note{n}") == "fragile", f"{mode}: an added column is lost")
        other(f"ALTER TABLE item RENAME note{n} TO remark{n}")
        check(once("pack", i={f"remark{n}": "glass"}).get(f"remark{n}") == "glass", f"{mode}: a renamed column is lost")
        once("nest", o={"i": {"a": 1}, "l": [{"a": 1}]})
        other(f"ALTER TYPE inner_type ADD ATTRIBUTE b{n} int CASCADE")
        result = once("nest", o={"i": {"a": 1, f"b{n}": 5}, "l": [{f"b{n}": 6}]})
        check(result["i"].get(f"b{n}") == 5 and result["l"][0].get(f"b{n}") == 6, f"{mode}: a nested type's new attribute: {result}")
        other(f"ALTER TYPE inner_type ALTER ATTRIBUTE a TYPE {'text' if n == 1 else 'varchar'} CASCADE")
        result = once("nest", o={"i": {"a": "5 EUR"}, "l": []})
        check(result["i"]["a"] == "5 EUR", f"{mode}: an attribute of another type: {result}")
        once("domv", d=1)
        other(f"ALTER DOMAIN dom ADD CONSTRAINT c{n} CHECK (VALUE < {100 - n})")
        check("23514" in str(once("domv", d=1000)) or "violates check" in str(once("domv", d=1000)), f"{mode}: a domain's new constraint is not asked")
        once("feel", m="sad")
        other(f"ALTER TYPE mood ADD VALUE 'happy{n}'")
        check(once("feel", m=f"happy{n}") == f"happy{n}", f"{mode}: an enum's new value is not known")
    role("DROP TABLE item CASCADE; CREATE TABLE item (other text)")
    role("CREATE FUNCTION pack(i item) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(i)'")
    check(role.run("flow", f="pack", a={"i": {"other": "x"}}) == {"other": "x"}, "the table was dropped and made anew")
