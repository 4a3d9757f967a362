# refseg_ros on ROS 2 for amd64 and arm64:
#   docker build -t refseg_ros .                         PyTorch for the CPU
#   docker build -t refseg_ros --build-arg TORCH=cuda .  for NVIDIA GPUs; run it with --gpus all
# See docs/install.md. ROS_DISTRO may be humble, jazzy, lyrical or rolling.
ARG ROS_DISTRO=jazzy
ARG TORCH=cpu

FROM ros:${ROS_DISTRO}-ros-base AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The image names its distribution in ROS_DISTRO.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-colcon-common-extensions \
      python3-opencv \
      python3-pil \
      python3-venv \
      "ros-${ROS_DISTRO}-cv-bridge" \
      "ros-${ROS_DISTRO}-diagnostic-msgs" \
      "ros-${ROS_DISTRO}-tf2-ros-py" \
      "ros-${ROS_DISTRO}-vision-msgs" \
      "ros-${ROS_DISTRO}-visualization-msgs" \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 refseg \
 && install -d -o refseg -g refseg /ws /ws/src /weights
USER 10001
WORKDIR /ws
RUN python3 -m venv --system-site-packages .venv && touch .venv/COLCON_IGNORE
COPY --chown=refseg:refseg constraints.txt /ws/constraints.txt

FROM base AS torch-cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN .venv/bin/pip install --no-cache-dir -c constraints.txt --index-url "${TORCH_INDEX}" \
      torch torchvision

FROM base AS torch-cuda
# Wheels that bring their own CUDA; a Jetson needs the index of its JetPack.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu130
RUN .venv/bin/pip install --no-cache-dir -c constraints.txt --index-url "${TORCH_INDEX}" \
      torch torchvision

# hadolint ignore=DL3006
FROM torch-${TORCH} AS libraries
RUN .venv/bin/pip install --no-cache-dir -c constraints.txt \
      nicegui open_clip_torch segment-anything transformers

FROM libraries AS refseg
COPY --chown=refseg:refseg . /ws/src/refseg_ros
RUN . "/opt/ros/${ROS_DISTRO}/setup.sh" && . .venv/bin/activate \
 && colcon build --packages-select refseg_ros --cmake-args -DBUILD_TESTING=OFF \
 && rm -rf build log
# Weights outlive the container in a volume that is mounted here.
ENV REFSEG_CACHE=/weights
VOLUME /weights
COPY --chmod=755 docker/entrypoint.sh /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "refseg_ros", "refseg.launch.py"]
