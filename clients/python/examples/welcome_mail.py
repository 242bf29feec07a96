"""An activity that sends mail, and knows which failures will pass.

    python3 welcome_mail.py CONNINFO SMTP-HOST PORT

A server that does not answer is an ordinary exception, retried by the policy in welcome_mail.sql.
An address that cannot exist is an InvalidEmailError, which that policy does not retry.
"""

import logging
import smtplib
import sys
from email.message import EmailMessage

from durable import ApplicationError, Worker, activity


class InvalidEmailError(ApplicationError):
    pass


class Mailer:
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    @activity
    def send_email(self, to: str, subject: str, body: str) -> dict:
        local, _, domain = to.partition("@")
        if not local or "." not in domain:
            raise InvalidEmailError(f"{to!r} is no mail address", details={"address": to})
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "shop@example.com", to, subject
        # The same for all attempts: mail programs show two messages of one id as one.
        message["Message-ID"] = f"<{activity.info().idempotency_key}@example.com>"
        message.set_content(body)
        with smtplib.SMTP(self.host, self.port, timeout=10) as smtp:
            smtp.send_message(message)
        return {"message_id": message["Message-ID"]}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    conninfo, host, port = sys.argv[1:]
    Worker(conninfo, "email", [Mailer(host, int(port)).send_email]).run()
