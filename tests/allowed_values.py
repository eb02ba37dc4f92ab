"""Which of the bad values are right for which arguments: a third is a number, a list a sweep; each was looked at.

A list for one number builds a sweep, which runs under `jax.vmap` alone (`polejax._core.sweep`).
"""

_RIGHT = {
    "0.5, 1.5, third, three, square, cube": """
        protocols.podl.training
        protocols.wekacoin.training
    """,
    "0, empty": """
        Results.shards.scenario Results.shards.names Results.history.scenario Results.summarise.scenario
        Results.tally.scenario Results.to_xarray.names Results.compare.first Results.compare.second
    """,
    "0": """
        tasks.cifar10.seed tasks.mnist.seed tasks.npz.seed
        attacks.run.seed baselines.at_interval.seed baselines.at_stale_rate.seed
        PoLe.curve_points study.seed axes.count nodes.lognormal.seed network.erdos_renyi.seed network.internet.seed
        network.random_regular.seed network.scale_free.seed network.small_world.seed theory.double_spend.confirmations
        theory.double_spend_nakamoto.confirmations SecureMappingLayer.fraction_bits analysis.service.warm_up
        analysis.service.cool_down analysis.figures.interval_series.seed analysis.figures.learning_curves.individual
        attacks.collusion.early_key.lead attacks.forging.easiest_address.probe attacks.head_start.identities.role
        attacks.theft.answering_flops.samples attacks.theft.answering_flops.layers
        attacks.theft.answering_flops.models tasks.digits.seed tasks.from_arrays.seed tasks.stratified_split.seed
        Bank.cut.first Bank.cut.end
    """,
    "0, 0.5, 1.5, 1e30, 1e-30, third": """
        theory.mempool_warm_up.cv
        network.gossip.num_bytes network.gossip.verification network.hop_delay.num_bytes
        network.hop_delay.verification network.internet.num_bytes network.internet.verification network.relay.seconds
        attacks.early_key.seconds attacks.early_key.release attacks.leak.seconds attacks.withholding.seconds
        theory.clique_fork_probability.delay theory.clique_stale_per_block.delay theory.first_confirmation_wait.cv
        theory.many_small_stale_per_block.delay theory.propagation_fork_probability.uninformed
        theory.task_spread_cv.cv theory.task_spread_cv.task_cv theory.tie_probability.delay
        theory.two_node_stale_per_block.delay analysis.cost.joules_per_unit analysis.cost.flops_per_unit
        analysis.rewards.block_reward attacks.collusion.advantage.lead attacks.collusion.advantage.release
        attacks.theft.attempt.flops models.model_block.other_bytes
    """,
    "0.5, 1e-30, third": """
        analysis.observed.confidence
        analysis.fairness_exponent.confidence
        attacks.selfish_pools.relative_revenue.confidence
        Load.at.load analysis.service_at_loads.confidence
        Results.compare.confidence Results.summarise.confidence Results.table.confidence theory.mempool_warm_up.load
        bank_estimate.confidence difficulty.accuracy.low theory.bulk_queue.arrival_rate
        theory.bulk_wait_quantile.arrival_rate theory.full_block_share.arrival_rate summarise.confidence
        analysis.cost.confidence analysis.fairness.confidence analysis.paired.confidence analysis.rewards.confidence
        analysis.service.confidence analysis.winners_curse.confidence analysis.figures.interval_survival.confidence
        attacks.detection.advantage.confidence attacks.detection.auc.confidence attacks.detection.mean.confidence
        attacks.detection.ratio.confidence attacks.detection.saved.confidence attacks.double_spend.race.confidence
        attacks.double_spend.walk.share attacks.double_spend.walks.share attacks.double_spend.walks.confidence
        attacks.selfish.mine.share attacks.selfish.mine_many.share attacks.selfish.relative_revenue.share
        attacks.selfish.relative_revenue.confidence
    """,
    "0, 0.5, 1e-30, third": """
        protocols.sedulity.overhead
        protocols.pools.speedup
        protocols.pofl.speedup
        network.erdos_renyi.probability network.from_matrix.tolerance network.regions.tolerance
        network.small_world.rewired theory.dkw_half_width.confidence theory.double_spend.share
        theory.double_spend_nakamoto.share theory.ethereum_interval.uncle_share
        theory.ethereum_interval_clamped.uncle_share theory.selfish_revenue.gamma theory.selfish_threshold.gamma
        theory.tasks_waiting.load theory.two_node_stale_per_block.share analysis.fairness.majority
        analysis.nakamoto.majority analysis.figures.learning_curves.threshold attacks.forging.tries_to_pass.accuracy
        attacks.forging.tries_to_pass.accept attacks.forging.winners_curse.accuracy attacks.selfish.mine.tie_share
        attacks.selfish.mine_many.tie_share attacks.selfish.relative_revenue.tie_share mechanisms.posted.difficulty
        tasks.synthetic.label_noise Bank.share_reaching.threshold
    """,
    "0.5, 1.5, 1e30, 1e-30, third": """
        Load.at.interval
        nodes.equal.each nodes.from_shares.total nodes.lognormal.total nodes.zipf.each
        theory.clique_fork_probability.interval theory.clique_stale_per_block.interval theory.ema_interval.target
        theory.ethereum_interval.step theory.ethereum_interval_clamped.step theory.exponential_survival.mean
        theory.first_confirmation_wait.mean theory.gamma_survival.shape theory.gamma_survival.mean
        theory.lognormal_survival.sigma theory.lognormal_survival.mean theory.many_small_stale_per_block.interval
        theory.retarget_mean.target theory.retarget_survival.target theory.tie_probability.interval
        theory.two_node_stale_per_block.interval theory.weibull_interval_mean.work analysis.lognormal_fees.mean
        analysis.lognormal_fees.sigma models.model_block.flops_per_second models.model_block.bytes_per_parameter
    """,
    "0.5, 1.5, 1e30, 1e-30, third, three, square, cube": """
        protocols.d_podl.stretch
        protocols.pow.work
        protocols.sedulity.work
        PoLe.learning_rate PoW.work Recipe.learning_rate network.exponential_delay.mean network.lognormal_delay.median
        difficulty.accuracy.target difficulty.accuracy.gain difficulty.asert.target difficulty.asert.half_life
        difficulty.byzantium.step difficulty.ema.target difficulty.homestead.step difficulty.window.target
        mechanisms.Parametric.mean mechanisms.Parametric.shape mechanisms.gamma.mean mechanisms.lognormal.mean
        mechanisms.weibull.mean analysis.Poisson.rate
    """,
    "0, 0.5, 1.5, 1e30, 1e-30, third, three, square, cube, range": """
        network.verified.seconds
        protocols.coin_ai.spread
        protocols.d_podl.before
        protocols.dlbc.jitter
        protocols.podl.jitter
        protocols.wekacoin.jitter
        protocols.dlbc.window
        protocols.podl.window
        protocols.wekacoin.window
        protocols.wekacoin.appear
        protocols.wekacoin.appear_cv
        protocols.sedulity.check
        ClaimRules.jitter ClaimRules.verification PoLe.jitter PoLe.verification Replay.jitter Replay.verification
        network.clique.seconds network.constant_delay.seconds network.hop_delay.latency network.lognormal_delay.sigma
        elections.BestAtDeadline.seconds elections.BestInWindow.seconds attacks.EarlyKey.lead attacks.EarlyKey.release
        attacks.Leak.head_start attacks.Withholding.hold
    """,
    "function": """
        PoLe.make_optimiser Recipe.make_optimiser bank_estimate.statistic simulate_many.progress tally_many.progress
        study.progress mechanisms.Parametric.law attacks.LiveTheft.change learning_curves.progress
        attacks.run.progress
        SecureMappingLayer.activation attacks.theft.carry.change models.MultilayerPerceptron.activation
    """,
    "True, False, np.True_": """
        Results.table.wide
        Replay.censored
        simulate.keep_rounds network.regions.relay difficulty.window.off_by_one attacks.EarlyKey.bound
        attacks.early_key.bound testing.check_mechanism.random testing.check_mechanism.answers
        testing.check_mechanism.independent SecureMappingLayer.standardise attacks.collusion.advantage.bound
        attacks.theft.attempt.truthful
    """,
    "key": """
        attacks.selfish_pools.mine.key
        analysis.service_at_loads.key
        bank_estimate.key simulate.key testing.check_mechanism.key testing.check_network.key learning_curves.key
        serve.key_or_keys attacks.collusion.advantage.key attacks.double_spend.walk.key
        attacks.head_start.identities.key attacks.selfish.mine.key attacks.theft.encounter.key
    """,
    "nodes": """
        protocols.pools.nodes
        protocols.pofl.nodes
        protocols.coin_ai.nodes
        protocols.d_podl.nodes
        protocols.dlbc.nodes
        protocols.podl.nodes
        protocols.pole.nodes
        protocols.pow.nodes
        protocols.sedulity.nodes
        protocols.wekacoin.nodes
        analysis.fairness_exponent.nodes
        Results.summarise.nodes
        Scenario.nodes nodes.growth.nodes nodes.lose.nodes nodes.schedule.nodes attacks.early_key.nodes
        attacks.leak.nodes attacks.withholding.nodes testing.check_mechanism.nodes summarise.nodes
        analysis.fairness.nodes attacks.double_spend.race.attacker
    """,
    "0, 0.5, 1e-30, third, square, cube": """
        protocols.pofl.threshold
        protocols.coin_ai.threshold
        protocols.d_podl.threshold
        protocols.pole.threshold
        ClaimRules.threshold ClaimRules.accept ClaimRules.margin PoLe.threshold PoLe.accept PoLe.margin
        Replay.threshold Replay.accept Replay.margin
    """,
    "three, range": """
        theory.clique_fork_probability.power theory.clique_stale_per_block.power theory.clique_win_share.power
        theory.near_tie_probability.win_share theory.power_share.power theory.tie_probability.win_share
        attacks.detection.mean.values attacks.detection.roc.honest attacks.detection.roc.cheats
    """,
    "1.5, 1e30": """
        difficulty.ema.blocks theory.bulk_queue.block_rate theory.bulk_wait_quantile.block_rate
        theory.byzantium_interval.step theory.full_block_share.block_rate theory.near_tie_probability.interval
        theory.priority_waits.block_rate theory.propagation_fork_probability.interval
    """,
    "keys": """
        attacks.selfish_pools.mine_many.keys
        attacks.selfish_pools.relative_revenue.keys
        simulate_many.keys tally_many.keys attacks.double_spend.race.keys attacks.double_spend.walks.keys
        attacks.selfish.mine_many.keys attacks.selfish.relative_revenue.keys
    """,
    "no, 600 as text": """
        tasks.holds_cifar10.folder
        Bank.save.path
        study.out learning_curves.out open_study.path Results.path analysis.figures.save.path
        analysis.figures.write_all.folder
    """,
    "square": """
        network.regions.between attacks.rebasing.refit.inputs models.accuracy.logits models.cross_entropy.logits
        models.logits.inputs models.logits_of_columns.columns
    """,
    "three": """
        nodes.from_shares.shares theory.race_moments.power theory.weibull_interval_mean.power
        theory.weibull_win_share.power attacks.double_spend.overtakes.confirmations
        attacks.double_spend.race.confirmations
    """,
    "0, 0.5, 1.5, 1e-30, third": """
        protocols.pofl.communication
        nodes.lognormal.sigma nodes.zipf.exponent theory.byzantium_interval.delay theory.clique_win_share.delay
        theory.near_tie_probability.delay
    """,
    "history": """
        baselines.mean_interval.history
        analysis.fairness_exponent.history
        summarise.history analysis.cost.history analysis.fairness.history analysis.tally.history
        analysis.winner_work.history
    """,
    "empty, three": """
        SecureMappingLayer.shape models.ConvolutionalNetwork.shape models.ConvolutionalNetwork.channels
        models.MultilayerPerceptron.hidden
    """,
    "inf, 0, 0.5, 1.5, 1e30, 1e-30, 1e39, 1e300, third, empty, three, square, cube, range": """
        theory.exponential_survival.interval theory.gamma_survival.work theory.lognormal_survival.work
        theory.retarget_survival.interval
    """,
    "inf, 0.5, 1.5, 1e30, 1e-30, third, three, square, cube": """
        ClaimRules.deadline PoLe.deadline Replay.deadline network.hop_delay.bandwidth
    """,
    "no, empty text, 600 as text": """
        analysis.figures.variation_and_stale_blocks.size analysis.figures.win_shares.size tasks.from_arrays.name
        tasks.from_splits.name
    """,
    "0, 0.5, 1.5, 1e30, 1e-30, third, three, range": """
        network.gossip.latency network.regions.up network.regions.down
    """,
    "0.5, 1.5, 1e30, third": """
        theory.weibull_interval_cv.shape theory.weibull_interval_mean.shape theory.weibull_win_share.shape
    """,
    "empty, range": """
        attacks.early_key.addresses attacks.leak.addresses attacks.withholding.addresses
    """,
    "flags, jax flags": """
        network.relay.members attacks.Cheating.plays attacks.LiveTheft.plays
    """,
    "mechanism": """
        Scenario.mechanism TaskStream.idle testing.check_mechanism.mechanism
    """,
    "network": """
        protocols.pofl.network
        protocols.coin_ai.network
        protocols.d_podl.network
        protocols.dlbc.network
        protocols.podl.network
        protocols.pole.network
        protocols.pow.network
        protocols.sedulity.network
        protocols.wekacoin.network
        network.verified.network
        Scenario.network network.random_delays.base testing.check_network.network
    """,
    "three, square, cube, range": """
        analysis.gini.shares analysis.hhi.shares analysis.nakamoto.shares
    """,
    "0.5, 1.5, 1e30, third, three, square, cube": """
        mechanisms.gamma.shape mechanisms.weibull.shape
    """,
    "1e-30": """
        difficulty.byzantium.gain difficulty.homestead.gain
    """,
    "None": """
        attacks.rebasing.refit.old
        PoLe.sml Recipe.sml
    """,
    "range": """
        nodes.Nodes.address network.internet.region
    """,
    "-0.5, 0, 0.5, 1.5, 1e30, 1e-30, third, three, square, cube, range": """
        nodes.growth.per_block
    """,
    "-1": """
        theory.ethereum_interval_clamped.lowest
    """,
    "-1, -0.5, 0, 0.5, 1.5, 1e30, 1e-30, third": """
        analysis.Tally.about.centre
    """,
    "0, 0.5, 1.5, 1e-30, third, square, cube, range": """
        network.uniform_delay.low
    """,
    "0, 0.5, 1e-30, third, empty": """
        theory.bulk_wait_quantile.share
    """,
    "0, 1e-30, third": """
        theory.selfish_revenue.alpha
    """,
    "0, key": """
        tasks.synthetic.key_or_seed
    """,
    "0.5, 1.5, 1e-30, third, three, square, cube": """
        mechanisms.lognormal.sigma
    """,
    "0.5, 1.5, 1e30": """
        theory.clique_win_share.interval
    """,
    "0.5, 1.5, 1e-30, third": """
        baselines.at_stale_rate.stale_per_main
    """,
    "0.5, 1.5, third": """
        baselines.at_interval.interval baselines.at_stale_rate.interval
        theory.tie_probability.shape
    """,
    "0.5, third": """
        theory.selfish_pools_revenue.accuracy
        difficulty.accuracy.high
    """,
    "1.5": """
        theory.near_tie_probability.shape
    """,
    "1.5, 1e30, three, square, cube": """
        protocols.d_podl.after
        network.uniform_delay.high
    """,
    "1.5, three, square, cube": """
        HashedPoW.work
    """,
    "dict": """
        analysis.figures.save.columns
    """,
    "empty": """
        network.from_edges.edges
    """,
    "empty, three, range": """
        tasks.stratified_split.sizes
    """,
    "flags": """
        nodes.lose.lost
    """,
    "inf, 0.5, 1.5, 1e30, 1e-30, third, three": """
        network.gossip.bandwidth
    """,
    "inf, 1.5, 1e30, three, square, cube": """
        difficulty.window.clamp
    """,
    "inf, three, square, cube": """
        Load.capacity
    """,
    "square, cube, range": """
        network.empirical_delay.quantiles
    """,
    "three, square, cube": """
        nodes.Nodes.power
    """,
}

ALLOWED = {f"pj.{argument}": set(labels.split(", ")) for labels, some in _RIGHT.items() for argument in some.split()}
"""From the path of an argument, as in "pj.PoW.work", to the labels in `bad_values.BAD`."""
