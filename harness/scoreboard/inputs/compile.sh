#!/bin/sh
# Becomes the C++ compiler proper, at work on work.cpp: the driver g++ would start it as a child, and
# the allocator in the driver is of no interest.
set -eu
here=$(dirname "$0")
exec "$(g++ -print-prog-name=cc1plus)" -quiet -imultiarch "$(g++ -print-multiarch)" -D_GNU_SOURCE \
  -std=c++17 "${1:--O1}" "$here/work.cpp" -o /dev/null
