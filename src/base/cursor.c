// The bounded little-endian cursor.
#include "base/bytes.h"
#include "base/file.h"

size_t sqz_cursor_left(const struct sqz_cursor *cursor)
{
    return cursor->at < cursor->size ? cursor->size - cursor->at : 0;
}

bool sqz_take_span(struct sqz_cursor *cursor, size_t size, const uint8_t **span)
{
    if (size > sqz_cursor_left(cursor))
        return false;
    *span = cursor->data + cursor->at;
    cursor->at += size;
    return true;
}

static bool take_little(struct sqz_cursor *cursor, size_t size, uint64_t *out)
{
    const uint8_t *bytes;
    if (!sqz_take_span(cursor, size, &bytes))
        return false;
    *out = sqz_get_le(bytes, (int)size);
    return true;
}

bool sqz_take_u8(struct sqz_cursor *cursor, uint8_t *out)
{
    uint64_t value;
    if (!take_little(cursor, 1, &value))
        return false;
    *out = (uint8_t)value;
    return true;
}

bool sqz_take_u16(struct sqz_cursor *cursor, uint16_t *out)
{
    uint64_t value;
    if (!take_little(cursor, 2, &value))
        return false;
    *out = (uint16_t)value;
    return true;
}

bool sqz_take_u32(struct sqz_cursor *cursor, uint32_t *out)
{
    uint64_t value;
    if (!take_little(cursor, 4, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

bool sqz_take_u64(struct sqz_cursor *cursor, uint64_t *out)
{
    return take_little(cursor, 8, out);
}
