"""Names in config files: the constructors that may make each part of a scenario, those of the public namespaces."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

from polejax import attacks, mechanisms, network
from polejax.consensus import difficulty, elections, nodes
from polejax.learning import models, tasks
from polejax.learning.optimisers import momentum
from polejax.learning.sml import SecureMappingLayer
from polejax.studies.banks import learning_curves, load_bank

_NETWORKS = (
    network.clique,
    network.instant,
    network.gossip,
    network.internet,
    network.regions,
    network.from_matrix,
    network.relay,
    network.random_delays,
)
_MECHANISMS = (
    mechanisms.PoW,
    mechanisms.HashedPoW,
    mechanisms.PoLe,
    mechanisms.Replay,
    mechanisms.gamma,
    mechanisms.weibull,
    mechanisms.lognormal,
    mechanisms.TaskStream,
)
CONSTRUCTORS: dict[str, tuple[Callable[..., Any], ...]] = {
    "nodes": (
        nodes.from_shares,
        nodes.equal,
        nodes.zipf,
        nodes.lognormal,
        nodes.growth,
        nodes.lose,
        nodes.schedule,
    ),
    "network": _NETWORKS,
    "base": _NETWORKS,
    "law": (
        network.constant_delay,
        network.exponential_delay,
        network.lognormal_delay,
        network.uniform_delay,
        network.empirical_delay,
    ),
    "graph": (
        network.random_regular,
        network.erdos_renyi,
        network.scale_free,
        network.small_world,
        network.from_edges,
    ),
    "mechanism": _MECHANISMS,
    "idle": _MECHANISMS,
    "election": (elections.FirstSeen, elections.BestInWindow, elections.BestAtDeadline),
    "difficulty": (
        difficulty.fixed,
        difficulty.bitcoin,
        difficulty.window,
        difficulty.asert,
        difficulty.ema,
        difficulty.homestead,
        difficulty.byzantium,
        difficulty.accuracy,
    ),
    "adversary": (attacks.withholding, attacks.leak, attacks.early_key, attacks.Cheating, attacks.LiveTheft),
    "task": (tasks.digits, tasks.synthetic, tasks.mnist, tasks.cifar10, tasks.npz),
    "model": (models.MultilayerPerceptron, models.ConvolutionalNetwork),
    "sml": (SecureMappingLayer,),
    "bank": (learning_curves, load_bank),
}
"""What may be named in a file, by the field or argument that it makes."""

FUNCTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "activation": {"relu": models.relu, "tanh": jnp.tanh},
    "change": {"rebase": attacks.rebasing.rebase},
    "make_optimiser": {"momentum": momentum, "sgd": optax.sgd, "adam": optax.adam},
}
"""Words for functions, by the argument that takes one."""

ALSO_WORDS = {"law"}  # of random delays it is made, of a Secure Mapping Layer it is a word
"""Names in `CONSTRUCTORS` of arguments that may be words instead."""

LISTS = {"tasks": "mechanism"}
"""Arguments that are lists, by the field that their entries are like."""
