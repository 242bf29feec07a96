"""Where the attacks take place: a server with workers, for each attack a database and roles of its own."""
import itertools
import json
import re
import threading
import time
from pathlib import Path

import psycopg

ATTACKS = []
counter = itertools.count(1)


def attack(function):
    """An attack; its docstring says what the attacker wants. It returns if that was refused, and raises Failed if not."""
    ATTACKS.append(function)
    return function


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


class Session:
    """One role's connection. Calls: session(sql) gives the first value; rows(sql) all; error(sql) the SQLSTATE of a failure."""

    def __init__(self, database, role, search_path=None):
        self.database, self.role = database, role
        self.conn = psycopg.connect(dbname=database, user=role, autocommit=True, options="-c statement_timeout=40s")
        self.notices = []
        self.conn.add_notice_handler(lambda diagnostic: self.notices.append(diagnostic.message_primary))
        if search_path:
            self.conn.execute(f"SET search_path = {search_path}")

    def rows(self, sql, *values):
        cursor = self.conn.execute(sql, values or None)
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []

    def __call__(self, sql, *values):
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def error(self, sql, *values, internal=False):
        try:
            self.rows(sql, *values)
        except psycopg.Error as e:
            check(not self.conn.closed, f"{self.role} lost its connection by: {sql[:300]}")
            check(internal or not (e.sqlstate or "").startswith("XX"), f"internal error by {sql[:300]}: {e}")
            return e.sqlstate
        return None

    def outcome(self, workflow_id, seconds=15):
        """The result, or "SQLSTATE message"; "open: why" if it is not over in time."""
        try:
            return self("SELECT wf_result(%s::text, timeout => make_interval(secs => %s))", workflow_id, float(seconds))
        except psycopg.Error as e:
            return f"{e.sqlstate} {str(e).splitlines()[0]}{self.stuck()}"

    def start(self, workflow, workflow_id=None, **arguments):
        return str(self("SELECT wf_start(%s::text, %s::jsonb, id => %s::text)", workflow, json.dumps(arguments), workflow_id))

    def run(self, workflow, seconds=15, **arguments):
        """Starts it and waits for its end."""
        workflow_id = f"run-{next(counter)}"
        self.start(workflow, workflow_id, **arguments)
        return self.outcome(workflow_id, seconds)

    def status(self, workflow_id):
        return self("SELECT status FROM wf_executions WHERE workflow_id = %s ORDER BY run_id DESC LIMIT 1", workflow_id)

    def wait(self, sql, what, seconds=15):
        end = time.monotonic() + seconds
        while not self(sql):
            check(time.monotonic() < end, f"{what}: not within {seconds} s{self.stuck()}")
            time.sleep(0.05)

    def stuck(self):
        """Why, for those who read of a failure."""
        try:
            return "".join(f"; {row[0]}: {row[1]} {row[2]}" for row in self.rows("SELECT workflow_id, why, error ->> 'message' FROM wf_stuck LIMIT 3"))
        except psycopg.Error as e:
            return f"; {e}"

    def background(self, sql):
        """Runs a statement, in a thread, whatever comes of it."""
        def go():
            try:
                self.conn.execute(sql)
            except psycopg.Error:
                pass
        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        return thread

    def close(self):
        self.conn.close()


class Stage:
    def __init__(self, name, log):
        self.name, self.log = f"hostile_{name}"[:60], Path(log)
        self.seen = self.log.stat().st_size
        self.sessions = []
        with psycopg.connect(dbname="postgres", user="postgres", autocommit=True) as c:
            c.execute(f'CREATE DATABASE "{self.name}" TEMPLATE with_durable')
        self.su = self.session("postgres")

    def session(self, role, search_path=None, database=None):
        session = Session(database or self.name, role, search_path)
        self.sessions.append(session)
        return session

    def role(self, name):
        """An ordinary role with a schema of its own, which the others may look into. Its name is unique in the cluster."""
        role = f"{name}_{next(counter)}"
        self.su(f"CREATE ROLE {role} LOGIN")
        self.su(f"CREATE SCHEMA {role} AUTHORIZATION {role}")
        self.su(f"GRANT USAGE ON SCHEMA {role} TO public")
        return self.session(role, f"{role}, public")

    def again(self, session):
        """Another session of the same role."""
        return self.session(session.role, f"{session.role}, public")

    def other_database(self):
        name = f"{self.name}_2"
        self.su(f'CREATE DATABASE "{name}" TEMPLATE with_durable')
        return name

    def views(self):
        return [row[0] for row in self.su.rows("SELECT relname::text FROM pg_class WHERE relkind = 'v' AND relname LIKE 'wf\\_%' ORDER BY 1")]

    def clones(self):
        """Functions in our schema that did not come with the extension."""
        return self.su.rows("""
            SELECT p.oid::regprocedure::text, p.proowner::regrole::text, p.pronargs FROM pg_proc p
            WHERE p.pronamespace = 'durable'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')""")

    def nobody_became_superuser(self):
        gained = self.su.rows("SELECT rolname FROM pg_roles WHERE (rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls) AND oid >= 16384")
        check(not gained, f"gained the rights of a superuser: {gained}")
        member = self.su.rows("SELECT m.rolname FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member WHERE m.oid >= 16384")
        check(not member, f"became a member of another role: {member}")

    def trap(self, role):
        """PL/pgSQL that tells the log, which no transaction takes back, when another than the attacker runs her code."""
        return f"IF current_user <> '{role}' THEN RAISE LOG 'sprung as %', current_user; END IF;"

    def log_is_clean(self):
        """No crash, and no trap sprung."""
        with open(self.log, errors="replace") as f:
            f.seek(self.seen)
            text = f.read()
        bad = re.findall(r".*(?:terminated by signal|TRAP:|PANIC:|AddressSanitizer|runtime error:).*", text)
        check(not bad, f"the server crashed: {bad[:3]}")
        sprung = set(re.findall(r"sprung as \w+", text))
        check(not sprung, f"code of the attacker ran: {sprung}")

    def close(self):
        """Back to a server that has nothing of this attack."""
        for session in self.sessions:
            session.close()
        with psycopg.connect(dbname="postgres", user="postgres", autocommit=True) as c:
            for database in (self.name, f"{self.name}_2"):
                c.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
            for (role,) in c.execute("SELECT quote_ident(rolname) FROM pg_roles WHERE oid >= 16384").fetchall():
                c.execute(f"DROP OWNED BY {role}")
                c.execute(f"DROP ROLE {role}")
            if c.execute("SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'").fetchone()[0]:
                c.execute("ALTER SYSTEM RESET ALL")
                c.execute("SELECT pg_reload_conf()")
