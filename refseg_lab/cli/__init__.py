# SPDX-License-Identifier: Apache-2.0
"""The lab's commands; ``refseg`` finds them by the entry-point group ``refseg.commands``."""
