"""The database's clock as the queue needs it: when it goes back, nothing waits for the difference.

When it goes forward, jobs are due early and leases run out; heartbeats extend the leases of whoever lives before
anybody sweeps them.
"""

from storage.database import Connection

TOLERANCE_S = 2.0
"""What time synchronisation takes back in small steps is no jump."""


def keep(connection: Connection, *, lease_s: float) -> float:
    """Note the time, and take a jump back out of what is to come; its seconds, 0 without one.

    The row's lock lets one of several daemons do it, and none waits for another. No lease reaches further than
    `lease_s` afterwards.
    """
    row = connection.execute(
        """select greatest(0, extract(epoch from seen_at - clock_timestamp()))::float8 as back_s
           from queue_clock for update skip locked"""
    ).fetchone()
    if row is None:
        return 0.0
    back_s = row["back_s"] if row["back_s"] > TOLERANCE_S else 0.0
    if back_s:
        connection.execute(
            """update jobs set run_at = greatest(now(), run_at - make_interval(secs => %s))
               where state = 'ready' and run_at > now()""",
            (back_s,),
        )
    connection.execute(
        """update jobs set lease_until = now() + make_interval(secs => %(s)s)
           where state = 'running' and lease_until > now() + make_interval(secs => %(s)s)""",
        {"s": lease_s},
    )
    connection.execute("update queue_clock set seen_at = clock_timestamp()")
    return float(back_s)
