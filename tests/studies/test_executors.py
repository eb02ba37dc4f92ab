"""Executors: those that would hang are refused, and what goes wrong in them is told in one line."""

import concurrent.futures
import functools
import multiprocessing
import os
import pickle
import sys

import numpy as np
import pytest
from studies import assert_same_parts

import polejax as pj
from polejax.studies import shards


def small(out, executor=None):
    scenario = pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 1.0), pj.PoW(work=10.0))
    return pj.study(scenario, 6, 5, out, seeds_per_shard=2, executor=executor)


class Faulty(concurrent.futures.Executor):
    """Runs here; `spoil` makes something else of the second shard's result."""

    def __init__(self, spoil):
        self.spoil = spoil

    def submit(self, function, task, shard):
        future = concurrent.futures.Future()
        outcome = function(task, shard)
        try:
            future.set_result(self.spoil(*outcome) if shard.first == 2 else outcome)
        except concurrent.futures.CancelledError:
            future.cancel()
            future.set_running_or_notify_cancel()
        except Exception as error:
            future.set_exception(error)
        return future


def raising(error):
    def spoil(arrays, times):
        raise error

    return spoil


def changed(**changes):
    return lambda arrays, times: ({**arrays, **{name: change(arrays[name]) for name, change in changes.items()}}, times)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="has no fork")
def test_forks_are_refused_before_anything_is_made(tmp_path):
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        with pytest.raises(ValueError, match=r'^executor must not fork.*mp_context=.*get_context\("spawn"\)$'):
            small(tmp_path / "no", executor)
    if sys.version_info < (3, 14) and sys.platform == "linux":
        with concurrent.futures.ProcessPoolExecutor(1) as executor, pytest.raises(ValueError, match="must not fork"):
            small(tmp_path / "no", executor)
    for wrong in (concurrent.futures.ThreadPoolExecutor, 3, "threads"):
        with pytest.raises(ValueError, match=r"^executor must be an object with a method `submit`, got"):
            small(tmp_path / "no", wrong)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (raising(ValueError("first\nsecond")), r"a worker failed on Shard\(.*first=2.*\(ValueError: first second\)"),
        (raising(MemoryError()), r"\(MemoryError: MemoryError\): mend that, and run again"),
        (raising(concurrent.futures.CancelledError()), "was shut down or its work cancelled"),
        (raising(concurrent.futures.BrokenExecutor("gone")), r"worker process died \(gone\).*__main__"),
        (lambda arrays, times: arrays, "gave a dict for"),
        (lambda arrays, times: (arrays, {}), "gave a tuple for"),
        (changed(interval=lambda array: array[:1]), r"'interval' has shape \(1, 5\), not \(2, 5\)"),
        (changed(interval=lambda array: -array), r"'interval' is -[\d.]+ at index"),
        (changed(interval=lambda array: array * np.float32(np.nan)), "'interval' is nan"),
        (changed(producer=lambda array: array + 2), "'producer' is"),
        (lambda arrays, times: ({"interval": arrays["interval"]}, times), "it has no 'producer'"),
    ],
)
def test_faults_are_told_and_nothing_is_lost(tmp_path, spoil, words):
    with pytest.raises(pj.StudyError, match=words) as error:
        small(tmp_path / "faulty", Faulty(spoil))
    assert "\n" not in str(error.value)
    assert "run again" in str(error.value)
    kept = pj.open_study(tmp_path / "faulty")
    assert not kept.complete
    assert small(tmp_path / "faulty").complete


def test_an_executor_that_was_shut_down(tmp_path):
    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(pj.StudyError, match="has 0 finished shards; executor takes no more work"):
        small(tmp_path / "study", executor)


class Sending(concurrent.futures.Executor):
    """Pickles the work as a pool of processes does, at once or, as that does, in a thread of its own."""

    def __init__(self, at_once):
        self.at_once = at_once

    def submit(self, function, task, shard):
        future = concurrent.futures.Future()
        try:
            sent, work, part = pickle.loads(pickle.dumps((function, task, shard)))
            future.set_result(sent(work, part))
        except Exception as error:
            if self.at_once:
                raise
            future.set_exception(error)
        return future


@pytest.mark.parametrize("at_once", [False, True])
def test_a_closure_that_cannot_be_sent_is_told_with_the_way(tmp_path, at_once):
    law = pj.mechanisms.Parametric(600.0, 1.0, lambda key, address, shape: address.astype(np.float32) + shape)
    scenario = pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 1.0), law)
    with pytest.raises(pj.StudyError, match=r"cannot send the scenarios .*<lambda>.*at the top of a module") as error:
        pj.study(scenario, 2, 3, tmp_path, executor=Sending(at_once))
    assert "\n" not in str(error.value)


def test_what_is_sent_comes_back_as_simulated_here(tmp_path):
    assert_same_parts(small(tmp_path / "sent", Sending(False)).path, small(tmp_path / "here").path)


def test_a_spawned_worker_that_dies(tmp_path):
    """Killed from within, as by the system's killer: one line, and the rest of the study is as ever."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context, initializer=functools.partial(os._exit, 9)) as e:
        with pytest.raises(pj.StudyError, match=r"0 finished shards; a worker process died .*run again") as error:
            small(tmp_path / "killed", e)
    assert "\n" not in str(error.value)
    small(tmp_path / "killed")
    small(tmp_path / "whole")
    assert_same_parts(str(tmp_path / "killed"), str(tmp_path / "whole"))


def test_own_results_are_checked_too(tmp_path, monkeypatch):
    real = shards.variables
    monkeypatch.setattr(
        shards, "variables", lambda history: {**real(history), "interval": real(history)["interval"] * np.nan}
    )
    with pytest.raises(pj.StudyError, match=r"is not written, as 'interval' is nan.*check scenarios\[0\]"):
        small(tmp_path / "study")
