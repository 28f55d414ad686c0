"""Fitted models in files: what ``train`` saves, and ``predict`` reads."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hogblock.cli.data import Loaded

READ = (".safetensors", ".joblib")
SAVED = (*READ, ".onnx")
OF_A_RUN = "model.joblib"
"""Name of the model in the folder of a run."""


def save(path: Path, write: Callable[[Path], Any]) -> Path:
    """Write a file so that a reader sees the old one or the whole new one."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def check_savable(path: Path, data: Loaded) -> None:
    """Refuse, before training, what `save_model_as` could not write after it.

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
    """
    kind = path.suffix.lower()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--save {path}: there is no folder {path.parent}")
    if kind != ".joblib" and not data.complete:
        raise ValueError(
            f"--save {path}: a {kind} file holds a network alone, and not how words or "
            "missing values of the table become numbers: take .joblib, or --strict"
        )
    if kind == ".onnx":
        from hogblock.saving.onnx.graph import onnx_module

        onnx_module()


def save_model_as(path: Path, model, data: Loaded) -> Path:
    """Write a fitted model, in the form that the file's suffix tells.

    Parameters
    ----------
    path : Path
    model : estimator
    data : Loaded
        What it was trained on. Joblib's files hold its preparation, too; of its type is
        the input of an ONNX model.
    """
    import joblib

    from hogblock import save_model

    def write_joblib(temporary: Path) -> None:
        saved = model
        if data.preparation is not None:
            from sklearn.pipeline import Pipeline

            saved = Pipeline([*data.preparation.steps, ("model", model)])
        joblib.dump(saved, temporary)

    def write_onnx(temporary: Path) -> None:
        kind = str(getattr(data.X, "dtype", "float64"))
        dtype = kind if kind in ("float32", "uint8") else "float64"
        temporary.write_bytes(model.to_onnx(dtype=dtype).SerializeToString())

    writers: dict[str, Callable[[Path], Any]] = {
        ".joblib": write_joblib,
        ".onnx": write_onnx,
        ".safetensors": lambda temporary: save_model(model, temporary),
    }
    return save(path, writers[path.suffix.lower()])


def load_fitted(path: Path):
    """The fitted model of a file, or of the folder of a run.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is none, or not fitted.
    """
    from sklearn.utils.validation import check_is_fitted

    file = path / OF_A_RUN if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    if file.suffix.lower() not in READ:
        raise ValueError(
            f"{file} is no model: it is {', '.join(READ)}, or the folder of a run"
        )
    model = _loaded(file)
    if not hasattr(model, "predict"):
        raise ValueError(f"{file} holds a {type(model).__name__}, which is no model")
    check_is_fitted(model)
    return model


def _loaded(file: Path):
    if file.suffix.lower() == ".safetensors":
        from hogblock import load_model

        return load_model(file)
    import joblib

    try:
        return joblib.load(file)
    except OSError:
        raise
    except Exception as error:  # whatever damaged files lead to
        raise ValueError(f"{file} is no model that joblib reads: {error}") from error
