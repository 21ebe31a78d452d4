"""Work that takes long and says so: its deadline counts from the last sign of life, not from its beginning."""

import threading

from tests.supervision.probe import START_S, Do, Probe, Tree
from tests.until import until


class LongWork:
    """A message whose handler gives a sign of life whenever it is asked to, until `end()`."""

    def __init__(self) -> None:
        self._asked, self._given = threading.Semaphore(0), threading.Semaphore(0)
        self._is_over = False
        self.message = Do(action=self._work)

    def give_sign(self) -> None:
        self._asked.release()
        assert self._given.acquire(timeout=START_S)

    def end(self) -> None:
        self._is_over = True
        self._asked.release()

    def _work(self, probe: Probe) -> None:
        while self._asked.acquire(timeout=START_S) and not self._is_over:
            probe.inbox.go_on()
            self._given.release()


def test_a_child_that_gives_signs_of_life_may_work_for_ever_and_hangs_without_them(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=5.0), check_every_s=1.0)
    work = LongWork()
    tree.tell("a", work.message)
    for _ in range(4):
        work.give_sign()
        tree.clock.advance(4.0)
    looked_at = tree.root.inbox
    until(lambda: looked_at.since is None and not tree.root_address.depth)
    assert tree.facts("a")["incarnation"] == 1
    assert tree.facts("a")["message_age_s"] == 16.0, "the age of the message counts from its beginning"
    tree.clock.advance(4.0)
    tree.until_state("a", "running", after=1)
    assert [type(report.reason).__name__ for report in tree.reports] == ["Hung"]
    work.end()
