"""The wait before a restart, what happens to messages meanwhile, and what makes it short again."""

import itertools

import pytest

from actors.address import AddressDown, Mailbox, MailboxFull
from actors.child import RestartChild
from actors.exits import AutoShutdown, Escalated
from actors.restarts import Backoff
from tests.supervision.probe import START_S, Probe, Tree, leave, note
from tests.until import until


@pytest.mark.parametrize(
    ("crashes", "delay_s"), [(0, 5.0), (1, 10.0), (2, 20.0), (3, 40.0), (4, 60.0), (30, 60.0), (2**31, 60.0)]
)
def test_the_delay_doubles_with_every_crash_up_to_its_maximum_p27(crashes: int, delay_s: float) -> None:
    backoff = Backoff(min_s=5.0, max_s=60.0, jitter=0.2)
    assert backoff.delay_s(crashes, chance=0.0) == delay_s
    assert backoff.delay_s(crashes, chance=0.5) == pytest.approx(delay_s * 1.1)
    assert backoff.delay_s(crashes, chance=1.0) == pytest.approx(delay_s * 1.2)


def wait_for_restart(tree: Tree, name: str, delay_s: float) -> None:
    """Crash the child; it comes back after just that time."""
    tree.crash_down(name)
    tree.clock.advance(delay_s - 0.1)
    tree.settle()
    assert tree.states(name) == ["restarting"]
    tree.clock.advance(0.1001)
    tree.until_state(name, "running")


def test_restarts_keep_to_their_delays_p27(tree: Tree) -> None:
    tree.chance = 1.0
    tree.start(tree.probe("a", backoff=Backoff(min_s=1.0, max_s=3.0, jitter=0.5)), intensity=100)
    for delay_s in (1.5, 3.0, 4.5, 4.5):
        wait_for_restart(tree, "a", delay_s)


def test_the_delay_is_the_least_again_after_a_stable_life_and_grows_without_one_p28(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=Backoff(min_s=1.0, stable_after_s=60.0, jitter=0.0)), intensity=100)
    wait_for_restart(tree, "a", 1.0)
    tree.clock.advance(60.0)
    wait_for_restart(tree, "a", 2.0)
    wait_for_restart(tree, "a", 4.0)
    tree.clock.advance(60.1)
    wait_for_restart(tree, "a", 1.0)
    wait_for_restart(tree, "a", 2.0)


def test_a_restart_by_hand_zeroes_the_count_p29(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=Backoff(min_s=1.0, jitter=0.0)), intensity=100)
    wait_for_restart(tree, "a", 1.0)
    wait_for_restart(tree, "a", 2.0)
    tree.crash_down("a")
    tree.root_address.ask(RestartChild(name="a", is_forced=True), timeout_s=START_S)
    tree.until_state("a", "running")
    assert tree.incarnations("a") == [4]
    wait_for_restart(tree, "a", 1.0)


def test_one_restart_too_many_without_a_stable_time_ends_the_supervisor_p30(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=Backoff(min_s=0.0, max_restarts=2, stable_after_s=60.0)), intensity=100)
    for _ in range(2):
        tree.crash_and_await_restart("a")
    tree.clock.advance(60.1)
    for _ in range(2):
        tree.crash_and_await_restart("a")
    tree.crash("a")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Escalated)
    assert "a: more than 2 restarts without a stable time" in str(tree.root.reason)


def test_a_child_that_may_never_be_restarted_ends_its_supervisor_at_once_p30(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=Backoff(max_restarts=0)))
    tree.crash("a")
    assert tree.root.gone.wait(START_S)


def test_only_failures_are_restarted_where_an_end_ends_the_supervisor_p31(tree: Tree) -> None:
    tree.start(tree.probe("a", restart="transient", is_significant=True), auto_shutdown="any_significant")
    tree.crash_and_await_restart("a")
    tree.tell("a", leave())
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, AutoShutdown)


def test_any_end_of_a_permanent_child_has_it_restarted_after_its_delay_p31(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=Backoff(min_s=1.0, jitter=0.0)))
    tree.tell("a", leave())
    tree.until_state("a", "restarting")
    tree.clock.advance(1.0)
    assert tree.incarnations("a") == [2]


def test_messages_wait_for_a_child_that_is_down_up_to_its_bound_p32(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=Backoff(min_s=1.0), mailbox=Mailbox(capacity=2)))
    tree.crash_down("a")
    tree.tell("a", note("one"))
    tree.tell("a", note("two"))
    with pytest.raises(MailboxFull):
        tree.tell("a", note("three"))
    assert tree.facts("a")["inbox"] == 2
    tree.clock.advance(1.3)
    until(lambda: tree.journal == ["a began", "a ended by ValueError", "a began", "one", "two"])


def test_messages_to_a_child_that_is_down_are_refused_if_its_mailbox_says_so_p32(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=Backoff(min_s=1.0), mailbox=Mailbox(while_down="refuse")))
    tree.crash_down("a")
    with pytest.raises(AddressDown):
        tree.tell("a", note("one"))
    with pytest.raises(AddressDown):
        tree.ask("a")
    tree.clock.advance(1.3)
    tree.until_state("a", "running")
    assert tree.ask("a") == 2


def test_ten_children_that_crash_together_come_back_one_after_the_other_p33(tree: Tree) -> None:
    drawn = itertools.count()
    tree.change_hooks(chance=lambda: next(drawn) / 10)
    names = list("abcdefghij")
    tree.start(*[tree.probe(name, backoff=Backoff(min_s=10.0, jitter=1.0)) for name in names], intensity=100)
    for name in names:
        tree.crash(name)
    tree.settle()
    assert tree.states(*names) == ["restarting"] * 10
    tree.clock.advance(9.5)
    for number in range(10):
        tree.clock.advance(1.0)
        tree.settle()
        assert tree.states(*names).count("running") == number + 1


def test_a_child_is_born_when_it_starts_not_when_it_is_ready(tree: Tree) -> None:
    def slow(probe: Probe) -> None:
        tree.clock.advance(61.0)

    tree.start(tree.probe("a", on_init=slow, backoff=Backoff(min_s=1.0, jitter=0.0)), intensity=100)
    wait_for_restart(tree, "a", 1.0)
    wait_for_restart(tree, "a", 1.0)
