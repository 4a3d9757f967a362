# SPDX-License-Identifier: Apache-2.0
"""Trains the small models that ship with refseg_ros; `refseg_lab/training/README.md` says how."""
