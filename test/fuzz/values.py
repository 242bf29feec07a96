"""Values of every type that a function of the extension takes: plausible, extreme and absurd ones, as SQL text."""
import hashlib
import json

# Names that a run, a function or a queue of the fuzzer really has make calls get further than absurd ones.
WORKFLOW_IDS = ["mine", "w1", "w2", "w3", "victim"]
FUNCTIONS = ["wf", "act", "proc", "steps", "base", "victim_wf", "pg_catalog.now", "pg_catalog.pg_sleep", "wf_start", "durable.find_run", "no.such.thing"]
WORDS = [
    "queued", "inline", "external", "current", "same", "default", "first", "last", "last_failure", "last_continue_as_new", "terminate", "cancel", "abandon",
    "wait", "try_cancel", "use_existing", "terminate_existing", "reject", "allow", "allow_failed_only", "fail", "pinned", "auto_upgrade", "accepted", "admitted",
    "completed", "workflow_started", "activity_scheduled", "workflow_completed", "start_to_close", "schedule_to_close", "heartbeat", "__stack", "__info", "__",
    "go", "q", "vq", "k", "activity 1", "timer 1", "child 1", "signal 1", "WF001", "57014", "XX000", "00000",
]
ABSURD = ["", " ", '"', "'", "\\", "a.b", "...", "%s%n%d", "{}", "null", "-1", "ab\tcd\n", "\x01\x02", "\x7f" * 64, "a" * 64, "x" * 1000, "x" * 1001,
          "é" * 32, "é" * 33, "é" * 400, "\U0001F600" * 250, "00" * 24, "ff" * 24, "00" * 23 + "01", "12" * 25]
INCOMPRESSIBLE = ["".join(hashlib.md5(f"{n} {i}".encode()).hexdigest() for i in range(n)) for n in (30, 32, 90, 300)]
TEXTS = WORKFLOW_IDS + FUNCTIONS + WORDS + ABSURD + INCOMPRESSIBLE

JSON = [
    None, {}, [], 1, -1, 0.1, "x", True, {"a": 1}, [1, None, "x", {}], [[[[]]]], {"": ""}, {"n": 1}, {"n": "x"}, {"$1": 1}, "é", {str(i): i for i in range(200)}, "y" * 20000,
    ["z" * 17000], {"max_attempts": 3}, {"max_attempts": -1}, {"max_attempts": "3"}, {"initial_interval": "1s", "backoff": 1e5}, {"initial_interval": "x"}, {"backoff": None},
    {"non_retryable": ["x", None]}, {"jitter": 2}, {"u": "valid"}, {"u": "victim_wf"}, {"run_id": 1}, {"activity": "x"}, [{"event_id": 1}], {"acme": 3}, {"acme": 1e300},
    {"acme": -1}, {"acme": "NaN"}, {"message": "m", "type": "t", "sqlstate": "x"}, {"message": None, "sqlstate": "00000"},
]
JSON_TEXTS = [json.dumps(v) for v in JSON] + ['{"max_attempts": 1e30}', "1e400", "-0", "[" * 200 + "]" * 200, '{"a":' * 100 + "1" + "}" * 100, '"\\u00e9"']
INTERVALS = ["0", "1 us", "1 ms", "1 s", "-1 s", "1 mon", "-1 mon 40 days", "100 years", "99999 years", "178000000 years", "-178000000 years", "2147483647 months",
             "-2147483648 months", "2147483647 days", "2562047788:00:54.775807"]
INTEGERS = ["0", "1", "-1", "2", "3", "5", "6", "7", "100", "1000", "1001", "2147483647", "-2147483648"]
NUMBERS = {
    "smallint": ["0", "1", "-1", "12", "15", "21", "41", "42", "32767", "-32768"],
    "integer": INTEGERS,
    "bigint": INTEGERS + ["4294967296", "9223372036854775807", "-9223372036854775808"],
    "double precision": ["0", "-0.0", "1", "0.001", "0.5", "1000", "1001", "1e-308", "1e308", "'NaN'", "'Infinity'", "'-Infinity'"],
    "boolean": ["true", "false"],
}
LITERALS = {
    "timestamp with time zone": ["now()", "'infinity'", "'-infinity'", "'2026-01-01'", "'1970-01-01'", "'4714-11-24 BC'", "'294276-12-31'"],
    "text[]": ["'{}'", "'{x}'", "'{a,NULL,b}'", "'{{a,b},{c,d}}'", "'[0:1]={x,y}'", "'{signal,update}'", "array(SELECT repeat('x', 100) FROM generate_series(1, 500))"],
    "jsonb[]": ["'{}'", "'{NULL,1}'", "'{{1,2},{3,4}}'", "'{\"{}\"}'"],
    "wf_handle": ["'activity 1'", "'activity -1'", "'activity 2147483647'", "'timer 1'", "'timer 99999999999'", "'child 1'", "'signal 0'", "'signal 1'", "'signal 2147483647'", "'x'", "''"],
    "wf_handle[]": ["'{}'", "'{NULL}'", "'{activity 1,timer 2,signal 1,child 3}'", "'{{activity 1},{timer 1}}'", "'{activity 2147483647}'",
                    "array(SELECT ('activity ' || n)::wf_handle FROM generate_series(1, 300) n)"],
    "regrole": ["'postgres'", "'fuzz_victim'", "'fuzz'", "'pg_signal_backend'", "0", "4294967295"],
    "regprocedure": ["'victim_wf(text)'", "'wf(int,text)'", "'act(int)'", "'proc(int)'", "'base()'", "'pg_catalog.now()'", "'pg_catalog.pg_sleep(float8)'",
                     "'pg_catalog.record_in(cstring,oid,int4)'", "'pg_catalog.sum(int4)'", "'pg_catalog.rank()'", "'pg_catalog.generate_series(int4,int4)'",
                     "'durable.handle_in(cstring)'", "0", "4294967295"],
    "oid": ["0", "10", "4294967295", "'fuzz_victim'::regrole"],
    "durable.event": ["(1,now(),1,'x','{}',NULL,'{}')", "(NULL,NULL,NULL,NULL,NULL,NULL,NULL)", "(12,now(),-1,NULL,'1',9223372036854775807,'[]')", "(15,now(),2147483647,'x',NULL,NULL,'1')"],
}
ANY = ["1", "1.5", "'x'", "NULL", "now()", "row(1,2)", "array[1,2]", "'{}'::jsonb", "'a'::name", "NULL::int"]
STATEMENTS = ["select 1", "select $1::text", "select $1, $2", "", "select 1; select 2", "commit", "rollback", "delete from pg_class", "delete from pg_class; --", "select * from generate_series(1, 3)",
              "insert into t values (1) returning *", "with x as (select 1) select", "create table if not exists u (x int)", "listen x", "set role postgres", "select pg_sleep(10)", "do 'begin end'"]
EVENT_TYPES = [
    "workflow_started", "workflow_completed", "workflow_failed", "workflow_timed_out", "workflow_cancel_requested", "workflow_canceled", "workflow_terminated", "workflow_signaled",
    "workflow_paused", "workflow_unpaused", "workflow_continued_as_new", "workflow_update_accepted", "workflow_update_completed", "activity_scheduled", "activity_completed",
    "activity_failed", "activity_timed_out", "activity_canceled", "timer_started", "timer_canceled", "timer_fired", "marker_recorded", "child_workflow_initiated",
    "child_workflow_completed", "child_workflow_failed", "signal_external_initiated", "signal_external_failed", "options_updated", "memo_upserted", "search_attributes_upserted", "x",
]
EVENT_VALUES = [None, -1, 0, 1, 2, 3, 2147483647, -2147483648, 9e18, 1e300, "x", "", [], {}, True, False, "workflow_started", "activity", {"message": 1}, {"sqlstate": "zz"}]
EVENT_ATTRIBUTES = ["command", "version", "timeout", "input", "result", "failure", "wait", "name", "fire_at", "update_id"]


def quote(text):
    """A literal, whatever standard_conforming_strings says."""
    text = text.replace("'", "''")
    return f" E'{text.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{text}'"


class Values:
    """Draws values; remembers what the server gave us, to give it back."""

    def __init__(self, random, history, victim_run):
        self.random, self.base_history, self.victim_run = random, history, victim_run
        self.tokens, self.runs = [], []

    def null(self, type_name):
        return "NULL" if type_name in ('"any"', "record", "anyelement") else f"NULL::{type_name}"

    def value(self, type_name, name=""):
        r = self.random
        if r.random() < 0.12:
            return self.null(type_name)
        if type_name == "text":
            return quote(self.text(name))
        if type_name == "jsonb":
            return quote(self.history() if name == "history" and r.random() < 0.9 else r.choice(JSON_TEXTS).replace("1e400", "1e300")) + "::jsonb"
        if type_name == "interval":
            return f"'{r.choice(INTERVALS)}'::interval"
        if type_name == "uuid":
            return f"{self.uuid()}::uuid"
        if type_name == "cstring":
            return quote(r.choice(TEXTS)) + "::cstring"
        if type_name in NUMBERS:
            return f"({r.choice(NUMBERS[type_name])})::{type_name}"
        if type_name in LITERALS:
            return f"{r.choice(LITERALS[type_name])}::{type_name}"
        if type_name == '"any"':
            return r.choice(ANY)
        return self.null(type_name)

    def text(self, name):
        r = self.random
        if name == "task_token" and self.tokens and r.random() < 0.5:
            return r.choice(self.tokens)
        if name == "query" and r.random() < 0.8:
            return r.choice(STATEMENTS)
        if name in ("id", "workflow", "name", "activity", "workflow_id") and r.random() < 0.6:
            return r.choice(WORKFLOW_IDS + FUNCTIONS[:6])
        return r.choice(TEXTS)

    def uuid(self):
        return self.random.choice([f"'{self.victim_run}'", "gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]
                                  + [f"'{run}'" for run in self.runs[-3:]])

    def history(self):
        """A real one with events lost, doubled, altered."""
        r = self.random
        events = json.loads(json.dumps(self.base_history))
        for _ in range(r.randint(0, 6)):
            if not events:
                break
            i, how = r.randrange(len(events)), r.random()
            if how < 0.2:
                del events[i]
            elif how < 0.3:
                events.insert(r.randrange(len(events) + 1), dict(events[i]))
            elif how < 0.35:
                events = [events[i]]
            elif how < 0.6:
                events[i] = dict(events[i], **{r.choice(list(events[i])): r.choice(EVENT_VALUES)})
            elif how < 0.9:
                attributes = events[i].get("attributes")
                attributes = attributes if isinstance(attributes, dict) else {}
                events[i] = dict(events[i], attributes=dict(attributes, **{r.choice(list(attributes) + EVENT_ATTRIBUTES): r.choice(EVENT_VALUES)}))
            else:
                events[i] = dict(events[i], event_type=r.choice(EVENT_TYPES))
        return json.dumps(r.choice([None, {}, 1, [1], [None], [[]]]) if r.random() < 0.02 else events)

    def remember(self, function, rows):
        """Tokens and runs that a call returned."""
        if function.name == "wf_poll_activities":
            self.tokens += [token for row in rows for token in [str(row[0]).lstrip("(").split(",")[0]] if len(token) == 48]
            del self.tokens[:-20]
        elif function.name in ("wf_start", "wf_signal_with_start") and rows and rows[0][0]:
            self.runs.append(str(rows[0][0]))
            del self.runs[:-20]
