"""What is done again and again, made from the configuration: the tasks, the clock they go by, and who does them."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from actors.archivist import BACKUP, STALE_S, Archivist
from actors.child import Child
from actors.housekeeper import HOUSEKEEPING, Housekeeper
from actors.queue import Lane
from actors.scheduler import Scheduler
from config.schedules import interval_s
from config.schema import Config
from daemon.backups import folder_of, keep_one
from daemon.runtime import Runtime
from storage.backup import OnStep
from storage.backup_folder import Reason
from storage.housekeeping import Keep
from storage.postgres_programs import Programs
from storage.schedules import Cron, Interval, Schedule, Task

PAGE_DEADLINE_S = 60.0
ARCHIVIST_DEADLINE_S = 300.0
"""For what it does beside pg_dump, which is watched by itself: a large backup's checksum, and its way to the disk."""
ARCHIVIST_STOP_S = 3.0
TICKS_AHEAD = 10
HOUSEKEEPER, ARCHIVIST = "housekeeper", "archivist"
MACHINE_ZONE = Path("/etc/localtime")


def scheduled(runtime: Runtime, worker: Mapping[str, Any]) -> list[Child]:
    """The Scheduler and those who do its tasks; `worker` are the arguments of every Worker."""
    config, storage = runtime.config, runtime.config.storage
    scheduler = {"database": runtime.database, "node": runtime.node, "tasks": tasks(config)}
    keep = Keep(jobs_s=storage.keep_jobs, events_s=storage.keep_events, history_s=storage.keep_history)
    children = [
        Child(name="scheduler", actor=Scheduler, arguments=scheduler, deadline_s=config.daemon.hang_limit),
        Child(name=HOUSEKEEPER, actor=Housekeeper, arguments={**worker, "keep": keep}, deadline_s=PAGE_DEADLINE_S),
    ]
    if (schedule := backup_schedule(config)) is not None:
        children.append(_archivist(runtime, worker, stale_s=stale_s(schedule, now=datetime.now(UTC))))
    return children


def scheduled_lanes(runtime: Runtime) -> dict[str, Lane]:
    """The lanes of those who do the tasks."""
    lanes = {HOUSEKEEPING: Lane(runtime.address(HOUSEKEEPER))}
    return lanes | ({BACKUP: Lane(runtime.address(ARCHIVIST))} if backup_schedule(runtime.config) else {})


def _archivist(runtime: Runtime, worker: Mapping[str, Any], *, stale_s: float) -> Child:
    config, dsn = runtime.config, runtime.database.dsn

    def make(is_stopping: Callable[[], bool], on_step: OnStep) -> Path:
        programs = Programs(binaries=config.backup.binaries, spawn=runtime.spawner.spawn, is_stopping=is_stopping)
        return keep_one(folder_of(config), Reason.DAILY, dsn=dsn, programs=programs, on_step=on_step)

    return Child(
        name=ARCHIVIST,
        actor=Archivist,
        arguments={
            **worker,
            "make": make,
            "health": runtime.health,
            "progress_writer": runtime.progress,
            "stale_s": stale_s,
        },
        deadline_s=ARCHIVIST_DEADLINE_S,
        shutdown_s=ARCHIVIST_STOP_S,
    )


def tasks(config: Config) -> list[Task]:
    """What is due when. Daemons that share a database share the ticks of what they have in common."""
    housekeeping = _schedule(config.schedules.housekeeping, config)
    found = [Task(name=HOUSEKEEPING, schedule=housekeeping, kind=HOUSEKEEPING, lane=HOUSEKEEPING)]
    if (schedule := backup_schedule(config)) is not None:
        found.append(Task(name=BACKUP, schedule=schedule, kind=BACKUP, lane=BACKUP))
    return found


def backup_schedule(config: Config) -> Schedule | None:
    """None: no backups but those before migrations and by hand."""
    if config.schedules.backup is not None:
        return _schedule(config.schedules.backup, config)
    if not config.backup.daily:
        return None
    hour, minute = map(int, config.backup.daily.split(":"))
    return _schedule(f"{minute} {hour} * * *", config)


def stale_s(schedule: Schedule, *, now: datetime) -> float:
    """How old the last backup may be: two of the longest pauses that come soon, and two days at least."""
    ticks = [now]
    for _ in range(TICKS_AHEAD):
        ticks.append(schedule.next(ticks[-1]))
    return max(STALE_S, 2 * max((two - one).total_seconds() for one, two in pairwise(ticks)))


def _schedule(text: str, config: Config) -> Schedule:
    every_s = interval_s(text)
    if every_s is not None:
        return Interval(every_s=every_s)
    return Cron(expression=text, zone=zone_named(config.daemon.timezone))


def zone_named(name: str) -> tzinfo:
    """The time zone of that name; "" is this machine's, by TZ or /etc/localtime, or UTC where it has none."""
    if name:
        return ZoneInfo(name)
    try:
        if variable := os.environ.get("TZ", "").lstrip(":"):
            return ZoneInfo(variable)
        with MACHINE_ZONE.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC
