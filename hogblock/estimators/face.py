"""The face of all estimators over a network: what is alike for all targets."""

from typing import Any

from sklearn.base import _fit_context
from sklearn.utils.validation import check_is_fitted

from hogblock.estimators.problem import Given
from hogblock.estimators.validation_set import ValidationSet
from hogblock.saving.onnx.model import model_of


class NetworkMixin:
    """``fit`` and ``score``."""

    _fit: Any  # of NetworkEstimator, as `_score`
    _score: Any
    _network: Any
    _params: Any
    _inputs: Any
    _targets: Any

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y=None,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Train on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Also a frame of pandas, polars or pyarrow of numbers and truth values.
            float32, float64 and uint8 are trained on as they are, other types as
            float32 if that holds all their numbers, else as float64. Values give one
            model, whatever type holds them. Sparse X, csr or csc, is for the host, and
            for networks that begin with a dense layer. An array in a file
            (``np.memmap`` but for mode "c", in C order) is read from there by all
            workers, never copied; `early_stopping` copies the rows that are left, so
            pass X_val instead. An array on a CUDA device stays there; see `device`.
            ``hogblock.distributed.Parts`` are samples that lie on nodes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Left out with ``Parts`` alone. Of a regressor real numbers; of a classifier
            classes (numbers, truth values, text, categories), or a multi-label
            indicator of zeros and ones, which may be sparse. Also a series or frame of
            pandas, polars or pyarrow.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero. The larger they are, the less `alpha` counts,
            but for those above 1e20 or all under 1e-20: these are divided by their
            mean.
        X_val, y_val : array-like, default=None
            Validation set: its score (accuracy, of a regressor R^2) is recorded every
            epoch, and is what `early_stopping` goes by.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation set in its score; class weights count there as
            sample weights do.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad input, and if training diverges, see `on_divergence`.
        SharedMemoryError, WorkerError
            With nothing left behind. After a WorkerError the estimator has the model
            so far, if there is any.
        KeyboardInterrupt
            At the second Ctrl-C; at the first one a warning tells of the model so far.
        """
        validation = ValidationSet(X_val, y_val, sample_weight_val)
        return self._fit(Given(X, y, sample_weight, validation), incremental=False)

    def to_onnx(self, *, dtype="float32"):
        """The fitted model as one of ONNX, which other programs and languages run.

        Its input "X" is what ``predict`` takes: rows (N, n_features), or images (N,
        height, width, channels) if the network takes images. Outputs of a classifier
        are "label" and "probabilities", those of ``predict`` and ``predict_proba``; of
        a regressor "variable", in float64 where those of ``predict`` are. Scaling of X
        is inside, and as exact as here: in float64.

        Parameters
        ----------
        dtype : {"float32", "float64", "uint8"}, default="float32"
            Of "X".

        Returns
        -------
        onnx.ModelProto
            Of opset 17. ``onnx.save`` writes it to a file.

        Raises
        ------
        ImportError
            If onnx is not installed: ``pip install 'hogblock[onnx]'``.
        NotFittedError
        ValueError
            For another `dtype`, classes that are no numbers and no text, or a layer
            from outside hogblock whose operations have no form in ONNX; names it.
        """
        check_is_fitted(self)
        return model_of(
            self._network,
            self._params,
            self._inputs,
            self._targets,
            dtype=dtype,
            name=type(self).__name__,
        )

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`, of a regressor its R^2.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        return self._score(X, y, sample_weight)
