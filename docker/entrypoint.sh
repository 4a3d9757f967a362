#!/bin/bash
# Runs a command in the workspace of the image.
set -e
# shellcheck source=/dev/null
source "/opt/ros/${ROS_DISTRO}/setup.bash"
# shellcheck source=/dev/null
source /ws/.venv/bin/activate
# shellcheck source=/dev/null
source /ws/install/setup.bash
exec "$@"
