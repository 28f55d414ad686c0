"""Tables and pictures of the GPU benchmark, from its lines.

A line is what a side printed for a case: ``{"case": {...}, ...}``, with "why" in place
of figures where there are none.
"""

from collections import Counter
from math import nan
from statistics import median

from benchmarks import record
from benchmarks.peers.comparison_report import never_or, ratio, thousands

SHARES = ("operations", "bytes", "latency", "barriers")
VALUES = {  # of a line of each part
    "probe": "values",
    "throughput": "samples_per_s",
    "sweep": "samples_per_s",
    "target": "seconds",
}


def given(lines):
    """Lines that hold figures."""
    return [line for line in lines if "why" not in line]


def name_of(case):
    """Side of a throughput line, PyTorch's with its precision and layout."""
    extras = [case.get("precision", "default"), case.get("layout", "nchw")]
    names = [extra for extra in extras if extra not in ("default", "nchw")]
    return " ".join([case["side"], *names])


def short(rate):
    """Write a rate in thousands or millions."""
    return f"{rate / 1e6:.2f}M" if rate >= 1e6 else f"{thousands(rate)}k"


def table(titles, rows):
    """Lay rows of cells out in Markdown; nothing without rows."""
    if not rows:
        return
    yield "| " + " | ".join(titles) + " |"
    yield "|---" * len(titles) + "|"
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"


def figures(lines):
    """Medians and spreads of a record: cases and their `VALUES`, by part."""
    return {
        part: [
            {"case": line["case"], name: record.spread(_numbers(line[name]))}
            for line in given(lines[part])
        ]
        for part, name in VALUES.items()
    }


def missing_rows(lines):
    """Say once each why cases have no figures."""
    reasons = {}
    for line in lines:
        if "why" in line:
            case = line["case"]
            name = case.get("side") or case.get("what") or "phases"
            counts = reasons.setdefault(line["why"], Counter())
            counts[name] += 1
    for why, counts in reasons.items():
        names = (f"{name} ({n} cases)" if n > 1 else name for name, n in counts.items())
        yield f"- not measured: {', '.join(names)}: {why}"


# Predictions -----------------------------------------------------------------------


def prediction_rows(predicted, batches=(32, 64)):
    """Markdown rows of predicted steps: networks, minibatches, G x S."""
    titles = ("network", "batch", "G x S", "us a step", "updates/s", "samples/s")
    titles += ("ms an epoch", "of peak", *(f"{share}" for share in SHARES))
    rows = []
    for network, runs in predicted.items():
        for run in runs:
            if run["batch"] in batches:
                shares = [f"{run['shares'].get(share, 0):.0%}" for share in SHARES]
                setting = f"{run['workers']}x{run['blocks']}"
                own = [network, run["batch"], setting, f"{run['step_s'] * 1e6:.1f}"]
                own += [short(run["updates_per_s"]), short(run["samples_per_s"])]
                own += [f"{run['epoch_s'] * 1e3:.1f}", f"{run['of_peak']:.1%}"]
                rows.append(own + shares)
    return table(titles, rows)


def predicted_phase_rows(runs):
    """Markdown rows of the phases of some predicted runs of one network and batch."""
    settings = [f"{run['workers']}x{run['blocks']}" for run in runs]
    titles = ("phase", "kFLOP", *(f"us, {s}" for s in settings))
    rows = []
    for phases in zip(*(run["phases"] for run in runs), strict=True):
        cells = [f"{p['seconds'] * 1e6:.2f} {p['bound']}" for p in phases]
        rows.append(
            (phases[0]["name"], f"{phases[0]['operations'] / 1e3:,.0f}", *cells)
        )
    return table(titles, rows)


# Measurements ----------------------------------------------------------------------


def probe_rows(lines):
    """Markdown rows of the card's rates: median and spread."""
    scales = {"B/s": (1e-12, "TB/s"), "FLOP/s": (1e-12, "TFLOP/s"), "s": (1e6, "us")}
    rows = []
    for line in given(lines):
        scale, unit = scales[line["unit"]]
        values = [v * scale for v in line["values"]]
        case = line["case"]
        team = f", {case['team']} blocks" if "team" in case else ""
        spread = f"{min(values):.2f}-{max(values):.2f}"
        rows.append((case["what"] + team, f"{median(values):.2f}", unit, spread))
    return table(("what", "median", "unit", "spread"), rows)


def phase_rows(lines, predict, peak):
    """Markdown rows of measured phases beside the predicted.

    Parameters
    ----------
    lines : list of dict
        Of `hogblock_side.phases_of`.
    predict : callable
        ``predict(network, batch, workers, blocks)`` as `model.predict`, of a
        network's name.
    peak : float
        fp32 operations a second.
    """
    titles = ("network", "batch", "blocks", "phase", "us", "GFLOP/s", "of peak")
    titles += ("kB", "predicted us", "bound")
    rows = []
    for line in given(lines):
        case = line["case"]
        run = predict(case["network"], case["batch"], 1, case["blocks"])
        for phase, spent in zip(run["phases"], line["seconds"], strict=True):
            if spent is None:
                continue
            speed = phase["operations"] / spent
            own = [case["network"], case["batch"], case["blocks"], phase["name"]]
            own += [f"{spent * 1e6:.2f}", f"{speed / 1e9:,.0f}", f"{speed / peak:.1%}"]
            own += [f"{phase['bytes'] / 1e3:,.0f}", f"{phase['seconds'] * 1e6:.2f}"]
            rows.append([*own, phase["bound"]])
    return table(titles, rows)


def speeds(lines, network):
    """{side: {batch: line}} of a network."""
    found = {}
    for line in given(lines):
        if line["case"]["network"] == network:
            row = found.setdefault(name_of(line["case"]), {})
            row[line["case"]["batch"]] = line
    return found


def networks_of(lines):
    """Networks that have figures, in their order."""
    return list(dict.fromkeys(line["case"]["network"] for line in given(lines)))


def best_torch(found, batch):
    """Samples/s of PyTorch's best mode at a minibatch; NaN without one."""
    rates = [
        median(row[batch]["samples_per_s"])
        for side, row in found.items()
        if side.startswith("torch") and batch in row
    ]
    return max(rates, default=nan)


def throughput_rows(lines, network):
    """Markdown rows: median and spread, and the ratio to PyTorch's best mode."""
    found = speeds(lines, network)
    batches = sorted({batch for row in found.values() for batch in row})
    rows = []
    for side, row in found.items():
        cells = []
        for batch in batches:
            if batch not in row:
                cells.append("-")
                continue
            rates = row[batch]["samples_per_s"]
            spread = f"{short(min(rates))}-{short(max(rates))}"
            over = ratio(median(rates) / best_torch(found, batch))
            cells.append(f"{short(median(rates))} ({spread}), {over}")
        rows.append((side, *cells))
    return table((f"{network}, side", *(f"batch {b}" for b in batches)), rows)


def host_rows(lines):
    """Markdown rows of the share of the wall clock in which the card was idle."""
    rows = []
    for line in given(lines):
        if line.get("host_share") is not None:
            case = line["case"]
            epoch = f"{line['epoch_s'] * 1e3:.2f}"
            share = f"{line['host_share']:.1%}"
            rows.append((case["network"], name_of(case), case["batch"], epoch, share))
    return table(("network", "side", "batch", "ms an epoch", "host's share"), rows)


def sequential_loss(lines, case):
    """Median loss of the sequential run at a case's minibatch; NaN without one."""
    for line in given(lines):
        own = line["case"]
        same = all(own[k] == case[k] for k in ("network", "batch"))
        if same and own["method"] == "sgd":
            return median(line["losses"])
    return nan


def sweep_rows(lines):
    """Markdown rows of Hogwild's speed and loss by G and S, beside sequential steps."""
    titles = ("network", "batch", "side", "samples/s", "mean staleness")
    titles += ("loss: median (spread)", "over sequential")
    rows = []
    for line in given(lines):
        case, losses = line["case"], line["losses"]
        own = [case["network"], case["batch"], case["side"]]
        own += [short(median(line["samples_per_s"]))]
        own += [f"{line['mean_staleness']:.1f}"]
        own += [f"{median(losses):.4f} ({min(losses):.4f}-{max(losses):.4f})"]
        rows.append([*own, ratio(median(losses) / sequential_loss(lines, case))])
    return table(titles, rows)


def target_rows(lines, network):
    """Markdown rows of the time to a network's target accuracy."""
    own = [line for line in given(lines) if line["case"]["network"] == network]
    times = {id(line): _numbers(line["seconds"]) for line in own}
    theirs = [
        median(times[id(line)])
        for line in own
        if line["case"]["side"].startswith("torch")
    ]
    best = min(theirs, default=nan)
    rows = []
    for line in own:
        case, seconds = line["case"], times[id(line)]
        spread = f"{never_or(min(seconds))}-{never_or(max(seconds))}"
        middle = median(seconds)
        cells = [name_of(case), case["batch"], f"{never_or(middle)} ({spread})"]
        cells += [ratio(best / middle), f"{median(line['final']):.4f}", line["lr"]]
        rows.append([*cells, line["budget"]])
    target = own[0]["case"]["target"] if own else ""
    titles = (f"{network}, side", "batch", f"s to {target}: median (spread)", "ratio")
    return table((*titles, "final", "lr", "epochs"), rows)


def _numbers(values):
    return [float("inf") if value is None else value for value in values]


def draw(lines, predicted, path):
    """Draw speed by minibatch, a network a panel, the sweep over G, and phases."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    measured = networks_of(lines["throughput"])
    panels = measured or list(predicted)
    sweep, timed = given(lines["sweep"]), given(lines["phases"])
    count = len(panels) + 1 + bool(timed)
    figure = Figure(figsize=(5 * count, 5), layout="constrained")
    axes = iter(figure.subplots(1, count, squeeze=False)[0])
    for network in panels:
        ax = next(axes)
        if measured:
            draw_speeds(ax, speeds(lines["throughput"], network))
        else:
            draw_predicted(ax, predicted[network])
        title = network if measured else f"{network}, predicted"
        ax.set(xlabel="minibatch", ylabel="samples/s", title=title)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.legend(fontsize="x-small")
    if sweep:
        draw_sweep(next(axes), sweep)
    else:
        draw_predicted_sweep(next(axes), predicted)
    if timed:
        draw_phases(next(axes), timed[0])
    figure.savefig(path, dpi=120)


def draw_phases(axes, line):
    """Bars of the microseconds of each phase, measured, and marks where predicted."""
    case, place = line["case"], range(len(line["seconds"]))
    axes.barh(place, [1e6 * (s or 0) for s in line["seconds"]], label="measured")
    guesses = [1e6 * phase["seconds"] for phase in line["predicted"]]
    axes.plot(guesses, place, "k|", markersize=10, label="predicted")
    axes.set_yticks(place, [p["name"] for p in line["predicted"]], fontsize="x-small")
    axes.invert_yaxis()
    title = f"{case['network']}, {case['batch']} samples, {case['blocks']} blocks"
    axes.set(xlabel="us", title=title)
    axes.legend(fontsize="x-small")


def draw_speeds(axes, found):
    """Lines of samples/s by minibatch, one a side."""
    for side, row in found.items():
        batches = sorted(row)
        rates = [median(row[batch]["samples_per_s"]) for batch in batches]
        style = "o--" if side.startswith("torch") else "o-"
        axes.plot(batches, rates, style, markersize=3, label=side)


def draw_predicted(axes, runs):
    """Lines of predicted samples/s by minibatch, one a setting."""
    by_setting = {}
    for run in runs:
        setting = f"{run['workers']}x{run['blocks']}"
        by_setting.setdefault(setting, []).append((run["batch"], run["samples_per_s"]))
    for setting, pairs in by_setting.items():
        axes.plot(*zip(*sorted(pairs), strict=True), "o:", markersize=3, label=setting)


def draw_sweep(axes, sweep):
    """Lines of the loss over samples/s, a point for each G."""
    kinds = {}
    for line in sweep:
        case = line["case"]
        key = case["network"], case["batch"], case["method"]
        point = median(line["samples_per_s"]), median(line["losses"]), case["workers"]
        kinds.setdefault(key, []).append(point)
    for key, points in kinds.items():
        points.sort(key=lambda point: point[2])
        x, y, workers = zip(*points, strict=True)
        axes.plot(x, y, "o-", markersize=3, label=" ".join(map(str, key)))
        for point in zip(workers, x, y, strict=True):
            axes.annotate(point[0], point[1:], fontsize="x-small")
    axes.set(xlabel="samples/s", ylabel="training loss", title="Sweep over G")
    axes.set_xscale("log")
    axes.legend(fontsize="x-small")


def draw_predicted_sweep(axes, predicted):
    """Lines of predicted samples/s by G, one for each network and small minibatch."""
    for network, runs in predicted.items():
        for batch in sorted({run["batch"] for run in runs})[:2]:
            pairs = [
                (run["workers"], run["samples_per_s"])
                for run in runs
                if run["batch"] == batch
            ]
            points = zip(*sorted(pairs), strict=True)
            axes.plot(*points, "o:", markersize=3, label=f"{network} {batch}")
    axes.set(xlabel="workers G", ylabel="samples/s", title="Workers, predicted")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.legend(fontsize="x-small")
