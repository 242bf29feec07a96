"""An activity that imports a large file, in chunks, each exactly once.

    python3 import_file.py CONNINFO

Kill it at any moment, with SIGKILL: the next attempt goes on after the last chunk.  The heartbeat
is sent in the transaction of the chunk, so that the rows and the place in the file commit
together.  An attempt that lost its task meanwhile gets TaskLost, and its chunk is rolled back.
"""

import logging
import sys

import psycopg

from durable import Client, Worker, activity

CHUNK = 256 * 1024


class Importer:
    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo

    @activity
    def import_file(self, path: str) -> dict:
        done = activity.heartbeat_details() or {"offset": 0, "rows": 0}
        token = activity.info().task_token
        with psycopg.connect(self.conninfo) as conn, open(path, "rb") as file:
            file.seek(done["offset"])
            while chunk := file.read(CHUNK):
                activity.heartbeat()  # raises when we should stop
                chunk += file.readline()  # whole lines
                with conn.transaction(), conn.cursor() as cursor:
                    with cursor.copy("COPY reading FROM STDIN (FORMAT csv)") as copy:
                        copy.write(chunk)
                    done = {"offset": file.tell(), "rows": done["rows"] + chunk.count(b"\n")}
                    Client(conn).heartbeat_activity(token, done)
        return {"rows": done["rows"]}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    Worker(sys.argv[1], "import", [Importer(sys.argv[1]).import_file]).run()
