// The size of an encoded image from its first bytes, so that one of too many pixels is refused
// before anything is decoded.
#include "cli/serve/serve.h"
#include <string.h>

static int big_endian(const uint8_t *at, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value > INT32_MAX ? INT32_MAX : (int)value;
}

static bool jpeg_size(const uint8_t *data, size_t size, int *width, int *height)
{
    for (size_t at = 2; at + 9 <= size;) {
        if (data[at] != 0xff)
            return false;
        uint8_t marker = data[at + 1];
        if (marker == 0xff) { // a fill byte
            at++;
            continue;
        }
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
            marker != 0xcc) { // a frame
            *height = big_endian(data + at + 5, 2);
            *width = big_endian(data + at + 7, 2);
            return true;
        }
        bool is_alone = (marker >= 0xd0 && marker <= 0xd7) || marker == 0x01;
        int length = is_alone ? 0 : big_endian(data + at + 2, 2);
        if (!is_alone && length < 2)
            return false;
        at += 2 + (size_t)length;
    }
    return false;
}

bool serve_image_size(const void *data, size_t size, int *width, int *height)
{
    const uint8_t *bytes = data;
    if (size >= 24 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0 &&
        memcmp(bytes + 12, "IHDR", 4) == 0) {
        *width = big_endian(bytes + 16, 4);
        *height = big_endian(bytes + 20, 4);
        return true;
    }
    return size >= 4 && bytes[0] == 0xff && bytes[1] == 0xd8 &&
           jpeg_size(bytes, size, width, height);
}
