# SPDX-License-Identifier: Apache-2.0
"""Why an answer is what it is: as text, as plain JSON and as a picture.

The stages leave what they computed in :class:`refseg_ros.results.Explanation` on the selection;
nothing is computed again to show it.
"""
