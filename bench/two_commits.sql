INSERT INTO r VALUES (1, 'durable execution');
INSERT INTO r VALUES (2, 'durable execution');
