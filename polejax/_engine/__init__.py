"""Engine: many chains on many devices.

`runner` has the two verbs, `simulate_many` and `tally_many`; `running` is what they begin. Method "rounds" is played by
`segments`; method "poisson" by `poisson`, from `node_sampling` (who finds a block), `block_arrivals` (what each block
extends) and `canonical_arrivals` (which blocks make the chain), or summed up without histories by `poisson_sums`.
"""
