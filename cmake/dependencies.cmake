# Every library from outside, with the Debian 12 package that brings it (docs/dependencies.md says why).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)        # libjpeg62-turbo-dev
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)          # libpng-dev
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)           # zlib1g-dev
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)       # libyaml-dev
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)       # libzip-dev, opened at run time
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c) # libprotobuf-c-dev
pkg_check_modules(CURL REQUIRED libcurl>=7.83)                   # libcurl4-openssl-dev, opened at run time
pkg_check_modules(EVENT REQUIRED libevent>=2.1)                   # libevent-dev, opened at run time
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)      # libjansson-dev, opened at run time
find_program(PROTOC_C protoc-c REQUIRED)                        # protobuf-c-compiler
# For training with ranks; a module each, neither is needed to build. By pkg-config's own names, so that
# both may be installed whichever of them is /usr/bin/mpicc.
pkg_check_modules(openmpi IMPORTED_TARGET ompi-c)               # libopenmpi-dev (and openmpi-bin to run)
pkg_check_modules(mpich IMPORTED_TARGET mpich)                  # libmpich-dev (and mpich to run)
set(SQZ_MPIS "")
foreach(mpi openmpi mpich)
  if(${mpi}_FOUND)
    list(APPEND SQZ_MPIS ${mpi})
  endif()
endforeach()
