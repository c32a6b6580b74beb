// The one thing that we want from EXIF: which way up the image is.
#include "data/image/codec.h"

#include "base/bytes.h"

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define ENTRY_BYTES     12

static unsigned get(const uint8_t *at, int n, bool big)
{
    return (unsigned)(big ? sqz_get_be(at, n) : sqz_get_le(at, n));
}

int sqz_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 8)
        return 1;
    bool big = tiff[0] == 'M' && tiff[1] == 'M';
    bool little = tiff[0] == 'I' && tiff[1] == 'I';
    if ((!big && !little) || get(tiff + 2, 2, big) != 42)
        return 1;
    size_t at = get(tiff + 4, 4, big);
    if (at > size || size - at < 2)
        return 1;
    unsigned entries = get(tiff + at, 2, big);
    at += 2;
    for (unsigned i = 0; i < entries && size - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        const uint8_t *entry = tiff + at;
        if (get(entry, 2, big) != TAG_ORIENTATION)
            continue;
        unsigned value = get(entry + 8, 2, big);
        bool usable = get(entry + 2, 2, big) == TYPE_SHORT && get(entry + 4, 4, big) == 1;
        return usable && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
