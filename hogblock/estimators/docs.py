"""Docstring parts that all estimators share (numpydoc)."""

from hogblock.models.losses import REGRESSION_LOSSES

DOCUMENTATION = "https://hogblock.readthedocs.io/en/latest/"
"""Where the pages are; pyproject.toml names it, too."""

PAGE = f"{DOCUMENTATION}api/generated/{{estimator_module}}.{{estimator_name}}.html"
"""Of an estimator."""

PARAMETERS = """method : str or Method, default="auto"
        How workers share the model, and what of it a step updates: "sgd", "sync",
        "hogwild", "assm", "passm", "passm+", "mixed", "thinned", or an instance from
        ``hogblock.methods`` for its options. "auto" is "thinned" on the host, the
        soonest at the same quality where it was measured, also with one worker; on CUDA
        devices it is "passm+". With one worker, all but "thinned" are sequential SGD
        unless their options say otherwise; "sgd" always is.
    n_jobs : int, default=None
        Worker processes; None is 1 unless in a ``joblib.parallel_config``, -1 all
        cores. Small data use fewer (see ``n_workers_``). With 1 no process is started
        and a fit is bit-reproducible by `random_state`; with more it is not. On a CUDA
        device: asynchronous teams of thread blocks (of each device, if there are
        several); None and -1 let the engine choose.
    device : str, Cuda, Ray or list of Cuda, default="cpu"
        Where to train: "cpu", "cuda" (the first CUDA device), "cuda:N", a
        ``hogblock.Cuda`` for its options, or a list of several, which "passm" and
        "passm+" can use; a ``hogblock.distributed.Ray`` is the nodes of a cluster.
        "auto" is the device of X if X lies on one, else "cuda" if it can be used
        ("assm" cannot) and is real (Numba's simulator is for tests), else "cpu". A
        device that cannot be used is a ``DeviceUnavailableError``: there is no silent
        fallback but in "auto". Devices need the extra ``hogblock[cuda13]`` or
        ``hogblock[cuda12]``, clusters ``hogblock[ray]``.

        X may be an array on the CUDA device (of CuPy, PyTorch or any library with
        ``__cuda_array_interface__`` or DLPack), of float32 or uint8 in C order: it is
        read in place. float64 is copied to float32, another order to C order, on the
        device. y, sample weights and a validation set may lie there too or on the host;
        y and the weights are copied to the host, once. Predictions are computed where
        X lies, whatever `device` is, and returned there, as arrays of CuPy. The fitted
        attributes are NumPy's: a model fitted on a GPU predicts without one.
    schedule : Recording, Scheduler or None, default=None
        Who takes which step when. None: workers run as the machine lets them. A
        ``hogblock.asynchrony.Recording`` logs what they do in `events_`. A scheduler of
        ``hogblock.asynchrony`` (``Law``, ``EventDriven``, ``Adversarial``, ``Replay``)
        simulates its workers in this process, as many as it says, whatever `n_jobs` is:
        reproducible by `random_state`, on the host only. If `tol` or a validation score
        may end the fit, simulated workers wait for each other after every epoch.
        A ``Replay`` trains the whole epochs of its log, which nothing but `max_iter`
        cuts short.
    alpha : float, default=1e-4
        L2 penalty of the weights, not of the biases, divided by the minibatch's sum of
        weights as in scikit-learn.
    batch_size : int or "auto", default="auto"
        Samples a minibatch; "auto" is min(64, n_samples).
    learning_rate : str or Schedule, default="constant"
        "constant", "invscaling", "adaptive" (with one worker all take scikit-learn's
        steps; with several, the velocity does not contain the rate, which differs where
        the rate changes), "step", "cosine" (with warm-up), or an instance from
        ``hogblock.schedules``. "step" and "cosine" are planned over `max_iter` epochs
        and not stopped by `tol`. ``partial_fit`` continues all of them: "invscaling"
        by the samples and "adaptive" by the losses of all calls, whatever their sizes;
        a call is an epoch of a plan, which then stays at its end (0 for "cosine", with
        a warning).
    learning_rate_init : float, default=0.01
        Initial learning rate.
    power_t : float, default=0.5
        Exponent of "invscaling". The convergence theorem of the workers' method asks
        for more than 0.5 (and at most 1); 0.5 is scikit-learn's default.
    max_iter : int, default=200
        Epochs at most; with ``partial_fit``, calls that a planned schedule is for.
    shuffle : bool, default=True
        Draw a new order of the samples for each epoch.
    random_state : int, RandomState instance or None, default=None
        Initial weights, order of samples, dropout, validation split.
    tol : float, default=1e-4
        Training is over when the loss (or with `early_stopping` the validation score)
        has not improved by this much for more than `n_iter_no_change` epochs.
    verbose : bool, default=False
        Show progress on stderr: a bar, or some lines where it is no terminal. They tell
        the loss, the validation score, samples a second, and how long the epochs up to
        `max_iter` would take.
    warm_start : bool, default=False
        Start from the parameters of the last fit. Samples, epochs and losses count on,
        so that "invscaling" does too and "passm+" has no second warm-up; a plan,
        "adaptive", the velocity and the rule of `tol` begin anew. What makes the
        network (but for dropout) and `standardize` may not change, here nor in
        ``partial_fit``; all other parameters may.
    momentum : float in [0, 1), default=0.9
    nesterovs_momentum : bool, default=True
    max_grad_norm : float or None, default=None
        A gradient whose norm is larger is scaled down to it: that of each step of a
        worker, over what the step updates, before the L2 penalty and momentum; of
        "sync", the mean gradient of all workers. It is then written in a pass of its
        own, which costs time. On the host only.
    early_stopping : bool, default=False
        Watch a validation score, stop when it stalls, keep the best parameters. Not for
        ``partial_fit``.
    validation_fraction : float in (0, 1), default=0.1
        Set aside for `early_stopping` unless `fit` gets X_val and y_val: a share of the
        samples of positive weight, whose weights count in the score.
    n_iter_no_change : int or inf, default=10
    checkpoint : path-like or None, default=None
        Folder in which ``fit`` saves where it is, at the ends of epochs and at its own,
        without holding training up for the writing. It is made if it is missing. On
        the host only, not with `schedule`, and not for ``partial_fit``.
    checkpoint_every : int, default=1
        Epochs from one checkpoint to the next. Several workers wait for each other
        there.
    checkpoint_keep : int, default=3
        The last so many checkpoints are kept.
    resume : bool, default=False
        Go on from the newest whole checkpoint in `checkpoint`, if there is one, on the
        same data: with one worker bit for bit as if ``fit`` had never stopped. False
        refuses a folder that holds checkpoints.
    on_divergence : {"raise", "restore", "reduce_lr"}, default="raise"
        When a loss or a parameter is not finite: raise a ValueError and leave the
        estimator as it was; or end with the parameters of the last epoch that was
        finite, and warn; or, on the host, go back to the epoch of the lowest loss, or
        to the beginning if that was in vain, and go on at a fifth of the learning
        rates, up to five times.
    max_worker_restarts : int, default=10
        Worker processes that may die in a fit, and are replaced with a warning; one
        more ends it with a WorkerError, and the model so far is kept.
    memmap_dir : path-like or None, default=None
        Folder for a file (without a name) that several workers share in place of
        memory, where memory has not the room that a fit needs; a warning says so. It
        has to exist, and to be writable.
    callbacks : list of object or None, default=None
        Objects with a method ``on_epoch_begin(estimator, epoch)``, or
        ``on_epoch_end(estimator, epoch)``, or both. They are called in this process,
        with the epoch of this fit (from 0) and an estimator that predicts as this one
        would, had the fit ended there: `coefs_`, `loss_curve_`, `validation_scores_`
        and what else follows from parameters and losses are set; it cannot train on. A
        method that returns True ends the fit after that epoch, and an exception of one
        leaves the estimator as it was. Several workers wait for each other at the ends
        of epochs, as for a validation score, so that parameters are exact. Copies by
        ``clone`` (cross-validation, searches) have copies of the objects; they are in
        no checkpoint, and in no file of ``save_model``. From scikit-learn 1.9 on
        ``set_callbacks`` takes its own callbacks, whose tasks are the epochs."""

DROPOUT = """dropout : float in [0, 1), default=0
        Share of the hidden dense units' outputs that are dropped in training."""

CLASS_WEIGHT = """class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights, of the validation
        set too; classes that a dict does not name have 1. "balanced" gives all classes
        of the training set the same sum of sample weights, and is not for
        ``partial_fit``. Multi-label y takes "balanced" or a list with a dict of the
        weights of 0 and 1 for each label; a sample's are multiplied.
    label_smoothing : float in [0, 1), default=0
        Share of each target that is spread over all classes alike (of two classes or a
        label, over 0 and 1): probabilities become less extreme. `loss_` contains it,
        scores do not."""

LOSS = f"""loss : {{{", ".join(f'"{n}"' for n in REGRESSION_LOSSES)}}} or \
RegressionLoss, default="squared_error"
        What is minimised, the mean over the outputs; a ``hogblock.models.Huber`` or
        ``Quantile`` for its options. "poisson" is for counts and rates y >= 0:
        predictions are exp of the network's outputs, and `standardize` divides y by its
        root mean square. At kinks subgradients are 0. R^2 is the score all the same.
    quantile : float in (0, 1), default=0.5
        Of ``loss="quantile"``, which alone reads it: predictions tend to that quantile
        of y."""

NETWORK = """network : Network or callable
        What to train: a ``hogblock.models.Network``, or a function of the shape of a
        sample and the number of outputs that returns one, such as
        ``hogblock.models.lenet5``. Its outputs are linear; two classes have one."""

AUGMENTATION = """augmentation : Augmentation, default=None
        Random changes of the training images, see ``hogblock.Augmentation``."""

STANDARDIZE_IMAGES = """standardize : bool, default=True
        Train on values of zero mean and unit variance, by channel of images and by
        column of rows{targets}. The model takes raw X; uint8 X is kept as bytes, and
        scaled a minibatch at a time. `partial_fit` scales a column anew with every part
        until 100 rows have come since it first varied."""

SCALED = """image_shape_ : tuple of int
        Shape of the samples that the network takes.
    coefs_, intercepts_ : list of ndarray, float32
        Weights and biases of each layer, as they act on standardised values: kernels
        (height, width, in, out), dense weights (n_in, n_out)."""

STANDARDIZE = """standardize : bool, default=True
        Train on features of zero mean and unit variance{targets}. The scaling is folded
        into `coefs_` and `intercepts_`: the model takes raw X, of any scale. uint8 X is
        kept as bytes, and scaled a minibatch at a time. `partial_fit` scales a column
        anew with every part until 100 rows have come since it first varied."""

COEFS = """coefs_, intercepts_ : list of ndarray
        Weights of shape (n_in, n_out) and biases of each layer, for raw X. float64 with
        `standardize`: far from zero, those of raw values cancel each other, and a
        forward pass has to be in float64 too. Without, float32 as they were trained."""

ATTRIBUTES = """loss_, best_loss_, loss_curve_ : float, float, list of float
        Training loss, penalty included; the curve has a value a whole epoch since the
        model began, and the last one is `loss_`. A regressor with `standardize` has it
        in units of the targets' variance, and `alpha` and `tol` count in these too.
    validation_scores_, best_validation_score_ : list of float, float, or None
        The best is of the last fit.
    n_iter_, t_ : int
        Whole epochs of the last fit and of calls of ``partial_fit`` after it; samples
        seen since the model began, after Ctrl-C also those of the epoch that was under
        way.
    n_features_in_, feature_names_in_, n_outputs_, n_layers_, out_activation_
        As in scikit-learn.
    n_workers_, method_, device_ : int, str, str or list of str
        What the fit used: the method's name; "cpu", "cuda:0", "ray", or a name for
        each device.
    n_worker_restarts_ : int
        Worker processes that died in the last call and were replaced.
    staleness_ : ndarray of shape (n_blocks, 64)
        Steps by the age of each block that they read, which is every block: the writes
        by other workers between the start of a step and its end (the paper's delay;
        the block is read between, so this is a bound from above). The last column holds
        63 and more. Of "sync", the steps that all workers do together.
    overlap_ : ndarray of shape (n_blocks, 64)
        Likewise, for the blocks that a step wrote: each row adds up to the block's
        updates. Under "passm" nobody else writes a worker's block: all have age 0.
    updates_per_block_, steps_per_worker_ : ndarray
    events_ : EventLog or None
        The steps of the last call in the order in which they ended, if `schedule` asks
        for it.
    nodes_, rounds_ : tuple of NodeReport, Rounds; or None
        What each node did, and the exchanges, if `device` is nodes of a cluster.
    n_backpropagated_ : int or None
        Samples, of those seen, whose gradient went below the output layer: fewer where
        the method has ``thinning``. None after training on a CUDA device.
    training_seconds_ : float
        From the first step to the last, without scoring the validation set.

    Notes
    -----
    Computation is in float32; predictions are float64 only if X is, on the host, or if
    targets were standardised, which may have more digits than a float32.
    Workers follow V. Kungurtsev, M. Egan, B. Chatterjee and D. Alistarh, "Asynchronous
    Optimization Methods for Efficient Training of Deep Neural Networks with
    Guarantees", arXiv 1905.11845."""
