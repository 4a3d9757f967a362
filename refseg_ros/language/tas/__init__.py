# SPDX-License-Identifier: Apache-2.0
"""What only the released procedure of TAS needs: parses, entities, WordNet."""
