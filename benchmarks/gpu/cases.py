"""What the GPU benchmark measures: the cases of each part, the most important first.

A part's time may end before its list does. A case is a dict that a side's module reads,
see torch_side.py, hogblock_side.py and probe.py.
"""

from dataclasses import dataclass

from benchmarks.gpu.model import settings

PROBE, HOGBLOCK, TORCH = (
    f"benchmarks.gpu.{name}" for name in ("probe", "hogblock_side", "torch_side")
)
NETWORKS = ("mlp", "conv16-32", "lenet5")
BATCHES = (64, 1024, 32, 256, 128, 4096)
TEAMS = (8, 16, 33, 132)
METHODS = (("sgd", 1), ("hogwild", 8), ("hogwild", 4), ("passm+", 4), ("passm", 4))
MORE_WORKERS = (("hogwild", 16), ("hogwild", 132), ("passm+", 8))
SWEEP_BATCHES = (32, 64)
SWEEP = {"epochs": 3, "lr": 0.02, "seeds": [0, 1, 2]}
PHASE_BATCHES, PHASE_BLOCKS = (32, 64), (132, 16, 1)
TARGETS = {"mlp": 0.89, "conv16-32": 0.91}
TRAINING = {"epochs": 10, "tuning_seed": 100, "seeds": [0, 1, 2]}
TARGET_BATCHES = {"mlp": (64, 512), "conv16-32": (64, 256)}
LEARNING_RATES = {64: (0.02, 0.04, 0.08), 256: (0.05, 0.1, 0.2), 512: (0.1, 0.2, 0.4)}
TARGET_METHODS = (("hogwild", 8), ("hogwild", 4), ("passm+", 4), ("sgd", 1))
TARGET_TORCH = ("torch-graph", "torch-compile", "torch-eager")
SECONDS = {  # of each part and side; what one leaves over goes to those that follow
    "card": 10,
    "probe": 25,
    "phases": 20,
    "throughput hogblock": 75,
    "throughput torch-graph": 55,
    "throughput torch-eager": 40,
    "throughput torch-compile": 60,
    "sweep hogblock": 45,
    "target hogblock": 50,
    "target torch-graph": 40,
    "target torch-compile": 20,
}
PARTS = ("card", "probe", "phases", "throughput", "sweep", "target")


@dataclass(frozen=True)
class Job:
    """Cases that one process works on.

    Attributes
    ----------
    part, side, module : str
    cases : list of dict
    """

    part: str
    side: str
    module: str
    cases: list

    @property
    def seconds(self):
        """Time that the whole benchmark has for it."""
        of_side = SECONDS.get(f"{self.part} {self.side}")
        return SECONDS.get(self.part, 10) if of_side is None else of_side


def probe_cases():
    """List what probe.py measures."""
    names = ("multiply-add", "read ld.relaxed.gpu", "read ld.relaxed.gpu.v4")
    names += ("read ld.global.cg.v4", "read ld.global", "add red.f32")
    names += ("add red.v4.f32", "store st.global", "store st.relaxed.gpu")
    names += ("store st.global.v4", "launch", "launch, 4 arrays", "graph node")
    barriers = [{"what": "barrier", "team": team} for team in TEAMS]
    first, *others = [{"what": name} for name in names]
    return [first, *barriers, *others]  # the first wakes the card's clock


def ours(case, method, workers, card=132):
    """Add a method and its workers to a case, with the teams that fill the card."""
    blocks = max(1, card // workers)
    side = f"{method} {workers}x{blocks}"
    own = {"side": side, "method": method, "workers": workers, "blocks": blocks}
    return own | case


def throughput_cases(side, networks=NETWORKS, batches=BATCHES, card=132):
    """List the throughput cases of a side."""
    cases = []
    for batch in batches:
        for network in networks:
            case = {"network": network, "batch": batch}
            if side == "hogblock":
                few = METHODS if batch <= 256 else METHODS[:3]
                cases += [ours(case, *method, card) for method in few]
            else:
                cases += torch_cases(case | {"side": side})
    if side == "hogblock":
        for network in networks:
            case = {"network": network, "batch": 64}
            cases += [ours(case, *method, card) for method in MORE_WORKERS]
    return cases


def torch_cases(case):
    """List a case of PyTorch at its precisions and, of images, memory layouts."""
    default = case | {"precision": "default"}
    yield default
    few = case["side"] == "torch-compile"
    if case["network"] == "mlp":
        if not few:
            yield case | {"precision": "tf32"}
        return
    if not few:
        yield case | {"precision": "fp32"}
    if case["side"] == "torch-graph":
        yield default | {"layout": "nhwc"}


def sweep_cases(networks=("mlp", "conv16-32"), batches=SWEEP_BATCHES, card=132):
    """List sequential runs, then Hogwild at every G with teams that fill the card."""
    from benchmarks.gpu.model import H200, with_measured

    pairs = settings(with_measured(H200, {"multiprocessors": card}))
    cases = []
    for network in networks:
        for batch in batches:
            case = {"network": network, "batch": batch} | SWEEP
            cases.append(ours(case, "sgd", 1, card))
            cases += [ours(case, "hogwild", g, card) for g, _ in reversed(pairs)]
    return cases


def phase_cases(networks=NETWORKS):
    """List the plans whose phases are timed one by one."""
    return [
        {"network": network, "batch": batch, "blocks": blocks}
        for batch in PHASE_BATCHES
        for network in networks
        for blocks in PHASE_BLOCKS
    ]


def target_cases(side, networks=tuple(TARGETS), card=132):
    """List the runs to a test accuracy of a side."""
    cases = []
    for network in networks:
        for batch in TARGET_BATCHES[network]:
            case = {"network": network, "batch": batch, "target": TARGETS[network]}
            case |= TRAINING | {"lrs": LEARNING_RATES[batch]}
            if side != "hogblock":
                cases.append(case | {"side": side, "precision": "default"})
            elif batch == TARGET_BATCHES[network][0]:
                cases += [ours(case, *method, card) for method in TARGET_METHODS]
    return cases


def jobs(part, networks=None, card=132):
    """List the jobs of a part.

    Parameters
    ----------
    part : str
        Of `PARTS`.
    networks : sequence of str, default=None
        None is what the part measures by default.
    card : int
        Multiprocessors.

    Returns
    -------
    list of Job
    """
    own = {} if networks is None else {"networks": networks}
    sides = {"hogblock": HOGBLOCK} | dict.fromkeys(TARGET_TORCH, TORCH)
    match part:
        case "card":
            return [Job(part, "card", PROBE, [{"what": "card"}])]
        case "probe":
            return [Job(part, "probe", PROBE, probe_cases())]
        case "phases":
            return [Job(part, "hogblock", HOGBLOCK, phase_cases(**own))]
        case "sweep":
            cases = sweep_cases(card=card, **own)
            return [Job(part, "hogblock", HOGBLOCK, cases)]
        case "throughput":
            return [
                Job(part, side, module, throughput_cases(side, card=card, **own))
                for side, module in sides.items()
            ]
    own = {k: [n for n in v if n in TARGETS] for k, v in own.items()}
    return [
        Job(part, side, module, target_cases(side, card=card, **own))
        for side, module in sides.items()
        if side != "torch-eager"
    ]


def tiny(job):
    """Shrink a job to what a processor does in seconds."""
    cases, seen = [], set()
    for case in job.cases:
        if case.get("network") == "lenet5":
            continue
        case = dict(case)
        if "batch" in case:
            case["batch"] = 8
        if "workers" in case:
            case["workers"] = min(2, case["workers"])
            case["side"] = f"{case['method']} {case['workers']}x1"
        if "blocks" in case:
            case["blocks"] = 1
        if "epochs" in case:
            case |= {"epochs": 1, "seeds": [0]}
        if "lrs" in case:
            case |= {"lrs": [0.05], "target": 0.05}
        key = str(sorted(case.items()))
        if key not in seen:
            seen.add(key)
            cases.append(case)
    return Job(job.part, job.side, job.module, cases)
