"""The command line's words are Python's: the same choices, the same defaults but for those that README names."""

import dataclasses
import inspect
import typing

import pytest

import polejax as pj
from polejax.jobs import attack, compare
from polejax.learning.sml import LAWS

DIFFER = {"verification": 1.0, "curve_points": None}
"""Defaults of `polejax compare` that are not Python's; README says so of the first, the second is for a figure."""


def choices(name):
    return set(typing.get_args(typing.get_type_hints(compare.Learning)[name]))


def test_the_command_line_offers_every_law_and_every_fallback():
    assert choices("sml") == {*LAWS, "none"}
    for word in choices("fallback"):
        assert pj.ClaimRules(fallback=word).fallback == word
    with pytest.raises(ValueError, match="one of") as error:
        pj.ClaimRules(fallback="others")
    offered = str(error.value).removeprefix("fallback must be one of ").partition(";")[0].split(", ")
    assert choices("fallback") == set(offered)


@pytest.mark.parametrize("settings", [compare.Learning, compare.Settings, attack.Settings])
def test_a_word_has_one_default(settings):
    python = {name: it.default for name, it in inspect.signature(pj.PoLe).parameters.items()}
    for field in dataclasses.fields(settings):
        if field.name in python and field.name not in ("task", "sml"):
            assert field.default == DIFFER.get(field.name, python[field.name]), field.name


def test_nodes_of_the_command_line_are_those_of_python():
    settings = compare.Settings(nodes=3, learning=compare.Learning(task="synthetic"))
    for zipf, wanted in ((0.0, pj.nodes.equal(3, each=1.0)), (1.5, pj.nodes.zipf(3, 1.5, each=1.0))):
        scenario = compare.pole_scenario(dataclasses.replace(settings, zipf=zipf))
        assert scenario.nodes.power.tolist() == wanted.power.tolist()
        assert scenario.nodes.power.sum() == pytest.approx(3.0)


def test_each_and_total_are_two_ways_to_say_one_thing():
    for make in (pj.nodes.equal, pj.nodes.zipf, pj.nodes.lognormal):
        assert make(4, each=2.0).power.tolist() == make(4, total=8.0).power.tolist()
        assert make(4).power.sum() == pytest.approx(1.0)
        with pytest.raises(
            ValueError, match=r"^total must be left out where each is given, got 8\.0: give one of them"
        ):
            make(4, total=8.0, each=2.0)
        with pytest.raises(ValueError, match=r"^each must be above 0, got 0"):
            make(4, each=0.0)
