// Deterministic mutations of a legal file, for every reader: the result must be success or a clean
// error with a sentence, within the memory that the file's size justifies.
#ifndef SQZ_TESTS_FORMATS_MUTATE_H
#define SQZ_TESTS_FORMATS_MUTATE_H

#include "support.h"

#include "base/random.h"

#include <sys/resource.h>

// Under ASan a larger block is a failed test; the readers' own bounds must come first.
#define MUTATION_BLOCK_LIMIT_MB 64
#if defined(__SANITIZE_ADDRESS__)
#define MUTATION_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MUTATION_ASAN 1
#endif
#endif
#ifdef MUTATION_ASAN
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=64:allocator_may_return_null=0";
}
#endif

struct mutation {
    const uint8_t *data;
    size_t size;
    const size_t *borders; // ends of sections, for prefixes around them
    size_t n_borders;
    const size_t *words; // positions of 32-bit fields: counts, lengths, sizes
    size_t n_words;
    size_t payload; // first byte of the bulk, for the random positions
    void (*decode)(const uint8_t *data, size_t size, void *arg);
    void *arg;
    size_t runs;
};

// For decoders that are formats: success, or an error that names the file.
static inline void decode_format(const uint8_t *data, size_t size, void *arg)
{
    struct sqz_archive archive;
    struct sqz_error err = {0};
    enum sqz_status status = read_exact(arg, data, size, &archive, &err);
    if (status && (status != SQZ_E_DATA || err.status != status || !strstr(err.text, "test-file")))
        fail_msg("a damaged file gave status %d and \"%s\"", (int)status, err.text);
    sqz_archive_release(&archive);
}

static inline void mutation_run(struct mutation *m, const uint8_t *data, size_t size)
{
    m->decode(data, size, m->arg);
    m->runs++;
}

static inline void mutate_prefixes(struct mutation *m)
{
    for (size_t size = 0; size < m->size && size <= 4096; size++)
        mutation_run(m, m->data, size);
    for (size_t i = 0; i < m->n_borders; i++)
        for (size_t size = m->borders[i] > 8 ? m->borders[i] - 8 : 0;
             size <= m->borders[i] + 8 && size < m->size; size++)
            mutation_run(m, m->data, size);
}

static inline void mutate_bits(struct mutation *m, uint8_t *copy)
{
    for (size_t bit = 0; bit < 8 * 1024 && bit / 8 < m->size; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        mutation_run(m, copy, m->size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static inline void mutate_word(struct mutation *m, uint8_t *copy, size_t at)
{
    const uint32_t values[] = {
        0, 1, 0x7fffffff, 0x80000000, 0xffffffff, (uint32_t)m->size, (uint32_t)m->size + 1};
    uint8_t saved[4];
    if (at + 4 > m->size)
        return;
    memcpy(saved, copy + at, 4);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        memcpy(copy + at, &values[i], 4);
        mutation_run(m, copy, m->size);
    }
    memcpy(copy + at, saved, 4);
}

// 2,000 positions after the headers: one byte each.
static inline void mutate_payload(struct mutation *m, uint8_t *copy)
{
    struct sqz_random random;
    sqz_random_init(&random, 20240611, 0, 0, SQZ_RANDOM_TEST);
    for (int i = 0; i < 2000 && m->payload < m->size; i++) {
        size_t at = m->payload + sqz_random_u64(&random) % (m->size - m->payload);
        uint8_t saved = copy[at];
        copy[at] = (uint8_t)sqz_random_u64(&random);
        mutation_run(m, copy, m->size);
        copy[at] = saved;
    }
}

static inline void mutate(struct mutation *m)
{
    struct rusage before, after;
    uint8_t *copy = malloc(m->size);
    assert_non_null(copy);
    memcpy(copy, m->data, m->size);
    m->runs = 0;
    mutation_run(m, m->data, m->size);
    getrusage(RUSAGE_SELF, &before);
    mutate_prefixes(m);
    mutate_bits(m, copy);
    for (size_t i = 0; i < m->n_words; i++)
        mutate_word(m, copy, m->words[i]);
    mutate_payload(m, copy);
    getrusage(RUSAGE_SELF, &after);
    assert_memory_equal(copy, m->data, m->size);
#ifndef MUTATION_ASAN // whose quarantine keeps freed memory
    if (after.ru_maxrss - before.ru_maxrss > 1024 * MUTATION_BLOCK_LIMIT_MB)
        fail_msg("the readers took %ld KiB", after.ru_maxrss - before.ru_maxrss);
#endif
    free(copy);
    assert_true(m->runs > 2000);
}

// All positions at which `text` stands, plus `offset`, into out; returns their number.
static inline size_t find_all(const uint8_t *data, size_t size, const char *text, size_t length,
                              size_t offset, size_t *out, size_t limit)
{
    size_t n = 0;
    for (size_t i = 0; i + length <= size && n < limit; i++)
        if (memcmp(data + i, text, length) == 0)
            out[n++] = i + offset;
    return n;
}

#endif
