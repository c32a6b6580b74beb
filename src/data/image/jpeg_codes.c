// Counts a JPEG's symbols and makes length-limited Huffman codes of them (package-merge: L. Larmore
// and D. Hirschberg, "A Fast Algorithm for Optimal Length-Limited Huffman Codes", JACM 37, 1990).
#include "data/image/jpeg_codes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 8   // bits of a code: libjpeg-turbo's HUFF_LOOKAHEAD
#define SYMBOLS 256 // of which a table uses at most 162
#define TABLES  2   // luma and chroma

struct counts {
    uint32_t dc[TABLES][SYMBOLS], ac[TABLES][SYMBOLS];
};

static int bits_of(int value)
{
    int bits = 0;
    for (unsigned rest = (unsigned)abs(value); rest; rest >>= 1)
        bits++;
    return bits;
}

// Run lengths and sizes of a block's AC coefficients in the order of the file.
static void count_block(const JCOEF *block, uint32_t ac[SYMBOLS])
{
    static const uint8_t order[DCTSIZE2] = {
        0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
        41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
        30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};
    int run = 0;
    for (int k = 1; k < DCTSIZE2; k++) {
        int value = block[order[k]];
        if (value == 0) {
            run++;
            continue;
        }
        for (; run > 15; run -= 16)
            ac[0xF0]++;
        ac[run << 4 | bits_of(value)]++;
        run = 0;
    }
    if (run > 0)
        ac[0]++;
}

// DC symbols are counted along rows, while the file goes along MCUs: the counts are nearly right,
// and every size that may occur has a code.
static void count(struct jpeg_decompress_struct *from, jvirt_barray_ptr *coefficients,
                  struct counts *counts)
{
    memset(counts, 0, sizeof *counts);
    for (int t = 0; t < TABLES; t++) {
        for (int size = 0; size <= 11; size++)
            counts->dc[t][size] = 1;
        counts->ac[t][0] = 1; // blocks that fill up the last MCUs
    }
    for (int i = 0; i < from->num_components; i++) {
        const jpeg_component_info *component = &from->comp_info[i];
        int t = i > 0, before = 0;
        for (JDIMENSION y = 0; y < component->height_in_blocks; y++) {
            JBLOCKARRAY row =
                from->mem->access_virt_barray((j_common_ptr)from, coefficients[i], y, 1, FALSE);
            for (JDIMENSION x = 0; x < component->width_in_blocks; x++) {
                counts->dc[t][bits_of(row[0][x][0] - before)]++;
                before = row[0][x][0];
                count_block(row[0][x], counts->ac[t]);
            }
        }
    }
}

struct symbol {
    uint32_t count;
    int value; // SYMBOLS: the code of ones only, which JPEG leaves out
};

// Rising; of equal ones the larger value first, so that the code left out is the longest.
static int compare_symbols(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    return x->count != y->count ? (x->count > y->count) - (x->count < y->count)
                                : y->value - x->value;
}

// Lengths of n >= 2 codes, for rising counts. In every round pairs of what there is are packed and
// sorted in among the symbols; of the last round 2n - 2 items are taken, and a symbol's code has as
// many bits as it was taken times.
static void limit_lengths(const struct symbol *symbols, int n, uint8_t *lengths)
{
    bool is_symbol[LONGEST][2 * SYMBOLS + 2];
    uint64_t items[2 * SYMBOLS + 2], packed[SYMBOLS + 1];
    int n_packed = 0;
    memset(lengths, 0, (size_t)n);
    for (int round = 0; round < LONGEST; round++) {
        int s = 0, p = 0, i = 0;
        for (; s < n || p < n_packed; i++) {
            is_symbol[round][i] = p == n_packed || (s < n && symbols[s].count <= packed[p]);
            items[i] = is_symbol[round][i] ? symbols[s++].count : packed[p++];
        }
        n_packed = i / 2;
        for (int k = 0; k < n_packed; k++)
            packed[k] = items[2 * k] + items[2 * k + 1];
    }
    for (int round = LONGEST - 1, take = 2 * n - 2; round >= 0; round--) {
        int taken = 0;
        for (int i = 0; i < take; i++)
            taken += is_symbol[round][i];
        for (int s = 0; s < taken; s++)
            lengths[s]++;
        take = 2 * (take - taken);
    }
}

static void make_table(const uint32_t counts[SYMBOLS], JHUFF_TBL *table)
{
    struct symbol symbols[SYMBOLS + 1] = {{0, SYMBOLS}};
    uint8_t lengths[SYMBOLS + 1];
    int n = 1, at = 0;
    for (int i = 0; i < SYMBOLS; i++)
        if (counts[i])
            symbols[n++] = (struct symbol){counts[i], i};
    qsort(symbols, (size_t)n, sizeof *symbols, compare_symbols);
    limit_lengths(symbols, n, lengths);
    memset(table->bits, 0, sizeof table->bits);
    memset(table->huffval, 0, sizeof table->huffval);
    for (int i = n - 1; i > 0; i--) { // frequent ones first; the first symbol gets no code
        table->bits[lengths[i]]++;
        table->huffval[at++] = (UINT8)symbols[i].value;
    }
    table->sent_table = FALSE;
}

void sqz_jpeg_choose_codes(struct jpeg_decompress_struct *from, jvirt_barray_ptr *coefficients,
                           struct jpeg_compress_struct *to)
{
    struct counts counts;
    count(from, coefficients, &counts);
    for (int t = 0; t < TABLES && (t == 0 || to->num_components > 1); t++) {
        make_table(counts.dc[t], to->dc_huff_tbl_ptrs[t]);
        make_table(counts.ac[t], to->ac_huff_tbl_ptrs[t]);
    }
}
