#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks refseg_ros on an installed ROS 2: builds it in a folder of its own, starts it in every way
# that the launch files can, talks to it by ros2 topic, service, action, lifecycle and param, moves
# tf, and prints a table. What cannot be tried here is said. Exit code 1 if anything failed.
#
#   source /opt/ros/jazzy/setup.bash && source ~/ws/.venv/bin/activate && scripts/check_on_ros.sh
#
# INSTALL: the install folder of a workspace that is built, to check that one. CMAKE_ARGS: more
# arguments for the build. KEEP=1: keep the folder with the logs.
# shellcheck disable=SC2329  # functions are called by check
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/refseg-check-XXXXXX")
rows=()
failed=0
group=""  # process group that runs in the background
others=() # further ones

# A domain of its own on this machine: neither hears other robots nor is heard.
export ROS_DOMAIN_ID=${CHECK_DOMAIN_ID:-$((RANDOM % 90 + 10))}
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
[ "${ROS_DISTRO:-}" = humble ] && export ROS_LOCALHOST_ONLY=1
export PYTHONUNBUFFERED=1 ROS_LOG_DIR=$work/ros_log

row() {  # NAME VERDICT NOTE
  rows+=("$(printf '%-46s %-9s %s' "$1" "$2" "${3:-}")")
  printf '%s\n' "${rows[-1]}"
  [ "$2" = FAILED ] && failed=1
  return 0
}

check() {  # NAME COMMAND...: ok if the command ends with 0
  local name=$1 log
  shift
  log=$work/$(printf '%s' "$name" | tr -c 'a-zA-Z0-9\n' _).log
  if "$@" >"$log" 2>&1; then
    row "$name" ok
  else
    row "$name" FAILED "$(grep -v '^ *$' "$log" | tail -n 1 | cut -c 1-90)"
  fi
}

says() {  # PATTERN COMMAND...: ok if the output of the command holds the pattern
  local pattern=$1 output
  shift
  for _ in 1 2 3; do # a program that was just started may not be seen yet
    output=$(timeout 90 "$@" 2>&1)
    printf '%s\n' "$output"
    grep -qE -- "$pattern" <<<"$output" && return 0
    grep -qiE "not found|not available" <<<"$output" || return 1
    sleep 3
  done
  return 1
}

await() {  # FILE PATTERN SECONDS
  local end=$((SECONDS + $3))
  while [ "$SECONDS" -lt "$end" ]; do
    grep -qE -- "$2" "$1" 2>/dev/null && return 0
    sleep 0.5
  done
  tail -n 5 "$1"
  return 1
}

begin() {  # LOG COMMAND...: in the background, as the main process group
  local log=$work/$1
  shift
  # Without job control, what runs in the background would ignore Ctrl-C.
  setsid env --default-signal=INT "$@" >"$log" 2>&1 &
  group=$!
}

beside() {  # LOG COMMAND...: in the background besides
  local log=$work/$1
  shift
  # Without job control, what runs in the background would ignore Ctrl-C.
  setsid env --default-signal=INT "$@" >"$log" 2>&1 &
  others+=("$!")
}

stop() {  # PID: end a process group, in the end by force
  kill -INT -- "-$1" 2>/dev/null
  for _ in $(seq 40); do
    kill -0 -- "-$1" 2>/dev/null || return 0
    sleep 0.5
  done
  kill -KILL -- "-$1" 2>/dev/null
  return 1
}

end() {  # NAME: the main process group ends by SIGINT
  if stop "$group"; then row "$1: ends by Ctrl-C" ok; else row "$1: ends by Ctrl-C" FAILED; fi
  group=""
}

leave() {
  [ -n "$group" ] && stop "$group"
  for pid in ${others[@]+"${others[@]}"}; do stop "$pid"; done
  ros2 daemon stop >/dev/null 2>&1
  if [ -n "${KEEP:-}" ]; then echo "logs: $work"; else rm -rf "$work"; fi
}
trap leave EXIT
trap 'exit 130' INT TERM

asked() {  # TOPIC TYPE PATTERN SENTENCE [OPTION]: what comes on a topic after a command
  local file echo pub verdict=1
  file=$(mktemp "$work/echo-XXXXXX")
  # shellcheck disable=SC2086  # an option may be absent
  timeout 90 ros2 topic echo ${5:-} "$1" "$2" >"$file" 2>&1 &
  echo=$!
  # More than once: the echo may not listen yet, and of two commands the newer one counts.
  timeout 90 ros2 topic pub -t 12 -r 0.5 /command std_msgs/msg/String "{data: '$4'}" >/dev/null 2>&1 &
  pub=$!
  await "$file" "$3" 80 && verdict=0
  kill "$echo" "$pub" 2>/dev/null
  wait "$echo" "$pub" 2>/dev/null
  head -n 40 "$file"
  return "$verdict"
}

have() { python3 -c "import sys; from importlib.util import find_spec; sys.exit(find_spec('$1') is None)" 2>/dev/null; }
here_is() { ros2 pkg prefix "$1" >/dev/null 2>&1; }

# ------------------------------------------------------------------------------------ before

for tool in ros2 colcon python3; do
  command -v "$tool" >/dev/null || { echo "check_on_ros: $tool not found; source ROS 2 first" >&2; exit 2; }
done
for module in rclpy torch open_clip segment_anything transformers cv2 yaml; do
  have "$module" || { echo "check_on_ros: no Python module $module; see docs/install.md" >&2; exit 2; }
done
echo "ROS 2 ${ROS_DISTRO:-unknown}, $(python3 --version), domain $ROS_DOMAIN_ID"

# ------------------------------------------------------------------------------------- build

# shellcheck disable=SC2086  # several arguments
build() { (cd "$work/ws" && colcon build --packages-select refseg_ros --cmake-args -DBUILD_TESTING=OFF ${CMAKE_ARGS:-}); }
if [ -n "${INSTALL:-}" ]; then
  row "colcon build" "not tried" "INSTALL=$INSTALL"
else
  mkdir -p "$work/ws/src"
  ln -s "$here" "$work/ws/src/refseg_ros"
  check "colcon build" build
  INSTALL=$work/ws/install
fi
[ -f "$INSTALL/setup.bash" ] || { echo "check_on_ros: no $INSTALL/setup.bash" >&2; exit 1; }
set +u
# shellcheck source=/dev/null
source "$INSTALL/setup.bash"
set -u

check "ros2 pkg executables" says segmenter_node ros2 pkg executables refseg_ros
check "ros2 interface show" says target_ids ros2 interface show refseg_ros/msg/Segmentation
check "ros2 run: refseg presets" says tabletop ros2 run refseg_ros refseg presets
for file in refseg demo; do
  check "$file.launch.py --show-args" says rviz_frame ros2 launch refseg_ros $file.launch.py --show-args
done
check "a wrong value is refused" says "is not valid" \
  ros2 launch refseg_ros refseg.launch.py mode:=sometimes

# -------------------------------------------------------------- one camera, all that is spoken

beside camera.log ros2 run refseg_ros camera_node --ros-args -p scene:=1000000
begin plain.log ros2 launch refseg_ros refseg.launch.py image_reliability:=reliable device:=cpu
check "launch: the models are loaded" await "$work/plain.log" "ready:" 180
check "ros2 lifecycle get" says active ros2 lifecycle get /refseg
result=refseg_ros/msg/Segmentation
check "ros2 topic pub and echo: result" asked /refseg/result $result "^status: [1-3]" "the thing on the left"
check "mask" asked /refseg/mask sensor_msgs/msg/Image "encoding: mono8" "the thing on the left" --no-arr
check "mask/compressed" asked /refseg/mask/compressed sensor_msgs/msg/CompressedImage "png" "the thing on the left" --no-arr
check "label_image" asked /refseg/label_image sensor_msgs/msg/Image "encoding: 16UC1" "the thing on the left" --no-arr
check "pose of the target" asked /refseg/target geometry_msgs/msg/PoseStamped "frame_id: camera_optical" "the thing on the left"
if have vision_msgs.msg; then
  check "detections" asked /refseg/detections vision_msgs/msg/Detection2DArray "class_id" "the thing on the left"
  check "detections_3d" asked /refseg/detections_3d vision_msgs/msg/Detection3DArray "class_id" "the thing on the left"
  check "label_info (latched)" says class_name timeout 60 ros2 topic echo --once \
    --qos-durability transient_local --qos-reliability reliable /refseg/label_info vision_msgs/msg/LabelInfo
else
  row "detections, detections_3d, label_info" "not tried" "vision_msgs is not installed"
fi
check "diagnostics" says "refseg: segmentation" timeout 60 ros2 topic echo --once /diagnostics diagnostic_msgs/msg/DiagnosticArray
check "ros2 service call" says "success=True" ros2 service call /refseg/segment refseg_ros/srv/Segment \
  "{expression: 'the thing on the right'}"
check "ros2 action send_goal --feedback" says "SUCCEEDED" ros2 action send_goal --feedback \
  /refseg/segment_expression refseg_ros/action/SegmentExpression "{expression: 'the thing on the right'}"
check "ros2 param set" says "successful" ros2 param set /refseg keyframe_change 7
check "ros2 param get" says "7.0" ros2 param get /refseg keyframe_change
check "ros2 param set: out of range is refused" says "out of range|range" ros2 param set /refseg keyframe_change 700.0
check "ros2 lifecycle set deactivate" says "successful" ros2 lifecycle set /refseg deactivate
check "ros2 lifecycle set activate" says "successful" ros2 lifecycle set /refseg activate

# ----------------------------------------------------------------------------------------- tf

transforms() {  # static | moving: base to the camera's frame, by tf2_ros' own broadcasters
  cat >"$work/transforms.py" <<'PYTHON'
import math
import sys

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

rclpy.init()
node = Node("check_transforms")
moving = sys.argv[1] == "moving"
sender = (TransformBroadcaster if moving else StaticTransformBroadcaster)(node)
name = "arm" if moving else "base"


def send():
    now = node.get_clock().now()
    message = TransformStamped()
    message.header.stamp, message.header.frame_id = now.to_msg(), name
    message.child_frame_id = "camera_optical_frame" if not moving else "base"
    message.transform.translation.x = math.sin(now.nanoseconds * 1e-9) if moving else 1.0
    message.transform.rotation.w = 1.0
    sender.sendTransform(message)


send()
if moving:
    node.create_timer(0.02, send)
rclpy.spin(node)
PYTHON
  beside "transforms-$1.log" python3 "$work/transforms.py" "$1"
}
if have tf2_ros; then
  transforms static
  ros2 param set /refseg target_frame base >/dev/null 2>&1
  check "tf, static: pose in the frame base" asked /refseg/target geometry_msgs/msg/PoseStamped "frame_id: base" "the thing on the left"
  transforms moving
  ros2 param set /refseg target_frame arm >/dev/null 2>&1
  check "tf, moving at 50 Hz: pose in the frame arm" asked /refseg/target geometry_msgs/msg/PoseStamped "frame_id: arm" "the thing on the right"
else
  row "tf, static and moving" "not tried" "tf2_ros is not installed"
fi
end "one camera"

# ------------------------------------------------------------------------------ every argument

parameters() {  # NODE NAME=VALUE...: by one dump
  local dump entry missing=""
  dump=$(timeout 60 ros2 param dump "$1" 2>&1)
  shift
  for entry in "$@"; do
    grep -qiE "^ +${entry%%=*}: '?${entry#*=}'?$" <<<"$dump" || missing+=" $entry"
  done
  [ -z "$missing" ] || { echo "not set:$missing"; return 1; }
}
listens() {  # NODE TOPIC...
  local info
  info=$(timeout 60 ros2 node info "$1" 2>&1)
  shift
  for topic in "$@"; do grep -qF "$topic:" <<<"$info" || { echo "not on $topic"; return 1; }; done
}
printf '/**/refseg:\n  ros__parameters:\n    preset: edge\n    keyframe_change: 9.0\n' >"$work/own.yaml"
begin arguments.log ros2 launch refseg_ros refseg.launch.py params_file:="$work/own.yaml" preset:=tabletop method:=robust device:=cpu \
  mode:=continuous track:=True anytime:=true reference_frame:=base target_frame:=base image:=/eye \
  image_transport:=raw image_reliability:=reliable command:=/say depth:=/far camera_info:=/lens \
  namespace:=robot autostart:=TRUE respawn:=false use_rviz:=False use_sim_time:=false log_level:=debug
check "arguments: the node is there" await "$work/arguments.log" "ready:" 180
check "arguments that are parameters" parameters /robot/refseg preset=tabletop method=robust device=cpu \
  mode=continuous track=true anytime=true reference_frame=base target_frame=base image_transport=raw \
  image_reliability=reliable autostart=true use_sim_time=false keyframe_change=9.0
check "arguments that are topics" listens /robot/refseg /eye /say /far /lens
end "all arguments"

begin cameras.log ros2 launch refseg_ros refseg.launch.py cameras:=front,rear autostart:=false \
  image_transport:=compressed device:=cpu
check "cameras, autostart:=false: unconfigured" await "$work/cameras.log" "." 60
sleep 5
check "two cameras, each in its namespace" says "unconfigured" ros2 lifecycle get /front/refseg
check "ros2 lifecycle set configure" says "successful" ros2 lifecycle set /rear/refseg configure
check "ros2 lifecycle set activate, compressed" says "successful" ros2 lifecycle set /rear/refseg activate
check "image_transport:=compressed" says "CompressedImage" ros2 topic type /rear/image
end "two cameras"

python3 -c "
import cv2, numpy
cv2.imwrite('$work/photo.png', numpy.full((120, 160, 3), 90, numpy.uint8))"
begin photo.log ros2 launch refseg_ros refseg.launch.py photo:="$work/photo.png" image:=/shown \
  respawn:=true device:=cpu
check "photo:=" says "width: 160" timeout 60 ros2 topic echo --once --no-arr /shown sensor_msgs/msg/Image
check "photo: the models are loaded" await "$work/photo.log" "ready:" 180
starts() { await "$work/photo.log" "process has died|process has finished" 30 && sleep 6 \
  && [ "$(grep -c 'segmenter_node.*process started' "$work/photo.log")" -ge 2 ]; }
segmenter=$(sed -n 's/.*\[segmenter_node-[0-9]*\]: process started with pid \[\([0-9]*\)\].*/\1/p' "$work/photo.log" | head -n 1)
[ -n "$segmenter" ] && kill -KILL "$segmenter"
check "respawn:=true" starts
end "photo"

if have vision_msgs.msg; then
  begin detector.log ros2 launch refseg_ros refseg.launch.py preset:=given detections:=/yolo/boxes \
    detection_labels:=/yolo/labels
  check "detections:=, detection_labels:=" await "$work/detector.log" "ready:" 120
  check "they set the parameter" parameters /refseg detections=masks
  check "and are listened to" listens /refseg /yolo/boxes /yolo/labels
  end "own detector"
else
  row "detections:=, detection_labels:=" "not tried" "vision_msgs is not installed"
fi

if [ -e /dev/video0 ]; then
  begin webcam.log ros2 launch refseg_ros refseg.launch.py webcam:=0 device:=cpu
  check "webcam:=0" says "encoding: rgb8" timeout 60 ros2 topic echo --once --no-arr /image sensor_msgs/msg/Image
  end "webcam"
else
  row "webcam:=0" "not tried" "there is no /dev/video0"
fi

if ! here_is rviz2; then
  check "use_rviz:=true without rviz2 ends the launch" says "rviz2" ros2 launch refseg_ros refseg.launch.py use_rviz:=true
  row "use_rviz, rviz_frame" "not tried" "rviz2 is not installed"
elif [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  row "use_rviz, rviz_frame" "not tried" "there is no display"
else
  begin rviz.log ros2 launch refseg_ros refseg.launch.py use_rviz:=true rviz_frame:=map device:=cpu
  check "use_rviz:=true rviz_frame:=map" await "$work/rviz.log" "rviz2-1.*process started" 60
  check "RViz stays" sleep 10
  end "RViz"
fi

if have nicegui; then
  stop "${others[0]}"
  begin demo.log ros2 launch refseg_ros demo.launch.py scene:=1000001 film:=none device:=cpu
  check "demo.launch.py: the page" await "$work/demo.log" "viewer at http" 120
  check "demo.launch.py: the models" await "$work/demo.log" "ready:" 180
  check "demo.launch.py: an answer" asked /refseg/result $result "^status: [1-3]" "the thing on the left"
  end "demo"
else
  begin demo.log ros2 launch refseg_ros demo.launch.py device:=cpu
  check "demo without nicegui says what to install" await "$work/demo.log" "pip install nicegui" 60
  end "demo"
fi

# ------------------------------------------------------------------------------------- table

printf '\n%-46s %-9s %s\n' check verdict note
printf '%s\n' "${rows[@]}"
printf '\n%s checks: %s ok, %s failed, %s not tried\n' "${#rows[@]}" \
  "$(printf '%s\n' "${rows[@]}" | grep -cE ' ok +$')" \
  "$(printf '%s\n' "${rows[@]}" | grep -cE ' FAILED ')" \
  "$(printf '%s\n' "${rows[@]}" | grep -cE ' not tried ')"
exit $failed
