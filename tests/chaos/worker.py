"""A worker process of the chaos: DSN NODE ROAD SEED. It works until it is killed; its input tells it clock jumps.

ROAD "actors" is the real Queue with real Workers under a real Supervisor; "batches" uses the storage functions as
another program would, and misbehaves on purpose: it holds jobs beyond their leases and acknowledges twice.
"""

import sys
import threading

from tests.chaos import shifted_time


def obey() -> None:
    """Jump as told, until the runner is gone; then end without any farewell."""
    for line in sys.stdin:
        shifted_time.jump(float(line))
    raise SystemExit


if __name__ == "__main__":
    shifted_time.install()
    from tests.chaos.work import ROADS

    dsn, node, road, seed = sys.argv[1:]
    threading.Thread(target=ROADS[road], args=(dsn, node, seed), daemon=True).start()
    obey()
