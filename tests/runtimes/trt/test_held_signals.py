"""Ctrl-C while C++ is at work: answered when it is done, never lost, and nothing left behind."""

from __future__ import annotations

import signal
import threading

import pytest

from nnc.runtimes.trt.held_signals import held_signals

BOTH = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    pass


@pytest.fixture(autouse=True)
def handlers():
    """Handlers that raise, as those of the command line do."""
    before = {number: signal.getsignal(number) for number in BOTH}

    def stop(number, frame):
        raise StoppedError(number)

    for number in BOTH:
        signal.signal(number, stop)
    yield stop
    for number, handler in before.items():
        signal.signal(number, handler)


def hold(*numbers, done=None):
    """Raise these signals inside the block, then finish its work."""
    with held_signals() as stopped:
        assert not stopped()
        for number in numbers:
            signal.raise_signal(number)
        assert stopped()
        done.append("the rest")


@pytest.mark.parametrize("numbers", [BOTH, BOTH[::-1], BOTH[:1]], ids=str)
def test_the_first_signal_waits_for_the_end_of_the_block(handlers, numbers):
    done = []
    with pytest.raises(StoppedError) as caught:
        hold(*numbers, done=done)
    assert done == ["the rest"]
    assert caught.value.args == (numbers[0],)
    assert [signal.getsignal(number) for number in BOTH] == [handlers, handlers]


def test_without_a_signal_nothing_happens(handlers):
    with held_signals() as stopped:
        pass
    assert not stopped()
    assert [signal.getsignal(number) for number in BOTH] == [handlers, handlers]


def test_an_error_inside_comes_out_and_the_handlers_come_back(handlers):
    with pytest.raises(ValueError, match="own"), held_signals():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is handlers


def test_a_signal_without_a_python_handler_keeps_its_effect():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with held_signals() as stopped:
        signal.raise_signal(signal.SIGTERM)
        assert not stopped()


def test_another_thread_may_use_it(handlers):
    found = []

    def work():
        with held_signals() as stopped:
            found.append(stopped())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
