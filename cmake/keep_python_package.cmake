# Keeps the Python package that pip has put into an environment while our messages are installed
# beside it. rosidl installs an empty refseg_ros/__init__.py and an egg-info of the same name: the
# first would hide an editable checkout (or blank an ordinary install), the second would give pip
# two distributions of one name. Install rules run in order, hence one call before
# rosidl_generate_interfaces and one after.

set(_kept_init "${CMAKE_CURRENT_BINARY_DIR}/kept/__init__.py")

function(_absolute_in_prefix out path)
  if(IS_ABSOLUTE "${path}")
    set(${out} "${path}" PARENT_SCOPE)
  else()
    set(${out} "\${CMAKE_INSTALL_PREFIX}/${path}" PARENT_SCOPE)  # known when installing
  endif()
endfunction()

function(keep_python_package_before package_dir)
  _absolute_in_prefix(package_dir "${package_dir}")
  install(CODE "
    file(REMOVE \"${_kept_init}\")
    if(EXISTS \"${package_dir}/__init__.py\")
      file(COPY \"${package_dir}/__init__.py\" DESTINATION \"${CMAKE_CURRENT_BINARY_DIR}/kept\")
    endif()
  ")
endfunction()

function(keep_python_package_after package_dir)
  _absolute_in_prefix(package_dir "${package_dir}")
  install(CODE "
    file(GLOB stale \"${package_dir}/__pycache__/__init__.*\" \"${package_dir}-*.egg-info\")
    file(REMOVE_RECURSE \"${package_dir}/__init__.py\" \${stale})
    if(EXISTS \"${_kept_init}\")
      file(COPY \"${_kept_init}\" DESTINATION \"${package_dir}\")
    endif()
  ")
endfunction()
