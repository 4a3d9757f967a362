# SPDX-License-Identifier: Apache-2.0
"""The demo: which processes it starts, and the script that it judges."""
