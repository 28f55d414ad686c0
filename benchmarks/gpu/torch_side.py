"""PyTorch's sides of the GPU benchmark: eager, compiled, and a captured CUDA graph.

All train float32 with the fused SGD, with data, minibatches' indices and learning rates
on the card. ``precision`` says where tensor cores may round operands to TF32: "default"
in cuDNN's convolutions but not in matrix products, as PyTorch comes; "fp32" nowhere;
"tf32" in both. Times are wall clock, the card waited for at the end of each epoch.

    python -m benchmarks.gpu.torch_side JOB     # see child.py
"""

import time
from math import prod

import torch

from benchmarks import torch_networks
from benchmarks.gpu.child import serve, throughput, to_target
from benchmarks.gpu.problems import NETWORKS, TINY, samples, shape_of, use_data
from benchmarks.problems import MOMENTUM, Convnet

UNROLL = 16  # steps of one graph
WARM_UPS = 3
LR = 0.01
TEST_CHUNK = 2_000
TF32 = {"default": (False, True), "fp32": (False, False), "tf32": (True, True)}


class Eager:
    """PyTorch as commonly written.

    Parameters
    ----------
    case : dict
        ``network``, ``batch``, ``precision`` and, of images, ``layout``.
    device : {"cuda", "cpu"}
    tiny : bool
    """

    def __init__(self, case, device, tiny=False):
        matmul, cudnn = TF32[case["precision"]]
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.backends.cudnn.allow_tf32 = cudnn
        torch.backends.cudnn.benchmark = True
        self.device, self.tiny = torch.device(device), tiny
        self.problem = (TINY if tiny else NETWORKS)[case["network"]]
        images = isinstance(self.problem, Convnet)
        layout = (case.get("layout", "nchw"),) if images else ()
        kind = torch_networks.Convnet if images else torch_networks.Perceptron
        self.model = kind(self.problem, *layout)
        self.x, self.y = self.data("train")
        self.test = None
        self.batch = case["batch"]
        self.steps = len(self.x) // self.batch
        self.module = self.model.module().to(self.device)
        self.params = list(self.module.parameters())
        self.prepare()
        self.samples = self.steps * self.batch

    def data(self, split):
        """Put a split on the device."""
        x, y = samples(self.problem, split, self.tiny)
        assert x.shape[1] == prod(shape_of(self.problem))
        return torch.tensor(x).to(self.device), torch.tensor(y).to(self.device)

    def prepare(self):
        """Make the optimiser, and what else a side needs once."""
        self.optimizer = self.sgd(LR)
        self.loss = self.plain_loss

    def sgd(self, lr):
        """Make the fused optimiser."""
        nesterov = self.problem.nesterov
        return torch.optim.SGD(
            self.params, lr=lr, momentum=MOMENTUM, nesterov=nesterov, fused=True
        )

    def plain_loss(self, x, y):
        """Mean loss of a minibatch."""
        return torch.nn.functional.cross_entropy(self.module(x), y)

    def step(self, index, rate):
        """Take one step."""
        self.optimizer.param_groups[0]["lr"] = rate
        x, y = self.x.index_select(0, index), self.y.index_select(0, index)
        self.loss(x, y).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def reset(self, seed):
        """Begin again: the problem's initial weights, no momentum."""
        weights = self.model.to_torch(self.problem.initial_weights(seed))
        with torch.no_grad():
            for param, tensor in zip(self.params, weights, strict=True):
                param.copy_(tensor)
            for state in self.optimizer.state.values():
                if state.get("momentum_buffer") is not None:
                    state["momentum_buffer"].zero_()
        torch.manual_seed(seed)

    def epoch(self, rates):
        """Shuffle and train one epoch with the learning rates of its steps."""
        order = torch.randperm(len(self.x), device=self.device)[: self.samples]
        self.train_on(order.view(self.steps, self.batch), rates)

    def train_on(self, batches, rates):
        """Train on minibatches (steps, batch) of indices."""
        for index, rate in zip(batches, rates.tolist(), strict=True):
            self.step(index, rate)

    def wait(self):
        """Wait for the card."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def run(self, epochs):
        """Train some epochs at one learning rate, see `child.throughput`."""
        rates = torch.full((self.steps,), LR)
        marks = None
        self.wait()
        if self.device.type == "cuda":
            marks = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            marks[0].record()
        start = time.perf_counter()
        for _ in range(epochs):
            self.epoch(rates)
        if marks:
            marks[1].record()
        self.wait()
        wall = time.perf_counter() - start
        # Between two events the card may wait for the host: not time that it is busy.
        events = marks[0].elapsed_time(marks[1]) / 1e3 if marks else None
        return {"seconds": wall, "wall": wall, "device": None, "events": events}

    def train(self, seed, rates):
        """Train with the rates (epochs, steps), see `child.to_target`."""
        self.reset(seed)
        self.wait()
        spent, seconds, accuracy = 0.0, [], []
        for of_epoch in rates:
            start = time.perf_counter()
            self.epoch(torch.from_numpy(of_epoch))
            self.wait()
            spent += time.perf_counter() - start
            seconds.append(spent)
            accuracy.append(self.accuracy())
        return seconds, accuracy

    @torch.no_grad()
    def accuracy(self):
        """Return the share of test samples that the network labels rightly."""
        if self.test is None:
            self.test = self.data("t10k")
        x, y = self.test
        found = [self.module(part).argmax(1) for part in x.split(TEST_CHUNK)]
        return float((torch.cat(found) == y).float().mean())


class Compiled(Eager):
    """The forward and the backward pass compiled, "max-autotune".

    The gather stays outside: its graph would copy the whole training set at every step.
    """

    def prepare(self):
        super().prepare()
        torch.compiler.reset()  # earlier cases count towards a limit
        options = {"mode": "max-autotune"}
        if self.device.type == "cpu":  # the path is tried, nothing is compiled
            options = {"backend": "aot_eager"}
        self.loss = torch.compile(
            self.plain_loss, fullgraph=True, dynamic=False, **options
        )

    def step(self, index, rate):
        torch.compiler.cudagraph_mark_step_begin()
        super().step(index, rate)


class Captured(Eager):
    """A CUDA graph of `UNROLL` whole steps, gathers and updates included.

    An epoch drops the steps that do not fill a graph.
    """

    def prepare(self):
        self.loss = self.plain_loss
        self.unroll = min(UNROLL, self.steps)
        self.steps -= self.steps % self.unroll
        shape = self.unroll, self.batch
        self.index = torch.zeros(shape, dtype=torch.int64, device=self.device)
        self.rates = torch.full((self.unroll,), LR, device=self.device)
        self.optimizer = self.sgd(self.rates[0])
        if self.device.type != "cuda":
            self.replay = self.some_steps
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self.some_steps()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.some_steps()
        self.replay = self.graph.replay

    def some_steps(self):
        """Take the steps that a graph holds."""
        for k in range(self.unroll):
            self.step(self.index[k], self.rates[k])

    def train_on(self, batches, rates):
        rates = rates[: self.steps].to(self.device, torch.float32)
        pairs = zip(batches.split(self.unroll), rates.split(self.unroll), strict=True)
        for index, rate in pairs:
            self.index.copy_(index)
            self.rates.copy_(rate)
            self.replay()


SIDES = {"torch-eager": Eager, "torch-compile": Compiled, "torch-graph": Captured}


def side_of(case, job):
    """Build the side that a case names."""
    use_data(job.get("data"))
    if job["device"] == "cpu":
        torch.set_num_threads(1)
    return SIDES[case["side"]](case, job["device"], job["tiny"])


if __name__ == "__main__":
    serve(
        {
            "throughput": lambda case, job, clock: throughput(
                side_of(case, job), clock, job["tiny"]
            ),
            "target": lambda case, job, clock: to_target(
                side_of(case, job), case, clock
            ),
        }
    )
