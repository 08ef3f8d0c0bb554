"""Password checks: guessing slows nobody down and locks nobody out. Without a server and without hashing."""

import asyncio
import threading

import pytest

from serving.web import log_ins
from serving.web.limits import REMEMBERED, Buckets
from serving.web.log_ins import FAILURES_AT_ONCE, MAX_WAITING, LogIns, browser_of, source_of
from serving.web.problems import RateLimitedError

SECRET = "s" * 64


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def wrong():
    return None


def right():
    return "token"


def run(scenario, clock=None):
    """Run a scenario with the thread at work."""

    async def running():
        gate = LogIns(clock or Clock())
        work = asyncio.create_task(gate.work())
        try:
            return await scenario(gate)
        finally:
            work.cancel()
            gate.close()

    return asyncio.run(running())


async def tries(gate, source, check, n):
    return await asyncio.gather(*(gate.check(source, check) for _ in range(n)), return_exceptions=True)


def refusals(answers):
    return sum(isinstance(answer, RateLimitedError) for answer in answers)


def test_forty_guessers_at_one_address_are_refused_and_do_not_lock_out_the_user_they_guess_at():
    async def scenario(gate):
        guesses = await tries(gate, "address 192.0.2.1", wrong, 40)
        assert refusals(guesses) == 40 - FAILURES_AT_ONCE
        # Anna, whose password they guess, from her own address and from her known browser at the guessers' address.
        assert await gate.check("address 192.0.2.2", right) == "token"
        known = source_of("192.0.2.1", "anna", browser_of("anna", SECRET), SECRET)
        assert await gate.check(known, right) == "token"

    run(scenario)


def test_a_source_may_try_again_after_a_while_and_success_costs_nothing():
    clock = Clock()

    async def scenario(gate):
        assert refusals(await tries(gate, "a", wrong, FAILURES_AT_ONCE)) == 0
        assert refusals(await tries(gate, "a", right, 1)) == 1
        clock.now += 60 / log_ins.FAILURES_PER_MINUTE
        for _ in range(2 * FAILURES_AT_ONCE):
            assert await gate.check("a", right) == "token"

    run(scenario, clock)


def test_the_least_suspicious_is_next_and_the_most_suspicious_is_refused_when_too_many_wait():
    order, begun, go_on = [], threading.Event(), threading.Event()

    def slow():
        begun.set()
        go_on.wait(10)

    def noted(name):
        return lambda: order.append(name)

    async def scenario(gate):
        await tries(gate, "guesser", wrong, 3)
        first = asyncio.create_task(gate.check("busy", slow))
        await asyncio.to_thread(begun.wait, 10)
        suspicious = asyncio.create_task(gate.check("guesser", noted("guesser")))
        await asyncio.sleep(0)
        others = [asyncio.create_task(gate.check(f"s{i}", noted(f"s{i}"))) for i in range(MAX_WAITING - 1)]
        await asyncio.sleep(0)
        assert not suspicious.done()
        others.append(asyncio.create_task(gate.check("last", noted("last"))))
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(RateLimitedError, match="to wait"):
            await suspicious
        await asyncio.gather(first, *others)
        assert order == [*(f"s{i}" for i in range(MAX_WAITING - 1)), "last"]

    run(scenario)


def test_checks_run_in_one_thread_of_their_own_one_at_a_time():
    threads = set()

    def noted():
        threads.add(threading.current_thread().name)

    async def scenario(gate):
        await asyncio.gather(*(gate.check(f"s{i}", noted) for i in range(20)))

    run(scenario)
    assert threads == {"log-in_0"}


def test_a_check_that_breaks_or_whose_client_hangs_up_stops_no_other():
    def broken():
        raise OSError("gone")

    async def scenario(gate):
        with pytest.raises(OSError, match="gone"):
            await gate.check("a", broken)
        gone = asyncio.create_task(gate.check("b", right))
        await asyncio.sleep(0)
        gone.cancel()
        assert await gate.check("c", right) == "token"

    run(scenario)


def test_a_browser_is_known_only_for_the_user_who_logged_in_with_it():
    cookie = browser_of("anna", SECRET)
    assert source_of("192.0.2.1", "anna", cookie, SECRET).startswith("browser ")
    for name, sent, secret in (
        ("bert", cookie, SECRET),
        ("anna", cookie, "t" * 64),
        ("anna", cookie[:-1], SECRET),
        ("anna", "ü.ü", SECRET),
        ("anna", "", SECRET),
    ):
        assert source_of("192.0.2.1", name, sent, secret) == "address 192.0.2.1"


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "address 2001:db8:1:2::/64"),
        ("fe80::1%eth0", "address fe80::/64"),
        ("testclient", "address testclient"),
        ("", "address "),
    ],
)
def test_an_address_is_a_source(address, source):
    assert source_of(address, "anna", "", SECRET) == source


def test_a_flood_of_names_costs_no_memory():
    buckets = Buckets(Clock())
    for name in range(REMEMBERED + 5):
        assert buckets.spend(str(name), 1, 1) == 0.0
    assert len(buckets._buckets) == REMEMBERED
    buckets.give_back("0")
    assert buckets.spend(str(REMEMBERED), 1, 1) is None
