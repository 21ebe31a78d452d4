"""What is done again and again, made from the configuration: the tasks, the clock they go by, and who does them."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from actors.archivist import BACKUP, Archivist
from actors.child import Child
from actors.housekeeper import HOUSEKEEPING, Housekeeper
from actors.queue import Lane
from actors.scheduler import Scheduler
from config.schema import Config
from daemon.backups import folder_of, keep_one
from daemon.runtime import Runtime
from storage.backup_folder import Reason
from storage.housekeeping import Keep
from storage.postgres_programs import Programs
from storage.schedules import Cron, Interval, Task

HOUSEKEEPING_EVERY_S = 3600.0
PAGE_DEADLINE_S = 60.0
ARCHIVIST_DEADLINE_S = 300.0
"""For what it does beside pg_dump, which is watched by itself: a large backup's checksum, and its way to the disk."""
ARCHIVIST_STOP_S = 3.0
HOUSEKEEPER, ARCHIVIST = "housekeeper", "archivist"
MACHINE_ZONE = Path("/etc/localtime")


def scheduled(runtime: Runtime, worker: Mapping[str, Any]) -> list[Child]:
    """The Scheduler and those who do its tasks; `worker` are the arguments of every Worker."""
    config, storage = runtime.config, runtime.config.storage
    scheduler = {"database": runtime.database, "node": runtime.node, "tasks": tasks(config)}
    keep = Keep(jobs_s=storage.keep_jobs, events_s=storage.keep_events, history_s=storage.keep_history)
    children = [
        Child(name="scheduler", actor=Scheduler, arguments=scheduler),
        Child(name=HOUSEKEEPER, actor=Housekeeper, arguments={**worker, "keep": keep}, deadline_s=PAGE_DEADLINE_S),
    ]
    if config.backup.daily:
        children.append(_archivist(runtime, worker))
    return children


def scheduled_lanes(runtime: Runtime) -> dict[str, Lane]:
    """The lanes of those who do the tasks."""
    lanes = {HOUSEKEEPING: Lane(runtime.address(HOUSEKEEPER))}
    return lanes | ({BACKUP: Lane(runtime.address(ARCHIVIST))} if runtime.config.backup.daily else {})


def _archivist(runtime: Runtime, worker: Mapping[str, Any]) -> Child:
    def make(is_stopping: Callable[[], bool]) -> Path:
        binaries = runtime.config.backup.binaries
        programs = Programs(binaries=binaries, spawn=runtime.spawner.spawn, is_stopping=is_stopping)
        return keep_one(folder_of(runtime.folder.path), Reason.DAILY, dsn=runtime.database.dsn, programs=programs)

    return Child(
        name=ARCHIVIST,
        actor=Archivist,
        arguments={**worker, "make": make, "health": runtime.health},
        deadline_s=ARCHIVIST_DEADLINE_S,
        shutdown_s=ARCHIVIST_STOP_S,
    )


def tasks(config: Config) -> list[Task]:
    """What is due when. Daemons that share a database share the ticks of what they have in common."""
    interval = Interval(every_s=HOUSEKEEPING_EVERY_S)
    found = [Task(name=HOUSEKEEPING, schedule=interval, kind=HOUSEKEEPING, lane=HOUSEKEEPING)]
    if config.backup.daily:
        hour, minute = map(int, config.backup.daily.split(":"))
        daily = Cron(expression=f"{minute} {hour} * * *", zone=zone_named(config.daemon.timezone))
        found.append(Task(name=BACKUP, schedule=daily, kind=BACKUP, lane=BACKUP))
    return found


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
