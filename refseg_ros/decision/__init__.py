# SPDX-License-Identifier: Apache-2.0
"""Decision: refusal, the choice and its doubts, and the question that would settle it."""
