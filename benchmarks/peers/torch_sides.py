"""PyTorch's ways to train a network on a CPU: eager, compiled, Hogwild.

A `model` says what is trained; it has ``problem``, ``module()`` (a new network that
takes rows), ``to_torch(weights)`` (tensors in the order of the parameters) and
``from_torch(params)`` (arrays in the problem's order).
"""

import torch

from benchmarks.peers.sides import Peer, memory_mb
from benchmarks.problems import MOMENTUM

HOGWILD_PROCESSES = 2
COMPILER = {"fullgraph": True, "dynamic": False, "options": {"cpp_wrapper": True}}


class TorchPeer(Peer):
    """What all share. Denormals are flushed, as XLA does by default."""

    def __init__(self, model, x, y, batch, threads):
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.set_flush_denormal(True)
        x, y = torch.as_tensor(x), torch.as_tensor(y)
        super().__init__(model.problem, x, y, batch)
        self.model = model
        self.use(model.module())

    def use(self, module):
        """Train this module from now on."""
        self.module, self.params = module, list(module.parameters())

    def reset(self, weights):
        with torch.no_grad():
            tensors = self.model.to_torch(weights)
            for param, tensor in zip(self.params, tensors, strict=True):
                param.copy_(tensor)

    def weights(self):
        return self.model.from_torch([p.detach().numpy() for p in self.params])


class TorchEager(TorchPeer):
    """PyTorch as commonly written: modules, autograd, the fused SGD."""

    share = slice(None)  # of the batches of an epoch

    def reset(self, weights):
        super().reset(weights)
        self.optimizer = torch.optim.SGD(
            self.params,
            lr=0.0,
            momentum=MOMENTUM,
            nesterov=self.problem.nesterov,
            fused=True,
        )

    def train(self, batches, rates):
        group = self.optimizer.param_groups[0]
        indices = torch.from_numpy(batches[self.share])
        rates = rates[self.share].tolist()
        for index, group["lr"] in zip(indices, rates, strict=True):
            # As fast as x[order] once an epoch, or faster, without a second x.
            x, y = self.x.index_select(0, index), self.y.index_select(0, index)
            torch.nn.functional.cross_entropy(self.module(x), y).backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)


class TorchCompiled(TorchPeer):
    """PyTorch with the whole step, gather to update, compiled as one graph."""

    def use(self, module):
        super().use(module)
        self.names = [name for name, _ in module.named_parameters()]
        self.params = [param.detach() for param in self.params]
        self.step = torch.compile(self.plain_step, **COMPILER)

    def loss(self, params, x, y):
        params = dict(zip(self.names, params, strict=True))
        outputs = torch.func.functional_call(self.module, params, (x,))
        return torch.nn.functional.cross_entropy(outputs, y)

    def plain_step(self, params, momenta, x, y, index, rate):
        x, y = x.index_select(0, index), y.index_select(0, index)
        # loss.backward() would break the graph, and be no faster than the eager mode.
        grads = torch.func.grad(self.loss)(params, x, y)
        for param, u, grad in zip(params, momenta, grads, strict=True):
            u.mul_(MOMENTUM).add_(grad)
            step = grad + MOMENTUM * u if self.problem.nesterov else u
            param.sub_(rate * step)

    def reset(self, weights):
        super().reset(weights)
        self.momenta = [torch.zeros_like(param) for param in self.params]

    def train(self, batches, rates):
        batches, rates = (torch.from_numpy(a).unbind() for a in (batches, rates))
        with torch.no_grad():
            for index, rate in zip(batches, rates, strict=True):
                self.step(self.params, self.momenta, self.x, self.y, index, rate)


def hogwild_process(pipe, rank, module, *args):
    """Train a share of each epoch's batches: serve the messages of `TorchHogwild`."""
    worker = TorchEager(*args, threads=1)
    worker.use(module)
    worker.share = slice(rank, None, HOGWILD_PROCESSES)
    for method, *arguments in iter(pipe.recv, None):
        getattr(worker, method)(*arguments)
        pipe.send("done")
    # Shared pages (data, weights, libraries) are counted in the parent.
    pipe.send(memory_mb("RssAnon"))


class TorchHogwild(TorchEager):
    """PyTorch's Hogwild example: processes update one model in shared memory."""

    def __init__(self, model, x, y, batch):
        super().__init__(model, x, y, batch, threads=1)
        shared = [tensor.share_memory_() for tensor in (self.x, self.y)]
        context = torch.multiprocessing.get_context("spawn")
        self.pipes = []
        for rank in range(HOGWILD_PROCESSES):
            pipe, other = context.Pipe()
            args = other, rank, self.module.share_memory(), model, *shared, batch
            context.Process(target=hogwild_process, args=args, daemon=True).start()
            other.close()
            self.pipes.append(pipe)

    def ask(self, message):
        """Send `message` to every process; return their answers."""
        for pipe in self.pipes:
            pipe.send(message)
        return [pipe.recv() for pipe in self.pipes]

    def start(self, seed, rates):
        self.ask(("start", seed, rates))

    def epoch(self):
        self.ask(("epoch",))

    def close(self):
        return sum(self.ask(None))
