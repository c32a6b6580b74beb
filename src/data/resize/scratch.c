// A worker's buffers: cut into aligned parts, and given back.
#include "data/resize/scratch.h"

#include "base/memory.h"

void sqz_transform_scratch_release(struct sqz_transform_scratch *scratch)
{
    if (!scratch)
        return;
    sqz_image_release(&scratch->decoded);
    sqz_image_release(&scratch->resized);
    sqz_image_release(&scratch->padded);
    sqz_image_release(&scratch->view);
    sqz_image_release(&scratch->spare);
    sqz_free(scratch->buffer);
    *scratch = (struct sqz_transform_scratch){0};
}

enum sqz_status sqz_scratch_cut(struct sqz_transform_scratch *scratch, const size_t *sizes, int n,
                                void **parts, struct sqz_error *err)
{
    size_t total = 0;
    for (int i = 0; i < n; i++)
        if (!sqz_size_add(total, sizes[i], &total) ||
            !sqz_size_add(total, SQZ_ALIGNMENT - 1, &total))
            return sqz_fail_memory(err, "resizing an image", SIZE_MAX);
    if (total > scratch->buffer_size) {
        sqz_free(scratch->buffer);
        scratch->buffer = sqz_new_aligned(total, 1);
        scratch->buffer_size = scratch->buffer ? total : 0;
        if (!scratch->buffer)
            return sqz_fail_memory(err, "resizing an image", total);
    }
    uint8_t *at = scratch->buffer;
    for (int i = 0; i < n; i++) {
        parts[i] = at;
        at += (sizes[i] + SQZ_ALIGNMENT - 1) / SQZ_ALIGNMENT * SQZ_ALIGNMENT;
    }
    return SQZ_OK;
}
