# SPDX-License-Identifier: Apache-2.0
"""Methods: how candidates are scored against a sentence; one file each behind one protocol."""
