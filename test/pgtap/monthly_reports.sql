-- A year of monthly reports, in milliseconds.
BEGIN;
SELECT plan(7);

CREATE TABLE report (month date, made_at timestamptz);
CREATE FUNCTION make_report(month date, at timestamptz) RETURNS void
LANGUAGE sql AS $$ INSERT INTO report VALUES (month, at) $$;

CREATE FUNCTION monthly_reports(months int) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
  month timestamptz = date_trunc('month', wf_now());
BEGIN
  FOR i IN 1 .. months LOOP
    month := month + interval '1 month';
    PERFORM wf_sleep_until(month + interval '6 hours');          -- on the first, at six
    PERFORM wf_activity('make_report', jsonb_build_object('month', month - interval '1 month', 'at', wf_now()));
  END LOOP;
  RETURN months;
END $$;

SET LOCAL timezone = 'UTC';
SELECT wf_test_begin('2026-01-15 12:00');
SELECT clock_timestamp() AS before \gset
SELECT is(wf_test_run('monthly_reports', '{"months": 12}', id => 'reports'), '12', 'twelve months');
SELECT cmp_ok(clock_timestamp() - :'before', '<', interval '1 s', 'take no time');
SELECT is(wf_test_elapsed(), '2027-01-01 06:00'::timestamptz - '2026-01-15 12:00', 'but almost a year of the test''s');
SELECT is(count(*), 12::bigint, 'there are twelve reports') FROM report;
SELECT results_eq('SELECT made_at FROM report ORDER BY 1',
  'SELECT generate_series(timestamptz ''2026-02-01 06:00'', ''2027-01-01 06:00'', ''1 month'')', 'each of the first of the next month, at six');
SELECT is(closed_at - started_at, wf_test_elapsed(), 'the history has the same time') FROM wf_executions WHERE workflow_id = 'reports';

-- Halfway through the year
SELECT lives_ok($$SELECT wf_start('monthly_reports', '{"months": 12}', id => 'more');
  SELECT wf_test_advance('6 months 1 day');
  DO 'BEGIN ASSERT (SELECT count(*) FROM report) = 18; END'$$, 'after half of the next year half of its reports are there');

SELECT * FROM finish();
ROLLBACK;
