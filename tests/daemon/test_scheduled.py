"""The recurring tasks that a configuration asks for, and the clock they go by."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.loading import load
from config.schema import Config
from daemon.scheduled import backup_schedule, stale_s, tasks, zone_named
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
    assert schedule.next(NOON) - schedule.latest(NOON) == timedelta(hours=1)


def test_every_task_is_due_when_its_user_says(tmp_path: Path) -> None:
    zone = '[daemon]\ntimezone = "Europe/Berlin"\n'
    found = by_name(tmp_path, zone + '[schedules]\nhousekeeping = "30 4 * * *"\nbackup = "6h"\n')
    assert found["housekeeping"].schedule.next(NOON) == datetime(2026, 7, 2, 2, 30, tzinfo=UTC)
    assert found["backup"].schedule.next(NOON) == NOON + timedelta(hours=6)
    assert "backup" in by_name(tmp_path, '[backup]\ndaily = ""\n[schedules]\nbackup = "0 4 * * sun"\n')


@pytest.mark.parametrize(
    ("schedule", "days"), [("6h", 2), ("30 3 * * *", 2), ("0 4 * * sun", 14), ("0 4 * * mon-fri", 6)]
)
def test_a_backup_is_old_after_two_of_its_longest_pauses(schedule: str, days: int, tmp_path: Path) -> None:
    zone = '[daemon]\ntimezone = "UTC"\n'
    found = backup_schedule(config(tmp_path, f'{zone}[schedules]\nbackup = "{schedule}"\n'))
    assert found is not None
    assert stale_s(found, now=NOON) == timedelta(days=days).total_seconds()


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
