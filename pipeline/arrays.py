"""Names for the array types that the rooms pass around."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]
AnyFloat = NDArray[np.floating[Any]]
