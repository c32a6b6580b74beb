# Published weights: from a directory, from nowhere, and at no cost for whoever does not fetch.
. "$(dirname "$0")/lib.sh"
make_shapes 4 2
expect 0 train shapes $tiny --epoch_size 1 --max_steps 1 --run_dir run -q
expect 0 convert run/best.safetensors net.ckpt
hash=$(sha256sum net.ckpt | head -c 8)
mkdir mirror
cp net.ckpt "mirror/net-$hash.ckpt"
cp net.ckpt mirror/net-00000000.ckpt

expect 0 convert "https://nobody.invalid/net-$hash.ckpt" out.ckpt --pretrained_dir mirror
same_file net.ckpt out.ckpt
expect_error 65 'SHA-256.*00000000' convert https://nobody.invalid/net-00000000.ckpt x.ckpt --pretrained_dir mirror
expect_error 66 'published at https://nobody.invalid/other.ckpt' \
    convert https://nobody.invalid/other.ckpt x.ckpt --pretrained_dir mirror
expect_error 74 'http://127.0.0.1:1/net.ckpt' convert http://127.0.0.1:1/net.ckpt x.ckpt
expect_error 66 'squeezenet1_1-da256d3a.ckpt' train shapes --pretrained true --pretrained_dir mirror
expect_error 78 'squeezenet1_0_bypass' train shapes --pretrained true --model squeezenet1_0_bypass
[ ! -e x.ckpt ] || fail "a model from nowhere"
[ -z "$(find "$XDG_CACHE_HOME" -name '*.part')" ] || fail "a useless part is left"

run info
contains "$out" 'squeezenet1_1-b8a52dc0.pth' "the list of published weights"
if ldd "$SQUEEZENET" 2>/dev/null | grep -q libcurl; then
    fail "libcurl is linked: every start pays for it"
fi
finish
