# What makes an exploit of a memory error harder. Distributors whose own flags do the same lose nothing:
# each of these may stand twice. No flag here touches floating point, so results keep their bits.
include(CheckCCompilerFlag)
include(CheckPIESupported)
option(SQZ_HARDENING "Build with stack protector, FORTIFY, CET or branch protection, full RELRO and PIE" ON)

# Links programs as PIE where the compiler does not do so by itself.
check_pie_supported(LANGUAGES C)

# Adds each of the flags that the compiler knows.
function(sqz_add_known_flags)
  foreach(flag ${ARGN})
    string(MAKE_C_IDENTIFIER "SQZ_HAS${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
      add_compile_options(${flag})
    endif()
  endforeach()
endfunction()

if(SQZ_HARDENING)
  sqz_add_known_flags(-fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    sqz_add_known_flags(-fcf-protection)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    sqz_add_known_flags(-mbranch-protection=standard)
  endif()
  # FORTIFY needs optimisation, hides errors from sanitizers, and stands once: a distributor's level wins.
  if(NOT SQZ_SANITIZE AND NOT CMAKE_C_FLAGS MATCHES "_FORTIFY_SOURCE")
    add_compile_options($<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE>
                        $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-D_FORTIFY_SOURCE=3>)
  endif()
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()
