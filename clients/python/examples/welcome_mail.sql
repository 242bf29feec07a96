-- A mail to a new user, sent by welcome_mail.py.
CREATE FUNCTION welcome(name text, address text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('send_email',
                     jsonb_build_object('to', address, 'subject', 'Welcome, ' || name,
                                        'body', 'We are glad that you are here.'),
                     task_queue => 'email',
                     start_to_close => '30 seconds',
                     retry => wf_retry(initial_interval => '1 second',
                                       backoff => 2.0,
                                       max_interval => '5 minutes',
                                       max_attempts => 10,
                                       non_retryable => ARRAY['InvalidEmailError']));
END $$;
