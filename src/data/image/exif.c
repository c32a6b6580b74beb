// The one thing that we want from EXIF: which way up the image is.
#include "data/image/codec.h"

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define ENTRY_BYTES     12

static unsigned read16(const uint8_t *at, bool big)
{
    return big ? (unsigned)(at[0] << 8 | at[1]) : (unsigned)(at[1] << 8 | at[0]);
}

static uint32_t read32(const uint8_t *at, bool big)
{
    uint32_t first = read16(at, big), second = read16(at + 2, big);
    return big ? first << 16 | second : second << 16 | first;
}

int sqz_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 8)
        return 1;
    bool big = tiff[0] == 'M' && tiff[1] == 'M';
    bool little = tiff[0] == 'I' && tiff[1] == 'I';
    if ((!big && !little) || read16(tiff + 2, big) != 42)
        return 1;
    size_t at = read32(tiff + 4, big);
    if (at > size || size - at < 2)
        return 1;
    unsigned entries = read16(tiff + at, big);
    at += 2;
    for (unsigned i = 0; i < entries && size - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        const uint8_t *entry = tiff + at;
        if (read16(entry, big) != TAG_ORIENTATION)
            continue;
        unsigned value = read16(entry + 8, big);
        bool usable = read16(entry + 2, big) == TYPE_SHORT && read32(entry + 4, big) == 1;
        return usable && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
