// libFuzzer's entry points. The environment variable SQZ_FUZZ_TARGET names the target.
#include "targets.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("SQZ_FUZZ_TARGET");
    (void)argc;
    (void)argv;
    target = fuzz_target_find(name ? name : "");
    if (!target) {
        fprintf(stderr, "SQZ_FUZZ_TARGET names no target\n");
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    target->run(data, size);
    return 0;
}

// One mutation in sixteen stays unsigned, so that the check-sum is tested, too.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, most);
    if (target->sign && seed % 16)
        target->sign(data, size);
    return size;
}
