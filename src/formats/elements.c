// Element types: half precision and its like to float32; and the CRC-32 that files carry.
#include "formats/common.h"

#include <string.h>

float sqz_float_from_half(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff, word;
    if (exponent == 0x1f) {
        word = sign | 0x7f800000 | fraction << 13;
    } else if (exponent == 0) {
        // Subnormal (or zero): fraction * 2^-24, exact in float32.
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    } else {
        word = sign | (exponent + 112) << 23 | fraction << 13;
    }
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

bool sqz_array_to_floats(const struct sqz_array *array, float *out)
{
    size_t count = array->size / sqz_dtype_size(array->dtype);
    switch (array->dtype) {
    case SQZ_F32:
        memcpy(out, array->data, array->size);
        return true;
    case SQZ_F16:
        for (size_t i = 0; i < count; i++)
            out[i] = sqz_float_from_half(((const uint16_t *)array->data)[i]);
        return true;
    case SQZ_BF16:
        for (size_t i = 0; i < count; i++) {
            uint32_t word = (uint32_t)((const uint16_t *)array->data)[i] << 16;
            memcpy(&out[i], &word, sizeof word);
        }
        return true;
    case SQZ_F64:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)((const double *)array->data)[i];
        return true;
    default:
        return false;
    }
}

uint32_t sqz_crc32(const void *data, size_t size)
{
    uint32_t table[256], crc = 0xffffffff;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t word = i;
        for (int bit = 0; bit < 8; bit++)
            word = word & 1 ? word >> 1 ^ 0xedb88320 : word >> 1;
        table[i] = word;
    }
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
    return ~crc;
}
