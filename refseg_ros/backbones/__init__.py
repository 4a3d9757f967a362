# SPDX-License-Identifier: Apache-2.0
"""Thin wrappers that load networks: SAM, CLIP, captioners. Published and bundled alike."""
