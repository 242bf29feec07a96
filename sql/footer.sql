GRANT USAGE ON SCHEMA durable TO PUBLIC;
SELECT durable.installed();
