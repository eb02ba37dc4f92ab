"""
How winners learn
=================

Validation accuracy of the winners of live Proof of Learning: four nodes train for every block, each behind its own
Secure Mapping Layer, until the first reaches the threshold.
"""

import jax

import polejax as pj

pole = pj.PoLe(pj.tasks.digits(), threshold=0.85, curve_points=60)
scenario = pj.Scenario(pj.nodes.equal(4), pj.network.clique(4, seconds=1.0), pole)
history = pj.simulate_many(jax.random.split(jax.random.key(0), 4), scenario, 8)
plot = pj.figures.learning_curves(history, pole.recipe.evaluate_every, threshold=0.85)
