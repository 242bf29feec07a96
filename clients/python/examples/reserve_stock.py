"""An activity that calls a service over HTTP.

    python3 reserve_stock.py CONNINFO URL

The service may get a request twice: when the worker dies after sending it, or when its answer is
lost.  The idempotency key is the same for all attempts, so it can tell.
"""

import json
import logging
import sys
import urllib.error
import urllib.request
from datetime import timedelta

from durable import ApplicationError, Worker, activity


class StockService:
    def __init__(self, url: str) -> None:
        self.url = url

    @activity
    def reserve_stock(self, sku: str, quantity: int) -> dict:
        request = urllib.request.Request(
            f"{self.url}/reservations",
            data=json.dumps({"sku": sku, "quantity": quantity}).encode(),
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": activity.info().idempotency_key,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise failure(error) from error


def failure(error: urllib.error.HTTPError) -> ApplicationError:
    """4xx: our request is wrong and stays wrong.  5xx: try again, when the service says so."""
    retry_after = error.headers.get("Retry-After", "")
    return ApplicationError(
        f"{error.code} {error.reason}",
        type="RequestRefused" if error.code < 500 else "ServiceFailed",
        details={"status": error.code, "body": error.read(1000).decode("utf-8", "replace")},
        non_retryable=error.code < 500,
        next_retry_delay=timedelta(seconds=int(retry_after)) if retry_after.isdigit() else None,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    conninfo, url = sys.argv[1:]
    Worker(conninfo, "stock", [StockService(url).reserve_stock]).run()
