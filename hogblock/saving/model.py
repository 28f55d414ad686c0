"""Whole models in files: `save_model`, `load_model`."""

from collections.abc import Iterable
from typing import Any

from hogblock.estimators.base import NetworkEstimator
from hogblock.estimators.cnn import CNNClassifier, CNNRegressor
from hogblock.estimators.mlp import MLPClassifier, MLPRegressor
from hogblock.estimators.network import NetworkClassifier, NetworkRegressor
from hogblock.saving.file import Contents, reading, write
from hogblock.saving.fitted import OPTIONAL, STATE, STORED, derived, unpacked_attributes
from hogblock.saving.known import Known
from hogblock.saving.values import Packer, Unpacker

ESTIMATORS = (
    CNNClassifier,
    CNNRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
)
KIND = "model"
"""Of the files of this module, among those of the format."""


def save_model(model, path):
    """Write an estimator to a file, fitted or not; no pickle is in it.

    The file holds its parameters and, if it is fitted, all that ``predict``,
    ``partial_fit`` and ``warm_start=True`` go by. It is a safetensors file. While it is
    written, `path` stays as it was, and if that fails, too.

    Parameters
    ----------
    model : estimator of hogblock
    path : str or path-like
        By custom, it ends with ``.safetensors``.

    Raises
    ------
    OSError
        If the file cannot be written; names it.
    ValueError
        If `model` is no estimator of hogblock, or the one that a callback sees, or a
        parameter of it cannot be stored.

    See Also
    --------
    load_model : Reads the file.

    Notes
    -----
    A function that is the parameter `network` of a fitted estimator cannot be stored;
    the network that it made takes its place. `callbacks` are not stored, nor is what
    else was set on the estimator than parameters and fitted attributes.

    Examples
    --------
    >>> import os, tempfile
    >>> from hogblock import MLPRegressor, load_model, save_model
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 2.0, 4.0, 6.0]
    >>> model = MLPRegressor(max_iter=5, learning_rate="cosine").fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     save_model(model, path)
    ...     copy = load_model(path)
    >>> bool((copy.predict(X) == model.predict(X)).all())
    True
    """
    if not isinstance(model, NetworkEstimator):
        raise ValueError(f"model={model!r} is no estimator of hogblock")
    model._validate_params()
    fitted = model.__sklearn_is_fitted__()
    parameters = model.get_params(deep=False)
    attributes = {n: vars(model)[n] for n in STORED if n in vars(model)}
    lacking = [n for n in STORED if n not in attributes and n not in OPTIONAL]
    if fitted and lacking:
        raise ValueError(
            f"model={model!r} has no {lacking[0]}: a file holds all that a fit leaves, "
            "and a callback sees a fit that is under way (checkpoint= saves those)"
        )
    parameters["callbacks"] = None
    if fitted and callable(parameters.get("network")):
        parameters["network"] = attributes["_network"]
    packer = Packer(Known(STATE))
    about = {
        "kind": KIND,
        "class": _name_of(type(model)),
        "parameters": _packed(packer, parameters),
        "fitted": _packed(packer, attributes) if fitted else None,
        "randoms": packer.randoms(),
    }
    write(path, about, packer.arrays)


def load_model(path, classes=()):
    """Read an estimator that `save_model` wrote.

    It predicts and trains on, bit for bit, as the one that was written. Files that are
    cut off, or were changed, are refused, and no code of a file is run.

    Parameters
    ----------
    path : str or path-like
    classes : iterable of type, default=()
        Classes from outside hogblock that the file names: dataclasses that are layers,
        methods or learning-rate schedules, and subclasses of estimators.

    Returns
    -------
    estimator of hogblock

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is no model, or not whole, or of a later format, or names a class
        that is unknown; names the file and the field.

    See Also
    --------
    save_model : Writes the file.
    """
    classes = tuple(classes)
    estimators = [c for c in classes if _is_estimator(c)]
    known = Known(STATE, [c for c in classes if not _is_estimator(c)])
    with reading(path) as contents:
        return _model_in(contents, known, estimators)


def _packed(packer: Packer, values: dict[str, Any]) -> dict[str, Any]:
    return {name: packer.pack(value, name) for name, value in values.items()}


def _name_of(cls: type) -> str:
    """As those of `Known`."""
    return f"hogblock.{cls.__name__}" if cls in ESTIMATORS else cls.__name__


def _is_estimator(cls) -> bool:
    return isinstance(cls, type) and issubclass(cls, NetworkEstimator)


def _model_in(contents: Contents, known: Known, others: Iterable[type]):
    about = contents.about
    if about.get("kind") != KIND:
        raise ValueError(f"kind is {about.get('kind')!r}, and must be {KIND!r}")
    unpacker = Unpacker(known, contents, about.get("randoms"))
    model = _unfitted(_class_in(about, others), _section(about, "parameters"), unpacker)
    if about.get("fitted") is not None:
        packed = _section(about, "fitted")
        attributes = unpacked_attributes(model, packed, unpacker)
        model.__dict__.update(attributes | derived(model, attributes))
    contents.check_all_read()
    return model


def _section(about: dict, name: str) -> dict[str, Any]:
    if not isinstance(about.get(name), dict):
        raise ValueError(f"{name} are missing")
    return about[name]


def _class_in(about: dict, others: Iterable[type]) -> type:
    name = about.get("class")
    names = {_name_of(cls): cls for cls in (*ESTIMATORS, *others)}
    if not isinstance(name, str) or name not in names:
        raise ValueError(
            f"class {name!r} is unknown; it is one of {sorted(names)}, or has to be "
            "passed in classes"
        )
    return names[name]


def _unfitted(cls, packed: dict[str, Any], unpacker: Unpacker) -> NetworkEstimator:
    """The estimator of these parameters; those that are missing have their defaults."""
    for name in packed:
        if name not in cls._get_param_names():
            raise ValueError(f"{name} is no parameter of {cls.__name__}")
    values = {name: unpacker.unpack(each, name) for name, each in packed.items()}
    try:
        model = cls(**values)
    except TypeError as error:  # one without a default is missing
        raise ValueError(f"parameters: {error}") from None
    model._validate_params()
    return model
