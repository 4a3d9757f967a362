# SPDX-License-Identifier: Apache-2.0
"""Fits the decision of a preset to your own pictures: ``refseg calibrate``."""
