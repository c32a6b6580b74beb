// Huffman coding of sparse codes as Deep Compression has it: gaps of at most 15 zeros and codes,
// with a zero code as filler.
#include "compress/encoder.h"

#include <string.h>

#define MAX_LENGTH 15
#define MAX_GAP    15

struct bit_writer {
    struct sqz_text *out;
    uint8_t byte;
    int used;
};

static void put_bits(struct bit_writer *writer, uint32_t value, int n)
{
    while (n-- > 0) {
        writer->byte = (uint8_t)(writer->byte << 1 | (value >> n & 1));
        if (++writer->used == 8) {
            sqz_text_add_bytes(writer->out, &writer->byte, 1);
            writer->used = 0;
        }
    }
}

static int symbol_of(int code)
{
    return code > 0 ? 2 * code - 1 : -2 * code;
}

bool sqz_huffman_fits(const struct sqz_coded *coded)
{
    if (coded->coding == SQZ_CODING_FLOAT)
        return false;
    for (size_t i = 0; i < coded->rows * coded->columns; i++)
        if (symbol_of(coded->codes[i]) > 255)
            return false;
    return true;
}

// --- Code lengths ---

static int pick_lightest(uint64_t *weights, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (weights[i] && (best < 0 || weights[i] < weights[best]))
            best = i;
    return best;
}

// Depths of Huffman's tree; the greatest, or 0 when fewer than two symbols occur.
static int tree_depths(const uint64_t *counts, int n, uint8_t *depths)
{
    uint64_t weights[512] = {0};
    int parents[512] = {0}, nodes = n, deepest = 0;
    memcpy(weights, counts, (size_t)n * sizeof *weights);
    for (;;) {
        int a = pick_lightest(weights, nodes);
        if (a < 0)
            return 0;
        uint64_t weight = weights[a];
        weights[a] = 0;
        int b = pick_lightest(weights, nodes);
        if (b < 0)
            break;
        parents[a] = parents[b] = nodes;
        weight += weights[b];
        weights[b] = 0;
        weights[nodes++] = weight;
    }
    for (int i = 0; i < n; i++) {
        int depth = 0;
        for (int node = i; counts[i] && parents[node]; node = parents[node])
            depth++;
        depths[i] = (uint8_t)depth;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

struct code_table {
    int n;
    uint64_t counts[256];
    uint8_t lengths[256];
    uint16_t codes[256];
    bool single; // one symbol: it takes no bits
};

static void build_table(struct code_table *table)
{
    uint64_t counts[256];
    memcpy(counts, table->counts, sizeof counts);
    // Flatter counts give shallower trees.
    while (tree_depths(counts, table->n, table->lengths) > MAX_LENGTH)
        for (int i = 0; i < table->n; i++)
            counts[i] = (counts[i] + 1) / 2;
    int used = 0;
    for (int i = 0; i < table->n; i++)
        used += table->counts[i] > 0;
    table->single = used == 1;
    if (used == 1)
        for (int i = 0; i < table->n; i++)
            table->lengths[i] = table->counts[i] > 0;
    uint32_t code = 0;
    for (int length = 1; length <= MAX_LENGTH; length++, code <<= 1)
        for (int i = 0; i < table->n; i++)
            if (table->lengths[i] == length)
                table->codes[i] = (uint16_t)code++;
}

static void put_symbol(struct bit_writer *writer, const struct code_table *table, int symbol)
{
    if (!table->single)
        put_bits(writer, table->codes[symbol], table->lengths[symbol]);
}

static void put_lengths(struct bit_writer *writer, const struct code_table *table)
{
    for (int i = 0; i < table->n; i++)
        put_bits(writer, table->lengths[i], 4);
}

// --- The payload ---

// Walks the entries: counts them (writer NULL), or writes them.
static uint32_t walk(const struct sqz_coded *coded, struct code_table *gaps,
                     struct code_table *codes, struct bit_writer *writer)
{
    uint32_t entries = 0;
    int gap = 0;
    for (size_t i = 0; i < coded->rows * coded->columns; i++) {
        int code = coded->codes[i];
        if (!code && gap < MAX_GAP) {
            gap++;
            continue;
        }
        if (writer) {
            put_symbol(writer, gaps, gap);
            put_symbol(writer, codes, symbol_of(code));
        } else {
            gaps->counts[gap]++;
            codes->counts[symbol_of(code)]++;
        }
        gap = 0;
        entries++;
    }
    return entries;
}

void sqz_huffman_encode(const struct sqz_coded *coded, struct sqz_text *out)
{
    struct bit_writer writer = {.out = out};
    struct code_table gaps = {.n = MAX_GAP + 1}, codes = {.n = 256};
    uint32_t entries = walk(coded, &gaps, &codes, NULL);
    while (codes.n > 1 && codes.counts[codes.n - 1] == 0)
        codes.n--;
    build_table(&gaps);
    build_table(&codes);
    put_bits(&writer, entries, 32);
    put_bits(&writer, (uint32_t)codes.n - 1, 8);
    put_lengths(&writer, &gaps);
    put_lengths(&writer, &codes);
    walk(coded, &gaps, &codes, &writer);
    if (writer.used)
        put_bits(&writer, 0, 8 - writer.used);
}
