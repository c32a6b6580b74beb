// What the compressed formats share: .sqz files with their checks made, and patches (patch.c).
#ifndef SQZ_FORMATS_SQZ_H
#define SQZ_FORMATS_SQZ_H

#include "compress/pack.h"
#include "formats/formats.h"

// Checks header and trailer of a file in memory, which *out then points into.
enum sqz_status sqz_packed_check(const char *path, const uint8_t *data, size_t size,
                                 struct sqz_packed *out, struct sqz_error *err);
// Decodes the next tensor; its name is packed->name.
enum sqz_status sqz_packed_take(const char *path, struct sqz_packed *packed, struct sqz_coded *out,
                                struct sqz_error *err);
// A whole file from float32 arrays, without any loss. HUFFMAN: where codebooks allow it.
enum sqz_status sqz_archive_to_sqz(const struct sqz_archive *archive, enum sqz_coder coder,
                                   struct sqz_bytes *out, struct sqz_error *err);

#endif
