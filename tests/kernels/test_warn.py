"""Whose line a warning names: the user's, whatever lies between."""

import functools
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ContextDecorator

import joblib
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hogblock import MLPClassifier, MLPRegressor
from hogblock.kernels.warn import warn

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def model():
    return MLPClassifier((4,), max_iter=1)


class Derived(MLPClassifier):
    """A user's estimator, which leaves `fit` as it is."""


class Nothing(ContextDecorator):
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def in_a_pipeline():
    return make_pipeline(StandardScaler(), model()).fit


def in_a_search():
    return GridSearchCV(model(), {"alpha": [1e-4]}, cv=2).fit


def in_a_validation():
    return functools.partial(cross_val_score, model(), cv=2, n_jobs=1)


def in_a_meta_estimator():
    return OneVsRestClassifier(model()).fit


def partial_then_whole():
    return model().partial_fit(X[:5], Y[:5], classes=[0, 1]).fit


def derived():
    return Derived((4,), max_iter=1).fit


def decorated():
    return Nothing()(model().fit)


WAYS = (
    lambda: model().fit,
    in_a_pipeline,
    in_a_search,
    in_a_validation,
    in_a_meta_estimator,
    partial_then_whole,
    derived,
    decorated,
)


def lines(caught):
    return {(w.filename, w.lineno) for w in caught}


@pytest.mark.parametrize("way", WAYS)
def test_a_fit_warns_at_the_users_line(way):
    fit = way()
    with pytest.warns(ConvergenceWarning) as caught:
        here = sys._getframe().f_lineno + 1
        fit(X, Y)
    assert lines(caught) == {(__file__, here)}


def test_threads_of_joblib_warn_where_the_main_thread_waits():
    with pytest.warns(ConvergenceWarning) as caught:
        with joblib.parallel_config("threading", n_jobs=2):
            here = sys._getframe().f_lineno + 1
            cross_val_score(model(), X, Y, cv=2)
    assert lines(caught) == {(__file__, here)}


def until_the_main_thread_waits_for(function):
    main = threading.main_thread().ident
    while True:
        frame = sys._current_frames()[main]
        if function.__code__ in (frame.f_code, frame.f_back.f_code):
            return
        time.sleep(0.01)


def test_a_thread_warns_where_the_main_thread_waits():
    with pytest.warns(ConvergenceWarning) as caught:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(until_the_main_thread_waits_for, Future.result)
            done = executor.submit(model().fit, X, Y)
            here = sys._getframe().f_lineno + 1
            done.result()
    assert lines(caught) == {(__file__, here)}


def test_a_threads_own_line_goes_before_the_main_threads():
    found = []

    def fit():
        found.append(sys._getframe().f_lineno + 1)
        model().fit(X, Y)

    with pytest.warns(ConvergenceWarning) as caught:
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
    assert lines(caught) == {(__file__, *found)}


@pytest.mark.parametrize("name", ["<string>", "<ipython-input-3-0f>", "/tmp/cell.py"])
@pytest.mark.parametrize("names", [{}, {"__name__": "__main__", "__spec__": None}])
def test_code_without_a_file_warns_at_its_line(name, names):
    """As in a notebook's cell or ``python -c``."""
    code = compile("\n\nmodel().fit(X, Y)", name, "exec")
    with pytest.warns(ConvergenceWarning) as caught:
        exec(code, {"model": model, "X": X, "Y": Y, **names})
    assert lines(caught) == {(name, 3)}


def call_from(module, path):
    """A function of `module`, in a file at `path`, that calls what it is given."""
    names = {"__name__": module}
    exec(compile("def call(f, *args):\n    return f(*args)", path, "exec"), names)
    return names["call"]


@pytest.mark.parametrize("path", ["/a.zip/x/y.py", "..//x/sklearn.py", __file__])
@pytest.mark.parametrize("module", ["sklearn.base", "joblib", "numba.core", "hogblock"])
def test_files_of_libraries_may_lie_anywhere(module, path):
    call = call_from(module, path)
    with pytest.warns(UserWarning, match="hello") as caught:
        here = sys._getframe().f_lineno + 1
        call(call, warn, "hello")
    assert lines(caught) == {(__file__, here)}


@pytest.mark.parametrize("module", ["__main__", "sklearn_extra.base", "my.sklearn"])
def test_a_users_file_may_lie_in_a_librarys_folder(module):
    path = sys.modules["sklearn"].__file__
    with pytest.warns(UserWarning, match="hello") as caught:
        call_from(module, path)(warn, "hello")
    assert lines(caught) == {(path, 2)}


def test_a_library_in_a_zip_file_is_passed_over(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("packed/__init__.py", "def call(f, x):\n    return f(x)\n")
    monkeypatch.syspath_prepend(tmp_path / "packed.zip")
    import packed

    with pytest.warns(UserWarning) as caught:
        packed.call(warn, "hello")
    assert [w.filename.endswith("packed/__init__.py") for w in caught] == [True]
    monkeypatch.setattr("hogblock.kernels.warn.LIBRARIES", {"packed"})
    with pytest.warns(UserWarning) as caught:
        here = sys._getframe().f_lineno + 1
        packed.call(warn, "hello")
    assert lines(caught) == {(__file__, here)}


def test_python_says_the_line_and_a_process_of_joblib_none():
    code = """
from hogblock.kernels.warn import warn
import joblib
warn("mine")
joblib.Parallel(2)(joblib.delayed(warn)(text) for text in ("theirs", "theirs"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    said = set(done.stderr.splitlines())
    assert said == {"<string>:4: UserWarning: mine", "sys:1: UserWarning: theirs"}


def test_a_line_warns_once_unless_told_otherwise():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn("again and again")
    assert len(caught) == 1


def test_filters_may_name_the_users_module():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", module=__name__)
        warn("hello")
        call_from("elsewhere", "x.py")(warn, "hello")
    assert lines(caught) == {(__file__, sys._getframe().f_lineno - 2)}


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_column_as_y_warns_at_the_users_line(kind):
    planned = kind((4,), max_iter=1, learning_rate="cosine")
    with pytest.warns(DataConversionWarning, match="column-vector") as caught:
        here = sys._getframe().f_lineno + 1
        planned.fit(X, Y[:, None])
    assert lines(caught) == {(__file__, here)}
