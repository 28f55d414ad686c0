"""Networks: layers, shapes, the flat parameter vector, op tables and blocks."""

from hogblock.models import layers
from hogblock.models.layers import *  # noqa: F403  (all that it lists, and no more)
from hogblock.models.layers import Layer
from hogblock.models.losses import Huber, Quantile
from hogblock.models.network import Network
from hogblock.models.ready import lenet5, resnet8, small_convnet

__all__ = ["Huber", "Layer", "Network", "Quantile"]
__all__ += ["lenet5", "resnet8", "small_convnet", *layers.__all__]

for _name in __all__:
    globals()[_name].__module__ = __name__  # the public one, for pickles and documents
