# SPDX-License-Identifier: Apache-2.0
"""Trains the small models that ship with refseg_ros; `docs/training.md` says how."""
