"""Citations: a scenario's BibTeX has the works that its parts' docstrings name, each once, and nothing else."""

import re
import types

import pytest

import polejax as pj
from polejax.jobs import citations
from polejax.jobs.references import POLEJAX, REFERENCES

NODES = pj.nodes.equal(4)


def keys(*parts):
    return re.findall(r"^@\w+\{(\w+),$", pj.cite(*parts), re.MULTILINE)


def public():
    """All public classes and functions, and a dotted name of each."""
    for space in (
        pj,
        *(value for value in (getattr(pj, name) for name in pj.__all__) if type(value) is types.ModuleType),
    ):
        for name in space.__all__:
            value = getattr(space, name)
            if type(value) is not types.ModuleType and callable(value):
                yield f"{space.__name__}.{name}", value


def test_a_scenario_cites_what_it_is_made_of():
    network = pj.network.clique(4, 1.0)
    plain = pj.Scenario(NODES, network, pj.PoW(600.0))
    assert keys(plain) == ["polejax", "nakamoto2008bitcoin", "rosenfeld2014hashrate"]
    assert keys() == ["polejax"]
    pole = pj.PoLe(pj.tasks.digits())
    best = pj.Scenario(NODES, network, pole, election=pj.elections.BestInWindow(3.0))
    assert keys(best) == keys(pole) == ["polejax", "lan2020pole", "alpaydin1998digits"]
    held = pj.Scenario(NODES, network, pj.PoW(600.0), adversary=pj.attacks.withholding(NODES, 1.0, [0]))
    assert keys(held, plain) == [*keys(plain), "eyal2014majority"]


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        (pj.difficulty.homestead(), "eip2"),
        (pj.difficulty.byzantium(), "eip100"),
        (pj.difficulty.bitcoin(), "bitcoincore"),
        (pj.difficulty.asert(), "asert2020"),
        (pj.difficulty.ema(), "zawy12difficulty"),
        (pj.network.internet, "aoki2019simblock"),
        (pj.network.scale_free, "barabasi1999emergence"),
        (pj.protocols.podl, "chenli2019podl"),
        (pj.attacks.selfish.mine, "eyal2014majority"),
    ],
)
def test_rules_and_functions_cite_their_source(rule, key):
    assert keys(rule) == ["polejax", key]


def test_every_paper_with_a_number_is_there():
    found = 0
    for name, documented in public():
        numbers = set(re.findall(r"\b\d{4}\.\d{4,5}\b", citations.source_text(documented)))
        known = {word for reference in citations.sources(documented) for word in reference.words}
        assert numbers <= known, name
        found += len(numbers)
    assert found > 20


def test_entries_are_bibtex():
    assert len({reference.key for reference in REFERENCES}) == len(REFERENCES)
    for reference in (POLEJAX, *REFERENCES):
        depth = 0
        for character in reference.bibtex:
            depth += {"{": 1, "}": -1}.get(character, 0)
            assert depth >= 0
        assert depth == 0
        assert "title = {" in reference.bibtex


@pytest.mark.parametrize("wrong", [3, "PoW", dict, re.compile, [pj.PoW(1.0)], None])
def test_what_is_not_polejax_s_is_refused(wrong):
    with pytest.raises(
        ValueError, match=r"^parts\[1\] must be a polejax.Scenario, a part of one, or a public"
    ) as error:
        pj.cite(pj.PoW, wrong)
    assert "\n" not in str(error.value)
