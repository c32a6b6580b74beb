# Text files that become part of a program.

# `out` = the file's text between the quotes of a C string, a line of it on a line.
function(sqz_quote out file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n\"" text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# {"NAME", "TEXT"}, ... of several files in the file `out`; `name` is NAME or NAME_WE (without suffix).
function(sqz_embed out name)
  set(embedded "")
  foreach(file ${ARGN})
    sqz_quote(text ${file})
    get_filename_component(label ${file} ${name})
    string(APPEND embedded "{\"${label}\",\n\"${text}\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${out} CONTENT "${embedded}" @ONLY)
endfunction()

# The bytes of `file`, separated by commas, in the file `out`.
function(sqz_embed_bytes out file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${out} CONTENT "${bytes}\n" @ONLY)
endfunction()
