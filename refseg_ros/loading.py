# SPDX-License-Identifier: Apache-2.0
"""Networks are loaded one after the other in a process, whoever loads them."""

from __future__ import annotations

import threading
from typing import Final

LOADING: Final = threading.RLock()
"""Held while networks are loaded, and while torch is imported for that.

transformers changes functions of torch for the time of a load and puts back what it found: two
loads side by side leave the changed ones behind, and every load of the process fails from then on.
"""
