# export: what it writes compiles here and for microcontrollers, and gives the program's own answer; in an
# emulator of four cores the same class sums, within bounds of memory, code and instructions.
. "$(dirname "$0")/lib.sh"
make_shapes 8 4
# shellcheck disable=SC2086
expect 0 train shapes $tiny --max_steps 8 --run_dir run -q
set -- shapes/train/*/*
expect 0 compress run/best.safetensors --int8 --calibrate shapes/train -o int8.sqz -q
image=$1

expect 0 export --list
contains "$out" '^c +C sources' "--list"
expect_error 2 'no integer network.*compress MODEL --int8' export run/best.safetensors -o no
expect_error 2 'A MODEL and -o OUT' export int8.sqz
expect_error 2 'Unknown export format' export int8.sqz -o no --format tflite
expect_error 2 'units of 4 or 16' export int8.sqz -o no --unit 8
expect_error 2 'goes with --format c' export int8.sqz -o no --format flat --image "$image"
[ ! -e no ] || fail "something was written"

expect 0 export int8.sqz -o firmware --image "$image" --json
jq -e '.bytes > .weight_bytes + .bias_bytes + .name_bytes and .arena_bytes > 1000' out.txt >/dev/null ||
    fail "the JSON: $out"
expect_error 73 'force' export int8.sqz -o firmware
expect 0 export int8.sqz -o firmware --image "$image" --force
expect 0 export int8.sqz -o model.bin --format flat -q
expect 0 export int8.sqz -o model.bin --format flat --force --json
[ "$(stat -c %s model.bin)" = "$(jq .bytes out.txt)" ] || fail "the flat model's size"

# The example says what predict says.
make -s -C firmware CC_HOST="$CC" >make.txt 2>&1 || fail "make: $(cat make.txt)"
answer=$(cd firmware && ./classify)
expect 0 predict int8.sqz "$image" --json
name=$(jq -r '.results[0].classes[0].name' out.txt)
percent=$(jq '.results[0].classes[0].probability * 100 | . * 10 | floor / 10' out.txt)
contains "$answer" ", $name, $percent" "the example's answer"

# build_and_run DIR CORE: count.c in the emulator; its lines in DIR/CORE.txt.
build_and_run() {
    cp "$SQZ_SOURCE/tests/deploy/count.c" "$1"
    local tick=4000
    [ "$2" != m55 ] || tick=3125
    make -s -C "$1" CORE="$2" MAIN=count.c EXTRA="-DNS_PER_TICK=$tick" QEMU="-icount shift=0" run >"$1/$2.txt" 2>&1 ||
        fail "$2: $(tail -3 "$1/$2.txt")"
}
# within VALUE WANTED: to one percent
within() {
    [ $((100 * ($1 > $2 ? $1 - $2 : $2 - $1))) -le "$2" ]
}

cp "$SQZ_SOURCE/tests/deploy/count.c" firmware
make -s -C firmware CC_HOST="$CC -Wall -Wextra -Werror" MAIN=count.c -B classify >make.txt 2>&1 || fail "make: $(cat make.txt)"
sums=$(cd firmware && ./classify | grep '^class')
contains "$sums" 'canaries alive' "this computer"

if ! command -v arm-none-eabi-gcc >/dev/null || ! command -v qemu-system-arm >/dev/null; then
    skip "Cortex-M: no arm-none-eabi-gcc or qemu-system-arm"
    finish
fi
expect 0 export int8.sqz -o wide --unit 16 --image "$image"
compiler=$(arm-none-eabi-gcc -dumpversion)
# Instructions of one image of this test with gcc 12.2.1.
for line in m3:13389600 m4:7195000 m7:7133320 m55:2309375; do
    core=${line%:*} wanted=${line#*:} dir=firmware
    [ $core != m55 ] || dir=wide
    build_and_run $dir $core
    got=$(cat $dir/$core.txt)
    contains "$got" "^$sums$" "$core's class sums"
    stack=$(sed -n 's/^stack //p' $dir/$core.txt)
    [ "$stack" -le 1000 ] || fail "$core takes $stack bytes of stack"
    instructions=$(sed -n 's/^instructions //p' $dir/$core.txt)
    [ "$compiler" != 12.2.1 ] || within "$instructions" "$wanted" ||
        fail "$core took $instructions instructions instead of $wanted"
    echo "Cortex-$core tested: $instructions instructions, $stack bytes of stack"
done

# The runtime alone on a Cortex-M4: its code, and what it needs of a library.
cat >runtime.c <<'END'
#define SQZ_RT_TRUSTED
#include "squeezenet_rt.h"
int classify(struct sqz_rt *rt, const void *model, size_t size, void *arena, size_t room, const void *image, int rows, size_t stride);
int classify(struct sqz_rt *rt, const void *model, size_t size, void *arena, size_t room, const void *image, int rows, size_t stride)
{
    return sqz_rt_begin(rt, model, size, arena, room) != SQZ_RT_OK || sqz_rt_rows(rt, image, rows, stride) ? -1 : sqz_rt_finish(rt);
}
END
arm-none-eabi-gcc -std=c99 -Wall -Wextra -Werror -mcpu=cortex-m4 -mthumb -O2 -I"$SQZ_SOURCE/deploy" -c runtime.c
code=$(arm-none-eabi-size runtime.o | awk 'NR == 2 { print $1 }')
[ "$code" -le 6144 ] || fail "the runtime is $code bytes of code"
undefined=$(arm-none-eabi-nm -u runtime.o | awk '{ print $2 }' | sort | tr '\n' ' ')
[ "$undefined" = "memcpy memset " ] || [ "$undefined" = "memcpy " ] || fail "the runtime needs $undefined"
echo "Cortex-m4: $code bytes of code; needs $undefined"
finish
