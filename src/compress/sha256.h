// SHA-256 (FIPS 180-4), the check of .sqz files and the identity of models.
#ifndef SQZ_COMPRESS_SHA256_H
#define SQZ_COMPRESS_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sqz_sha256 {
    uint32_t state[8];
    uint64_t size; // bytes so far
    uint8_t block[64];
};
void sqz_sha256_init(struct sqz_sha256 *hash);
void sqz_sha256_add(struct sqz_sha256 *hash, const void *data, size_t size);
void sqz_sha256_end(struct sqz_sha256 *hash, uint8_t digest[32]);
void sqz_sha256_of(const void *data, size_t size, uint8_t digest[32]);

#endif
