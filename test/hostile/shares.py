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
