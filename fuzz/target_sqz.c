// The .sqz reader. Even first byte: the input is the file, signed. Odd: the
// grammar makes a file, which has to be read (and with the second bit written again without loss);
// then it is damaged, signed, and read again.
#include "sqz_grammar.h"
#include "targets.h"

#include "formats/common.h"
#include "formats/sqz.h"

static enum sqz_status read_file(const uint8_t *data, size_t size, struct sqz_archive *out)
{
    *out = (struct sqz_archive){0};
    return sqz_format_sqz.read("file", data, size, out, NULL);
}

static void read_signed(const uint8_t *data, size_t size)
{
    struct sqz_archive archive;
    uint8_t *copy = malloc(size);
    if (!copy)
        return;
    memcpy(copy, data, size);
    if (size >= SQZ_PACKED_HEADER + SQZ_PACKED_TRAILER)
        sign(copy, size);
    read_file(copy, size, &archive);
    sqz_archive_release(&archive);
    free(copy);
}

static void write_again(const struct sqz_archive *archive)
{
    struct sqz_archive again;
    struct sqz_bytes back = {0};
    if (sqz_format_sqz.write(archive, &back, NULL) || read_file(back.data, back.size, &again) ||
        again.n_arrays != archive->n_arrays)
        abort();
    for (size_t i = 0; i < archive->n_arrays; i++)
        if (memcmp(archive->arrays[i].data, again.arrays[i].data, archive->arrays[i].size) != 0)
            abort(); // not lossless
    sqz_archive_release(&again);
    sqz_bytes_release(&back);
}

static void read_made(struct sqz_cursor *from, bool writes)
{
    struct sqz_text file = {0};
    struct sqz_archive archive;
    if (make_file(from, &file)) {
        if (read_file((const uint8_t *)file.data, file.length, &archive))
            abort(); // a legal file is refused
        if (writes)
            write_again(&archive);
        sqz_archive_release(&archive);
        damage(from, (uint8_t *)file.data, file.length);
        read_signed((const uint8_t *)file.data, file.length);
    }
    sqz_text_release(&file);
}

void fuzz_sqz(const uint8_t *data, size_t size)
{
    struct sqz_cursor from = {data, size, 1};
    if (size == 0)
        return;
    if (data[0] & 1)
        read_made(&from, data[0] & 2);
    else
        read_signed(data + 1, size - 1);
}
