# SPDX-License-Identifier: Apache-2.0
"""``python -m refseg_ros`` is the ``refseg`` command."""

from __future__ import annotations

from refseg_ros.cli.main import main

if __name__ == "__main__":
    main()
