"""Fingerprints: which of the data are others, and in what."""

import numpy as np
import pytest

from hogblock.saving import fingerprint
from hogblock.saving.fingerprint import check_same, fingerprint_of, fingerprints_of

X = np.random.default_rng(0).random((50, 7))
Y = np.array(["a", "b"])[np.arange(50) % 2]


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def test_how_it_lies_in_memory_does_not_count(tmp_path, monkeypatch):
    mapped = np.memmap(tmp_path / "x", X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    wide = np.zeros((50, 14))
    wide[:, ::2] = X
    expected = fingerprint_of(X)
    for rows in 1, 100, 2**22:
        monkeypatch.setattr(fingerprint, "AT_ONCE", rows)
        for same in mapped, np.asfortranarray(X), wide[:, ::2], X[::-1][::-1]:
            assert fingerprint_of(same) == expected


DIFFERENT = {
    "X": (dict(X=changed(X, (49, 6), np.nextafter(X[49, 6], 2))), "X has other con"),
    "zero": (dict(X=changed(X, (0, 0), -0.0)), "X has other content"),
    "rows": (dict(X=X[:-1]), r"X had shape \(50, 7\), and has \(49, 7\) now"),
    "type": (dict(X=X.astype(np.float32)), "X had dtype <f8, and has <f4 now"),
    "order": (dict(y=Y[::-1]), r"y has other content .*\(50,\), <U1"),
    "objects": (dict(y=Y.astype(object)), r"y had dtype <U1, and has \|O now"),
    "no weights": (dict(sample_weight=None), "sample_weight was there, and is not"),
    "validation": (dict(X_val=X), "X_val was not there, and is now"),
}


@pytest.mark.parametrize(("others", "what"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_is_said(others, what):
    given = dict(X=changed(X, (0, 0), 0.0), y=Y, sample_weight=X[:, 0], X_val=None)
    if "X" in others and others["X"].shape == X.shape and others["X"][0, 0] != 0:
        given["X"] = X
    with pytest.raises(ValueError, match=what):
        check_same(fingerprints_of(**given), fingerprints_of(**given | others))


def test_what_is_the_same_passes():
    objects = np.array([1, "1", None, 2.5], object)
    given = dict(X=X, y=objects, sample_weight=np.zeros(0, np.float32), X_val=None)
    check_same(fingerprints_of(**given), fingerprints_of(**given))
    other = changed(objects, 0, "1")
    with pytest.raises(ValueError, match="y has other content"):
        check_same(fingerprints_of(**given), fingerprints_of(**given | {"y": other}))
