"""All one-op networks."""

from one_op_attention import ATTENTION
from one_op_joins import JOINS
from one_op_layers import LAYERS
from one_op_layout import LAYOUT
from one_op_statistics import STATISTICS

CASES = (*LAYERS, *LAYOUT, *JOINS, *ATTENTION, *STATISTICS)
