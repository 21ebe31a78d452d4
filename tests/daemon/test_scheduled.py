"""The recurring tasks that a configuration asks for, and the clock they go by."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.loading import load
from config.schema import Config
from daemon.scheduled import HOUSEKEEPING_EVERY_S, tasks, zone_named
from storage.schedules import Task
from tests.config.documents import written

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def config(folder: Path, text: str) -> Config:
    return load(written(folder, text))


def by_name(folder: Path, text: str) -> dict[str, Task]:
    return {task.name: task for task in tasks(config(folder, text))}


def test_the_backup_is_due_at_its_time_of_day_in_its_zone(tmp_path: Path) -> None:
    task = by_name(tmp_path, '[daemon]\ntimezone = "Europe/Berlin"\n[backup]\ndaily = "04:15"\n')["backup"]
    assert task.schedule.next(NOON) == datetime(2026, 7, 2, 2, 15, tzinfo=UTC)
    assert (task.kind, task.lane) == ("backup", "backup")


def test_without_a_time_of_day_there_is_no_daily_backup(tmp_path: Path) -> None:
    assert list(by_name(tmp_path, '[backup]\ndaily = ""\n')) == ["housekeeping"]


def test_housekeeping_is_due_every_hour(tmp_path: Path) -> None:
    schedule = by_name(tmp_path, "")["housekeeping"].schedule
    assert schedule.next(NOON) - schedule.latest(NOON) == timedelta(seconds=HOUSEKEEPING_EVERY_S)


def test_the_machines_zone_is_that_of_the_environment_or_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    assert NOON.astimezone(zone_named("")).utcoffset() == timedelta(hours=5, minutes=45)
    monkeypatch.setenv("TZ", ":America/New_York")
    assert NOON.astimezone(zone_named("")).utcoffset() == timedelta(hours=-4)
    monkeypatch.setenv("TZ", "nonsense")
    assert zone_named("") is UTC
    monkeypatch.delenv("TZ")
    assert NOON.astimezone(zone_named("")).utcoffset() is not None
    assert NOON.astimezone(zone_named("Europe/Berlin")).utcoffset() == timedelta(hours=2)
