# SPDX-License-Identifier: Apache-2.0
"""The lab's nodes: simulated camera, scripted client, picking arm."""
