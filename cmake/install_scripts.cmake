# `ros2 run` and `ros2 launch` start these with the Python of the virtual environment in which the
# workspace was built, also where that is not active, as colcon does for packages of Python alone.
# Built without one they ask the environment: a system's Python may be joined by one later.
function(install_scripts)
  set(line "#!/usr/bin/env python3")
  string(FIND "${Python3_EXECUTABLE}" "$ENV{VIRTUAL_ENV}/" place)
  string(LENGTH "${Python3_EXECUTABLE}" length)
  # Kernels read 127 characters, and no spaces.
  if(DEFINED ENV{VIRTUAL_ENV} AND place EQUAL 0 AND length LESS 120
      AND NOT Python3_EXECUTABLE MATCHES " ")
    set(line "#!${Python3_EXECUTABLE}")
  endif()
  foreach(name IN LISTS ARGN)
    set(source "${CMAKE_CURRENT_SOURCE_DIR}/scripts/${name}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    file(READ "${source}" text)
    string(REGEX REPLACE "^#![^\n]*" "${line}" text "${text}")
    file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/scripts/${name}" "${text}")
    install(PROGRAMS "${CMAKE_CURRENT_BINARY_DIR}/scripts/${name}"
      DESTINATION "lib/${PROJECT_NAME}"
    )
  endforeach()
endfunction()
