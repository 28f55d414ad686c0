"""`Parts` as the driver sees them: rows that lie elsewhere, and what they make."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from hogblock.distributed.holding import Summary
from hogblock.distributed.parts import Parts
from hogblock.distributed.session import Session, ray_module
from hogblock.engines.locations import Elsewhere
from hogblock.errors import WorkerError
from hogblock.estimators.continued import Standing
from hogblock.estimators.problem import Given, Problem, checked_validation, scorable
from hogblock.estimators.targets import ClassTargets, RealTargets
from hogblock.training.scaling import Standardiser
from hogblock.training.statistics import Statistics


@dataclass(frozen=True, eq=False)
class RemoteRows(Elsewhere):
    """X whose rows lie on nodes.

    Attributes
    ----------
    session : Session
    readings : list of object reference
        To the `Reading` of each node.
    summaries : list of Summary
    shared : bool
        All nodes hold the same.
    targets : ClassTargets, RealTargets or None
        Of all, once there is a `problem`.
    """

    session: Session
    readings: list[Any]
    summaries: list[Summary]
    shared: bool
    targets: ClassTargets | RealTargets | None = None
    ndim: ClassVar[int] = 2
    where: ClassVar[str] = Parts.where

    @property
    def _counted(self) -> list[Summary]:
        """Those of rows that are counted once."""
        return self.summaries[:1] if self.shared else self.summaries

    def __len__(self) -> int:
        return sum(summary.rows for summary in self._counted)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.summaries[0].features

    @property
    def dtype(self) -> np.dtype:
        return self.summaries[0].dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Some of the first rows: those of the first node that came here."""
        return self.summaries[0].some[rows]

    def max(self) -> float:
        return max(summary.high for summary in self.summaries)

    def min(self) -> float:
        return min(summary.low for summary in self.summaries)

    def any(self) -> bool:
        return self.max() != 0 or self.min() != 0

    @property
    def digest(self) -> np.ndarray:
        """What other rows would differ in."""
        texts = [summary.digest for summary in self._counted]
        return np.frombuffer("".join(texts).encode(), np.uint8)

    def statistics(self, channels: int | None) -> Statistics:
        """Of the columns."""
        handles = self.session.handles[: len(self._counted)]
        refs = [
            handle.statistics.remote(reading, channels)
            for handle, reading in zip(handles, self.readings, strict=False)
        ]
        return reduce(Statistics.joined, answers(self.session, refs))

    def problem(self, estimator, given: Given, standing: Standing) -> Problem:
        """What is learnt of them.

        Raises
        ------
        ValueError
            If parts do not go together: names the node, and what differs.
        """
        self._check_alike()
        first = self.summaries[0]
        if not standing.warm:
            estimator.n_features_in_ = first.features
            vars(estimator).pop("feature_names_in_", None)
            if first.names is not None:
                estimator.feature_names_in_ = np.array(first.names, object)
        targets = self._targets(estimator, standing)
        validation = checked_validation(estimator, given.validation, self, first.shape)
        if validation is not None:
            by_class = estimator._class_weights(validation.y, None, targets)
            validation = scorable(validation, targets, by_class)
        none = np.zeros(0, np.float32)
        rows = replace(self, targets=targets)
        return Problem(rows, None, none, targets, validation, first.shape, len(self))

    def _check_alike(self) -> None:
        """All parts have the same columns, and y of one kind."""
        first = self.summaries[0]
        for rank, summary in enumerate(self.summaries):
            for what, here, there in (
                ("features", summary.features, first.features),
                ("columns", summary.names, first.names),
                ("samples of shape", summary.shape, first.shape),
                ("X of", summary.dtype, first.dtype),
                ("outputs", _outputs(summary), _outputs(first)),
            ):
                if here != there:
                    raise ValueError(
                        f"parts do not go together: {self._named(rank)} has {what} "
                        f"{here}, and {self._named(0)} {there}"
                    )

    def _named(self, rank: int) -> str:
        return f"node {rank} ({self.session.hosts[rank]})"

    def _targets(self, estimator, standing: Standing) -> ClassTargets | RealTargets:
        known = estimator._targets if standing.warm else None
        found = [s.classes for s in self.summaries if s.classes is not None]
        if not found:
            return known or self._real_targets(estimator)
        if known is not None:
            for rank, classes in enumerate(found):
                new = np.setdiff1d(classes, known.classes)
                if len(new):
                    raise ValueError(
                        f"{self._named(rank)} has classes {new.tolist()[:5]} that are "
                        f"not in {known.classes.tolist()[:20]}"
                    )
            return known
        if self.summaries[0].label_kind.startswith("multilabel"):
            return ClassTargets(found[0], "multilabel")
        return ClassTargets.of(np.unique(np.concatenate(found)))

    def _real_targets(self, estimator) -> RealTargets:
        first, standard = self.summaries[0], None
        link = estimator._loss_of(None).link
        outputs = [s.outputs for s in self._counted if s.outputs is not None]
        if estimator.standardize:
            joined = reduce(Statistics.joined, outputs)
            types = frozenset({np.float64})
            standard = Standardiser.of_statistics(
                joined, len(self), types, name="y", centred=link == "identity"
            )
        return RealTargets(outputs[0].mean.size, first.flat, standard, link)


def _outputs(summary: Summary) -> tuple:
    """Of what has to be the same in the y of all parts."""
    labels = None
    if summary.label_kind.startswith("multilabel") and summary.classes is not None:
        labels = len(summary.classes)
    outputs = None if summary.outputs is None else summary.outputs.mean.size
    return summary.flat, labels, outputs


def check_options(estimator, given: Given) -> None:
    """Refuse what does not go with `Parts`, before anybody reads them.

    Raises
    ------
    ValueError
    """
    if given.y is not None or given.weights is not None:
        name = "sample_weight" if given.y is None else "y"
        raise ValueError(f"{name} comes with the parts, and is not passed with Parts")
    if estimator.early_stopping and given.validation.X is None:
        raise ValueError(
            "early_stopping=True sets no part of Parts aside: pass X_val and y_val"
        )
    if getattr(estimator, "class_weight", None) == "balanced":
        raise ValueError(
            "class_weight='balanced' needs all of y on this machine: pass the weights "
            "as a dict with Parts"
        )


def answers(session: Session, refs: list[Any]) -> list[Any]:
    """What nodes answer.

    Raises
    ------
    ValueError, OSError, WorkerError
        What the first of them raised that did, with the node's name.
    """
    ray = ray_module()
    found = []
    for rank, ref in enumerate(refs):
        where = f"node {rank} ({session.hosts[rank]})"
        try:
            found.append(ray.get(ref))
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            known = (OSError, ValueError)
            kind = next((k for k in known if isinstance(cause, k)), WorkerError)
            raise kind(f"{where}: {cause}") from None
        except ray.exceptions.RayActorError as error:
            raise WorkerError(f"{where} was lost: {error}") from None
    return found
