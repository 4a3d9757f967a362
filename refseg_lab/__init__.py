# SPDX-License-Identifier: Apache-2.0
"""The lab of refseg_ros: what renders, measures, trains and shows. A robot does not need it."""
