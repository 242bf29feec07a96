-- The language of workflows and activities does not matter.
\getenv dir PG_ABS_SRCDIR
\set prelude :dir /sql/prelude.psql
\set ECHO none
\i :prelude
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS plperl;
CREATE EXTENSION IF NOT EXISTS plpython3u;
RESET client_min_messages;

CREATE TABLE done (what text);
CREATE FUNCTION act_sql(what text) RETURNS int LANGUAGE sql AS
$$ INSERT INTO done VALUES (what); SELECT count(*)::int FROM done $$;
CREATE FUNCTION act_atomic(what text) RETURNS text LANGUAGE sql
BEGIN ATOMIC INSERT INTO done VALUES (what) RETURNING upper(what); END;
CREATE FUNCTION act_perl(what text) RETURNS text LANGUAGE plperl AS $$
  my $rv = spi_exec_query("INSERT INTO done VALUES (" . quote_literal($_[0]) . ")");
  die "perl will not" if $_[0] eq 'fail';
  return scalar reverse $_[0];
$$;
CREATE FUNCTION act_python(what text, n int[]) RETURNS int LANGUAGE plpython3u AS $$
  plpy.execute(plpy.prepare("INSERT INTO done VALUES ($1)", ["text"]), [what])
  if what == 'fail':
    raise ValueError("python will not")
  return sum(n)
$$;

-- Activities in four languages, and built-in functions.
CREATE FUNCTION languages() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE why text;
BEGIN
  BEGIN
    PERFORM wf_activity('act_perl', '{"what": "fail"}');
  EXCEPTION WHEN SQLSTATE 'WF001' THEN why := SQLERRM;
  END;
  BEGIN
    PERFORM wf_activity('act_python', '{"what": "fail", "n": [1]}');
  EXCEPTION WHEN SQLSTATE 'WF001' THEN why := why || ' / ' || SQLERRM;
  END;
  RETURN jsonb_build_array(why, wf_activity('act_sql', '{"what": "s"}'), wf_activity('act_atomic', '{"what": "a"}'),
    wf_activity('act_perl', '{"what": "xyz"}'), wf_activity('act_python', '{"what": "p", "n": [1, 2, 3]}'),
    wf_activity('pg_catalog.initcap', '{"$1": "built in"}'));
END $$;
SELECT wf_start('languages', id => 'languages') \gset
CALL wf_work();
SELECT wf_result('languages');
-- What the failed ones inserted is not there.
SELECT array_agg(what) FROM done;
TRUNCATE done;

-- A workflow in PL/Python that catches everything still suspends at each wait.
CREATE FUNCTION flow_python(name text) RETURNS jsonb LANGUAGE plpython3u AS $$
  import json
  steps = []
  def attempt(what, query):
    try:
      steps.append(plpy.execute(query)[0]['r'])
    except Exception as e:
      steps.append(what + ' raised ' + str(e))
    except:
      steps.append('bare except')
  attempt('activity', "SELECT wf_activity('act_sql', '{\"what\": \"one\"}') AS r")
  attempt('failure', "SELECT wf_activity('act_perl', '{\"what\": \"fail\"}') AS r")
  attempt('sleep', "SELECT wf_sleep('1 hour') AS r")
  attempt('signal', "SELECT wf_wait_signal('go') AS r")
  attempt('activity', "SELECT wf_activity('act_sql', '{\"what\": \"two\"}') AS r")
  return json.dumps([name] + steps)
$$;
SELECT wf_start('flow_python', '{"name": "python"}', id => 'python') \gset
CALL wf_work();
SELECT * FROM runs('python');
SELECT waiting_at FROM wf_executions WHERE workflow_id = 'python';
SET durable.clock_offset = '2h';
CALL wf_work();
SELECT * FROM runs('python');
SELECT wf_signal('python', 'go', '{"x": 1}') \gset
CALL wf_work();
SELECT * FROM runs('python');
SELECT n, event, attributes->'activity' AS activity FROM events('python');
SELECT array_agg(what) FROM done;
RESET durable.clock_offset;
TRUNCATE done;

-- The same in PL/Perl with eval.
CREATE FUNCTION flow_perl(name text) RETURNS jsonb LANGUAGE plperl AS $$
  my @steps = ($_[0]);
  foreach my $q ("SELECT wf_activity('act_sql', '{\"what\": \"one\"}') AS r",
      "SELECT wf_activity('act_perl', '{\"what\": \"fail\"}') AS r",
      "SELECT wf_sleep('1 hour') AS r", "SELECT wf_wait_signal('go') AS r",
      "SELECT wf_activity('act_sql', '{\"what\": \"two\"}') AS r") {
    my $r = eval { spi_exec_query($q)->{rows}[0]{r} };
    my $why = $@;
    $why =~ s/ at .*//s;
    push @steps, $why ? "raised $why" : $r // 'nothing';
  }
  return '["' . join('", "', map { s/"/'/gr } @steps) . '"]';
$$;
SELECT wf_start('flow_perl', '{"name": "perl"}', id => 'perl') \gset
CALL wf_work();
SELECT * FROM runs('perl');
SET durable.clock_offset = '2h';
CALL wf_work();
SELECT wf_signal('perl', 'go', '7') \gset
CALL wf_work();
SELECT * FROM runs('perl');
SELECT array_agg(what) FROM done;
RESET durable.clock_offset;
TRUNCATE done;

-- A handler that returns at once instead of calling again suspends as well, and so does WHEN query_canceled.
CREATE FUNCTION swallows_python() RETURNS text LANGUAGE plpython3u AS $$
  try:
    plpy.execute("SELECT wf_sleep('1 hour')")
  except:
    return 'swallowed'
  return 'slept'
$$;
CREATE FUNCTION swallows_plpgsql() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    PERFORM wf_activity('act_sql', '{"what": "one"}');
    PERFORM wf_sleep('1 hour');
  EXCEPTION WHEN query_canceled OR OTHERS THEN
    RETURN 'swallowed';
  END;
  RETURN 'slept';
END $$;
-- A handler that loops is caught out by its next call.
CREATE FUNCTION swallows_loop() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..3 LOOP
    BEGIN
      PERFORM wf_activity('act_sql', '{"what": "loop"}');
      PERFORM wf_sleep('1 hour');
      RETURN 'slept';
    EXCEPTION WHEN query_canceled THEN NULL;
    END;
  END LOOP;
  RETURN 'swallowed';
END $$;
SELECT count(wf_start(f, id => f)) FROM unnest('{swallows_python,swallows_plpgsql,swallows_loop}'::text[]) f \gset
CALL wf_work();
SELECT * FROM runs('swallows%');
SET durable.clock_offset = '2h';
CALL wf_work();
SELECT * FROM runs('swallows%');
SELECT what, count(*) FROM done GROUP BY 1 ORDER BY 1;
RESET durable.clock_offset;

-- Workflows in SQL: each call is its own step.
CREATE FUNCTION flow_sql(n int) RETURNS TABLE (a jsonb, b jsonb) LANGUAGE sql AS $$
  SELECT wf_activity('act_sql', jsonb_build_object('what', n)), wf_wait_signal('go')
$$;
CREATE FUNCTION flow_sql2(n int) RETURNS jsonb LANGUAGE sql AS $$
  SELECT wf_activity('act_sql', jsonb_build_object('what', n));
  SELECT wf_sleep('1 min');
  SELECT wf_wait_signal('go');
$$;
SELECT wf_start('flow_sql', '{"n": 1}', id => 'sql1') \gset
SELECT wf_start('flow_sql2', '{"n": 2}', id => 'sql2') \gset
SELECT wf_signal('sql1', 'go', '"g1"'), wf_signal('sql2', 'go', '"g2"') \gset
CALL wf_work();
SET durable.clock_offset = '2min';
CALL wf_work();
SELECT * FROM runs('sql_');
-- An untrusted runtime error in the code fails the workflow, with the language's message.
CREATE FUNCTION python_error() RETURNS text LANGUAGE plpython3u AS $$
  raise ValueError('python raised')
$$;
CREATE FUNCTION perl_error() RETURNS text LANGUAGE plperl AS $$ die "perl died\n" $$;
SELECT wf_start('python_error', id => 'e1') \gset
SELECT wf_start('perl_error', id => 'e2') \gset
CALL wf_work();
SELECT * FROM runs('e_');
-- Code of a language that looks for no interrupts is not told that its time is over: the process does not end for it.
CREATE FUNCTION computes() RETURNS int LANGUAGE plpython3u AS $$
  import time
  end = time.monotonic() + 3.5
  while time.monotonic() < end: pass
  return 1
$$;
SET durable.turn_timeout = '100 ms';
SELECT wf_start('computes', id => 'computes') \gset
CALL wf_work();
SELECT * FROM runs('computes');
RESET durable.turn_timeout;
