"""JAX with an epoch as one jitted scan over donated weights and momentum."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.sides import Peer
from benchmarks.problems import MOMENTUM


class JaxScan(Peer):
    """Train ``outputs(params, rows)``, a function of a list of parameters."""

    def __init__(self, outputs, problem, x, y, batch):
        super().__init__(problem, jnp.asarray(x), jnp.asarray(y, jnp.int32), batch)

        def loss(params, x, y):
            log_p = jax.nn.log_softmax(outputs(params, x))
            return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], 1))

        def update(rate, param, u, grad):
            return param - rate * (grad + MOMENTUM * u if problem.nesterov else u)

        def epoch(state, x, y, batches, rates):
            def step(state, batch):
                params, momenta = state
                index, rate = batch
                # Gathering here beats permuting x before the scan, jitted or not.
                grads = jax.grad(loss)(params, x[index], y[index])
                momenta = jax.tree.map(lambda u, g: MOMENTUM * u + g, momenta, grads)
                params = jax.tree.map(partial(update, rate), params, momenta, grads)
                return (params, momenta), None

            return jax.lax.scan(step, state, (batches, rates))[0]

        self.run = jax.jit(epoch, donate_argnums=0)

    def reset(self, weights):
        params = [jnp.array(w) for w in weights]
        self.state = params, [0 * param for param in params]

    def train(self, batches, rates):
        batches = batches.astype(np.int32)
        state = self.run(self.state, self.x, self.y, batches, rates)
        self.state = jax.block_until_ready(state)

    def weights(self):
        return [np.asarray(param) for param in self.state[0]]
