# SPDX-License-Identifier: Apache-2.0
"""Installs the Python package; everything is said in pyproject.toml.

This file is for tools that look for it. A ROS workspace builds package.xml and CMakeLists.txt
instead, which add the messages, the node executables and the launch files.
"""

from setuptools import setup

setup()
