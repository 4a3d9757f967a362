# SPDX-License-Identifier: Apache-2.0
"""Published data sets in REFER's format and its relatives: read, run, resumed, tabulated."""
