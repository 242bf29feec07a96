-- Data of each tenant fetched page by page, a child workflow for each page.
--
--     createdb shop && psql -d shop -f examples/tenant_sync.sql
--
-- One workflow a tenant, whose id keeps a second sync of the same tenant from
-- starting while one runs. It asks how many pages there are and starts a child
-- for each; a child has a history, retries and an outcome of its own. A page that
-- cannot be fetched costs that page, not the sync.
\set ON_ERROR_STOP on
\set QUIET on
CREATE EXTENSION IF NOT EXISTS durable;

-- -- the application's tables and functions ------------------------------------

CREATE TABLE remote (tenant text, page int, items jsonb, PRIMARY KEY (tenant, page));         -- stands for a service
INSERT INTO remote SELECT t, p, (SELECT jsonb_agg(p * 100 + i) FROM generate_series(1, 10) i)
FROM unnest('{acme,bolt,core}'::text[]) t, generate_series(1, 8) p WHERE t <> 'core' OR p <= 3;
CREATE TABLE item (tenant text NOT NULL, id int NOT NULL, PRIMARY KEY (tenant, id));

CREATE FUNCTION count_pages(tenant text) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM remote r WHERE r.tenant = $1';

-- Page 5 of bolt is broken; every third page is slow to answer and fails once.
CREATE FUNCTION fetch_page(tenant text, page int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  stored int;
BEGIN
  INSERT INTO item SELECT r.tenant, i::int FROM remote r, jsonb_array_elements(items) i WHERE r.tenant = fetch_page.tenant AND r.page = fetch_page.page;
  GET DIAGNOSTICS stored = ROW_COUNT;
  IF tenant = 'bolt' AND page = 5 THEN
    PERFORM wf_fail('Corrupt', format('page %s of %s is corrupt', page, tenant), non_retryable => true);
  ELSIF page % 3 = 0 AND (wf_activity_info()->>'attempt')::int = 1 THEN
    PERFORM wf_fail('Timeout', 'the service does not answer');
  END IF;
  RETURN stored;
END $$;

-- -- the workflows ----------------------------------------------------------------

CREATE FUNCTION sync_page(tenant text, page int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('fetch_page', jsonb_build_object('tenant', tenant, 'page', page), retry => wf_retry(max_attempts => 5, initial_interval => '50 ms'));
END $$;

CREATE FUNCTION sync_tenant(tenant text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  pages int := wf_activity('count_pages', jsonb_build_object('tenant', tenant));
  children wf_handle[];
  items int := 0;
  failed jsonb := '[]';
BEGIN
  FOR page IN 1..pages LOOP
    children := children || wf_start_child('sync_page', jsonb_build_object('tenant', tenant, 'page', page), id => format('sync-%s-page-%s', tenant, page));
  END LOOP;
  PERFORM wf_await_all(children, settle => true);
  FOR page IN 1..pages LOOP
    BEGIN
      items := items + wf_await(children[page])::int;
    EXCEPTION WHEN SQLSTATE 'WF004' THEN         -- that child has failed
      failed := failed || to_jsonb(SQLERRM);
    END;
  END LOOP;
  RETURN jsonb_build_object('pages', pages, 'items', items, 'failed', failed);
END $$;

-- -- and their use ------------------------------------------------------------------

\echo All tenants, by one statement. The fairness key has them take turns in task queues.
SELECT wf_start('sync_tenant', jsonb_build_object('tenant', tenant), id => 'sync-' || tenant, fairness_key => tenant) AS run FROM (SELECT DISTINCT tenant FROM remote) t;
SELECT workflow_id, wf_result(workflow_id, timeout => '30 s') FROM unnest('{sync-acme,sync-bolt,sync-core}'::text[]) workflow_id;
\echo The children of one of them
SELECT workflow_id, status, result, error->>'message' AS error FROM wf_executions WHERE parent_workflow_id = 'sync-bolt' ORDER BY 1;

\pset tuples_only on
\pset format unaligned
SELECT CASE WHEN wf_result('sync-acme') = '{"pages": 8, "items": 80, "failed": []}'
    AND wf_result('sync-bolt') = '{"pages": 8, "items": 70, "failed": ["page 5 of bolt is corrupt"]}'
    AND wf_result('sync-core') = '{"pages": 3, "items": 30, "failed": []}'
    AND (SELECT count(*) FROM item) = 180
    AND (SELECT count(*) FROM wf_executions WHERE parent_workflow_id IS NOT NULL) = 19
  THEN 'ok' ELSE 'not what was expected' END;
