INSERT INTO r VALUES (1, 'durable execution');
