"""What a remedy says to people."""

from commands.remedies import remedy_lines

CHANGE = {"text": 'delays[0].torrent: "6h" -> "1h"'}
OPEN = {"reason": "blocked_indexer", "text": "one is left alone for now: its breaker is open"}


def test_changes_that_are_enough_are_told() -> None:
    remedy = {"possible": True, "changes": [CHANGE], "hindrances": [], "waits": []}
    assert list(remedy_lines(remedy)) == ["it would be accepted with", f"  {CHANGE['text']}"]


def test_what_only_time_takes_away_is_told_beside_the_changes() -> None:
    remedy = {"possible": True, "changes": [CHANGE], "hindrances": [], "waits": [OPEN]}
    assert list(remedy_lines(remedy)) == [
        "it would be accepted with",
        f"  {CHANGE['text']}",
        f"as soon as this has passed: {OPEN['text']}",
    ]


def test_nothing_is_told_where_nothing_has_to_change() -> None:
    assert not list(remedy_lines({"possible": True, "changes": [], "hindrances": [], "waits": [OPEN]}))
