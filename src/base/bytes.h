// Numbers of a fixed byte order in bytes of memory, for file formats. `n`: 1 to 8 bytes.
#ifndef SQZ_BASE_BYTES_H
#define SQZ_BASE_BYTES_H

#include <stdint.h>

static inline uint64_t sqz_get_le(const uint8_t *at, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static inline uint64_t sqz_get_be(const uint8_t *at, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

static inline void sqz_put_le(uint8_t *at, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

#endif
