# SPDX-License-Identifier: Apache-2.0
"""How sentences that people wrote are read and placed, with true regions and names.

No network is asked: what is wrong here no better network could mend. ``docs/language.md`` has the
layout of the files and what each figure means.
"""
