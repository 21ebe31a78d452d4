from dataclasses import replace

from movies.policy import Policy
from movies.quality import SizeBounds
from movies.rules.size import MIB
from movies.verdict import Reason
from tests.movies.judging import SINTEL, judged, only, reasons


def test_a_size_is_bounded_by_the_runtime() -> None:
    assert judged(size_bytes=1500 * MIB).is_accepted
    assert reasons(judged(size_bytes=1501 * MIB)) == {Reason.SIZE}
    assert judged(size_bytes=None).is_accepted
    assert judged(size_bytes=11_000 * MIB, target=replace(SINTEL, runtime_min=None)).is_accepted
    assert reasons(judged(size_bytes=11_001 * MIB, target=replace(SINTEL, runtime_min=0))) == {Reason.SIZE}


def test_a_minimum_size_can_be_asked_for() -> None:
    policy = Policy(size_bounds={"WEBDL-1080p": SizeBounds(minimum=12)})
    assert reasons(judged(size_bytes=180 * MIB - 1, policy=policy)) == {Reason.SIZE}
    assert judged(size_bytes=180 * MIB, policy=policy).is_accepted


def test_a_maximum_size_holds_for_all() -> None:
    policy = Policy(maximum_size_bytes=1000 * MIB)
    assert reasons(judged(policy=policy)) == {Reason.MAXIMUM_SIZE}
    assert judged(size_bytes=1000 * MIB, policy=policy).is_accepted
    assert judged(size_bytes=None, policy=policy).is_accepted


def test_a_release_must_leave_room_in_the_root_folder() -> None:
    assert judged(target=replace(SINTEL, free_bytes=1600 * MIB)).is_accepted
    rejection = only(judged(target=replace(SINTEL, free_bytes=1600 * MIB - 1)))
    assert rejection.reason is Reason.FREE_SPACE
    assert rejection.kind == "permanent"
    assert judged(target=replace(SINTEL, free_bytes=0), size_bytes=None).is_accepted
    assert judged(target=replace(SINTEL, free_bytes=1500 * MIB), policy=Policy(minimum_free_bytes=0)).is_accepted
