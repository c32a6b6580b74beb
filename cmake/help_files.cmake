# cmake -DPROGRAM=... -DOUT=DIR -P: lets the program write its manual pages and completions below DIR.
# write_help(FILE WORD...): what `squeezenet help WORD...` prints.
function(write_help file)
  execute_process(COMMAND ${PROGRAM} help ${ARGN} OUTPUT_FILE ${OUT}/${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/man1 ${OUT}/completion)
execute_process(COMMAND ${PROGRAM} help commands OUTPUT_VARIABLE commands COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" commands "${commands}")
write_help(man1/squeezenet.1 man)
foreach(command ${commands})
  write_help(man1/squeezenet-${command}.1 man ${command})
endforeach()
write_help(completion/squeezenet completion bash)
write_help(completion/_squeezenet completion zsh)
write_help(completion/squeezenet.fish completion fish)
file(TOUCH ${OUT}/complete)
