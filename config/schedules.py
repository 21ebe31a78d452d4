"""When the recurring tasks are due: every so often, or by a cron expression in `[daemon] timezone`."""

from datetime import UTC, datetime
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

from config.table import Table
from config.units import parse_duration

LEAST_S = 60.0
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def interval_s(schedule: str) -> float | None:
    """Its seconds; None for a cron expression. ValueError for neither."""
    return None if " " in schedule else parse_duration(schedule)


def _schedule(value: str) -> str:
    try:
        every_s = interval_s(value)
    except ValueError:
        raise ValueError('expected a duration such as "6h", or a cron expression such as "30 3 * * *"') from None
    if every_s is not None and every_s < LEAST_S:
        raise ValueError('expected "1m" or more')
    try:
        if every_s is None:
            _require_cron(value)
    except CronSimError as error:
        raise ValueError(f'no cron expression such as "30 3 * * *": {error}') from None
    return value


def _require_cron(expression: str) -> None:
    """Five fields that some moment fits. Raises CronSimError or ValueError."""
    if len(expression.split()) != 5:
        raise ValueError("expected five fields: minute, hour, day of month, month, day of week")
    for is_reverse in (False, True):
        if next(CronSim(expression, _SOME_DAY, reverse=is_reverse), None) is None:
            raise ValueError(f'"{expression}" never comes')


ScheduleText = Annotated[str, AfterValidator(_schedule)]


class Schedules(Table):
    """`backup` is in place of `[backup] daily`."""

    backup: ScheduleText | None = None
    housekeeping: ScheduleText = "1h"
