// The range encoder: carries are held back until they are certain.
#include "compress/encoder.h"

void sqz_range_reset(struct sqz_range_encoder *encoder)
{
    for (int i = 0; i < SQZ_CONTEXTS; i++)
        encoder->models[i] = (struct sqz_bit_model){32768, 32768, 0};
}

void sqz_range_start(struct sqz_range_encoder *encoder, struct sqz_text *out)
{
    *encoder =
        (struct sqz_range_encoder){.out = out, .range = 0xffffffff, .n_held = 1, .first = true};
    sqz_range_reset(encoder);
}

static void put_byte(struct sqz_range_encoder *encoder, uint8_t byte)
{
    if (!encoder->first)
        sqz_text_add_bytes(encoder->out, &byte, 1);
    encoder->first = false;
}

static void shift_low(struct sqz_range_encoder *encoder)
{
    if (encoder->low < 0xff000000 || encoder->low > 0xffffffff) {
        uint8_t carry = (uint8_t)(encoder->low >> 32);
        put_byte(encoder, (uint8_t)(encoder->held + carry));
        while (--encoder->n_held)
            put_byte(encoder, (uint8_t)(0xff + carry));
        encoder->held = (uint8_t)(encoder->low >> 24);
    }
    encoder->n_held++;
    encoder->low = (encoder->low & 0x00ffffff) << 8;
}

static void normalize(struct sqz_range_encoder *encoder)
{
    while (encoder->range < (uint32_t)1 << 24) {
        encoder->range <<= 8;
        shift_low(encoder);
    }
}

void sqz_range_bit(struct sqz_range_encoder *encoder, int context, int bit)
{
    struct sqz_bit_model *model = &encoder->models[context];
    uint32_t bound = (encoder->range >> 16) * sqz_bit_model_probability(model);
    if (bit) {
        encoder->range = bound;
    } else {
        encoder->low += bound;
        encoder->range -= bound;
    }
    sqz_bit_model_update(model, bit);
    normalize(encoder);
}

void sqz_range_even(struct sqz_range_encoder *encoder, uint32_t value, int bits)
{
    while (bits-- > 0) {
        encoder->range >>= 1;
        if (!(value >> bits & 1))
            encoder->low += encoder->range;
        normalize(encoder);
    }
}

void sqz_range_tree(struct sqz_range_encoder *encoder, int context, uint32_t value, int bits)
{
    uint32_t node = 1;
    while (bits-- > 0) {
        int bit = (int)(value >> bits & 1);
        sqz_range_bit(encoder, context + (int)node, bit);
        node = node << 1 | (uint32_t)bit;
    }
}

void sqz_range_code(struct sqz_range_encoder *encoder, struct sqz_code_context context, int code)
{
    uint32_t value = (uint32_t)(code < 0 ? -code : code);
    int order = 0;
    sqz_range_bit(encoder, context.level, code != 0);
    if (!code)
        return;
    sqz_range_bit(encoder, SQZ_SIGN_CONTEXT + context.sign, code < 0);
    while (value >> (order + 1))
        order++;
    for (int i = 0; i <= order && i < 15; i++)
        sqz_range_bit(encoder, SQZ_ORDER_CONTEXT + i * SQZ_LEVELS + context.level, i < order);
    uint32_t low = value - ((uint32_t)1 << order);
    if (order == 1) {
        sqz_range_bit(encoder, SQZ_LOW_CONTEXT + context.level, (int)low);
    } else if (order == 2) {
        int high = (int)(low >> 1);
        sqz_range_bit(encoder, SQZ_LOW_CONTEXT + SQZ_LEVELS + context.level, high);
        sqz_range_bit(encoder, SQZ_LOW_CONTEXT + (2 + high) * SQZ_LEVELS + context.level,
                      (int)(low & 1));
    } else if (order > 2) {
        int tree = order < 6 ? order : 6;
        sqz_range_tree(encoder, SQZ_HIGH_CONTEXT + (1 << tree) - 8, low >> (order - tree), tree);
        sqz_range_even(encoder, low & (((uint32_t)1 << (order - tree)) - 1), order - tree);
    }
}

void sqz_range_end(struct sqz_range_encoder *encoder)
{
    for (int i = 0; i < 5; i++)
        shift_low(encoder);
}
