#!/usr/bin/python3
"""The attacks, all or those named: hostile.py LOG [NAME...]. Prints "ok NAME" or "not ok NAME"; what the attacker got, on standard error."""
import sys
import time
import traceback

import psycopg

import doors      # noqa: F401  each adds its attacks
import leftovers  # noqa: F401
import outcomes   # noqa: F401
import shares     # noqa: F401
from stage import ATTACKS, Failed, Stage


def attempt(function, log):
    """What went wrong, or nothing."""
    stage = Stage(function.__name__, log)
    try:
        function(stage)
        stage.nobody_became_superuser()
        stage.log_is_clean()
    except (Failed, psycopg.Error):
        return traceback.format_exc(limit=-2)
    finally:
        for _ in range(60):
            try:
                stage.close()
                break
            except psycopg.Error as e:
                last = e
                time.sleep(0.5)
        else:
            raise SystemExit(f"cannot clean up after {function.__name__}: {last}")


def main():
    log, names = sys.argv[1], sys.argv[2:]
    unknown = set(names) - {f.__name__ for f in ATTACKS}
    if unknown:
        sys.exit(f"no attack {', '.join(sorted(unknown))}")
    status = 0
    for function in ATTACKS:
        if names and function.__name__ not in names:
            continue
        begin = time.monotonic()
        problem = attempt(function, log)
        print(f"{'not ok' if problem else 'ok'} {function.__name__}", flush=True)
        print(f"# {function.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
        if problem:
            print(f"---- {function.__name__}: {function.__doc__}\n{problem}", file=sys.stderr, flush=True)
            status = 1
    sys.exit(status)


main()
