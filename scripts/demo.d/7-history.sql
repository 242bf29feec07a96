-- The history of one order, with the kill and the restart put in.
SELECT event AS "#", to_char(at, 'HH24:MI:SS.MS') AS at, what, left(attributes, 70) AS attributes
FROM (
  SELECT event_id AS event, at, event_type AS what, attributes::text FROM wf_history(:'workflow_id')
  UNION ALL VALUES
    (NULL::bigint, :'killed'::timestamptz,    '*** kill -9 ***', ''),
    (NULL, :'restarted'::timestamptz, '*** started again ***', '')
) AS h
ORDER BY h.at, h.event;
