// PNG: header, decoding through libpng to 8-bit gray or RGB, and writing.
#include "base/bytes.h"
#include "base/memory.h"
#include "data/image/codec.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#define SIGNATURE_BYTES   8
#define CHUNK_FRAME_BYTES 12 // length, type and checksum around a chunk's body
#define CHUNK_MEMORY_MAX  8000000
#define LIBPNG_MEMORY_MAX (16 << 20) // of one allocation: its rows and windows are far smaller
#define BEST_DEFLATE      1032

static enum sqz_status probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                             struct sqz_error *err)
{
    if (size < SIGNATURE_BYTES + CHUNK_FRAME_BYTES + 13)
        return sqz_fail(err, SQZ_E_DATA, "is a PNG image that ends within its header");
    if (png_sig_cmp(data, 0, SIGNATURE_BYTES))
        return sqz_fail(err, SQZ_E_DATA,
                        "is a damaged PNG image: its first bytes were changed, as by a transfer "
                        "that takes it for text");
    const uint8_t *body = data + SIGNATURE_BYTES + 8;
    if (sqz_get_be(data + SIGNATURE_BYTES, 4) != 13 || memcmp(body - 4, "IHDR", 4) != 0)
        return sqz_fail(err, SQZ_E_DATA, "is a damaged PNG image: it does not begin with a header");
    uint32_t w = (uint32_t)sqz_get_be(body, 4), h = (uint32_t)sqz_get_be(body + 4, 4);
    if (w == 0 || h == 0 || w > INT32_MAX || h > INT32_MAX)
        return sqz_fail(err, SQZ_E_DATA, "is a PNG image whose header says %u x %u pixels", w, h);
    out->w = (int)w;
    out->h = (int)h;
    size_t at = SIGNATURE_BYTES;
    while (size - at >= CHUNK_FRAME_BYTES) {
        size_t length = (size_t)sqz_get_be(data + at, 4);
        if (length > size - at - CHUNK_FRAME_BYTES || memcmp(data + at + 4, "IDAT", 4) == 0)
            break;
        if (memcmp(data + at + 4, "eXIf", 4) == 0)
            out->orientation = sqz_exif_orientation(data + at + 8, length);
        at += CHUNK_FRAME_BYTES + length;
    }
    return SQZ_OK;
}

struct reader {
    png_structp png;
    png_infop info;
    uint8_t *rows; // the whole image when interlaced, else one row
    uint8_t **row_pointers;
    const struct sqz_decode_job *job;
    struct sqz_image *out;
    size_t at;
    bool out_of_memory; // libpng's
    struct sqz_error *err;
    enum sqz_status status;
};

// libpng reports a failed allocation as damage, or passes over the chunk: this remembers it. An
// eXIf chunk that claims more than a file has is no want of memory: libpng asks for all of it
// before it reads, whatever png_set_chunk_malloc_max says.
static png_voidp take_libpng_memory(png_structp png, png_alloc_size_t size)
{
    bool *out_of_memory = png_get_mem_ptr(png);
    if (size > LIBPNG_MEMORY_MAX)
        return NULL;
    void *memory = malloc(size);
    *out_of_memory = *out_of_memory || !memory;
    return memory;
}

static void give_libpng_memory(png_structp png, png_voidp memory)
{
    (void)png;
    free(memory);
}

static void stop(png_structp png, png_const_charp text)
{
    struct reader *reader = png_get_error_ptr(png);
    if (reader->status == SQZ_OK && !reader->out_of_memory)
        reader->status = sqz_fail(reader->err, SQZ_E_DATA, "%s is a damaged PNG image: %s",
                                  reader->job->name, text);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep out, size_t n)
{
    struct reader *reader = png_get_io_ptr(png);
    if (n > reader->job->size - reader->at)
        png_error(png, "it ends too early");
    memcpy(out, reader->job->data + reader->at, n);
    reader->at += n;
}

static void *take_memory(struct reader *reader, size_t n, size_t size)
{
    void *memory = sqz_new_array(n, size);
    if (!memory) {
        reader->status = sqz_fail_memory(reader->err, "a PNG image", n * size);
        png_error(reader->png, "no memory");
    }
    return memory;
}

// To 8-bit gray or RGB: palettes looked up, small depths widened, the low byte of 16 bits and alpha
// dropped (no blending), as OpenCV and MindSpore do. Gamma and colour profiles are not applied.
static void choose_output(png_structp png, png_infop info)
{
    int colour = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (colour == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16)
        png_set_strip_16(png);
    png_set_strip_alpha(png);
}

static void put_row(const struct reader *reader, const uint8_t *row, int have, uint8_t *out)
{
    const struct sqz_decode_job *job = reader->job;
    const uint8_t *in = row + (size_t)job->crop.x * (size_t)have;
    if (have == job->channels) {
        memcpy(out, in, (size_t)job->crop.w * (size_t)have);
        return;
    }
    for (int i = 0; i < job->crop.w; i++)
        if (have == 3)
            out[i] = sqz_luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
        else
            memset(out + 3 * i, in[i], 3);
}

static void read_image(struct reader *reader, bool interlaced, int have)
{
    const struct sqz_decode_job *job = reader->job;
    const struct sqz_rect *crop = &job->crop;
    size_t row_bytes = png_get_rowbytes(reader->png, reader->info);
    size_t stride = (size_t)crop->w * (size_t)job->channels;
    reader->rows = take_memory(reader, interlaced ? (size_t)job->h : 1, row_bytes);
    if (interlaced) {
        reader->row_pointers = take_memory(reader, (size_t)job->h, sizeof *reader->row_pointers);
        for (int y = 0; y < job->h; y++)
            reader->row_pointers[y] = reader->rows + (size_t)y * row_bytes;
        png_read_image(reader->png, reader->row_pointers);
    }
    int end = interlaced || !job->verify ? crop->y + crop->h : job->h;
    for (int y = 0; y < end; y++) {
        const uint8_t *row = interlaced ? reader->row_pointers[y] : reader->rows;
        if (!interlaced)
            png_read_row(reader->png, reader->rows, NULL);
        if (y >= crop->y && y < crop->y + crop->h)
            put_row(reader, row, have, reader->out->pixels + (size_t)(y - crop->y) * stride);
    }
    if (interlaced || end == job->h)
        png_read_end(reader->png, NULL);
}

static void decode(struct reader *reader)
{
    const struct sqz_decode_job *job = reader->job;
    png_structp png = reader->png;
    png_set_user_limits(png, SQZ_IMAGE_SIDE_MAX, SQZ_IMAGE_SIDE_MAX);
    png_set_chunk_malloc_max(png, CHUNK_MEMORY_MAX);
    png_set_read_fn(png, reader, read_bytes);
    png_read_info(png, reader->info);
    // Deflate cannot make the rows, as they are stored, smaller than this part.
    if (png_get_rowbytes(png, reader->info) * (size_t)job->h / BEST_DEFLATE > job->size)
        png_error(png, "its header promises more than the file can hold");
    choose_output(png, reader->info);
    bool interlaced = png_set_interlace_handling(png) > 1;
    png_read_update_info(png, reader->info);
    int have = png_get_channels(png, reader->info);
    if ((have != 1 && have != 3) || png_get_bit_depth(png, reader->info) != 8 ||
        png_get_image_width(png, reader->info) != (png_uint_32)job->w ||
        png_get_image_height(png, reader->info) != (png_uint_32)job->h)
        png_error(png, "its header contradicts itself");
    reader->status =
        sqz_image_resize_buffer(reader->out, job->crop.w, job->crop.h, job->channels, reader->err);
    if (reader->status == SQZ_OK)
        read_image(reader, interlaced, have);
}

static enum sqz_status decode_png(const struct sqz_decode_job *job, struct sqz_image *out,
                                  struct sqz_error *err)
{
    struct reader reader = {.job = job, .out = out, .err = err};
    reader.png =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &reader, stop, ignore,
                                 &reader.out_of_memory, take_libpng_memory, give_libpng_memory);
    reader.info = reader.png ? png_create_info_struct(reader.png) : NULL;
    if (!reader.info)
        reader.out_of_memory = true;
    else if (setjmp(png_jmpbuf(reader.png)) == 0)
        decode(&reader);
    if (reader.status == SQZ_OK && reader.out_of_memory)
        reader.status = sqz_fail_memory(err, "decoding a PNG image", 0);
    if (reader.png)
        png_destroy_read_struct(&reader.png, &reader.info, NULL);
    sqz_free(reader.rows);
    sqz_free(reader.row_pointers);
    return reader.status;
}

const struct sqz_image_codec sqz_png_codec = {
    .probe = probe, .decode = decode_png, .most_denominator = 1};

struct writer {
    struct sqz_text bytes;
    const char *path;
    bool out_of_memory; // libpng's
    struct sqz_error *err;
    enum sqz_status status;
};

static void stop_writing(png_structp png, png_const_charp text)
{
    struct writer *writer = png_get_error_ptr(png);
    if (!writer->out_of_memory)
        writer->status = sqz_fail(writer->err, SQZ_E_INTERNAL, "Cannot encode %s as PNG: %s.",
                                  writer->path, text);
    png_longjmp(png, 1);
}

static void write_bytes(png_structp png, png_bytep bytes, size_t n)
{
    struct writer *writer = png_get_io_ptr(png);
    sqz_text_add_bytes(&writer->bytes, bytes, n);
}

static void flush(png_structp png)
{
    (void)png;
}

static void encode(png_structp png, png_infop info, const struct sqz_image *image)
{
    png_set_IHDR(png, info, (png_uint_32)image->w, (png_uint_32)image->h, 8,
                 image->c == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    size_t stride = (size_t)image->w * (size_t)image->c;
    for (int y = 0; y < image->h; y++)
        png_write_row(png, image->pixels + (size_t)y * stride);
    png_write_end(png, info);
}

enum sqz_status sqz_image_write_png(const char *path, const struct sqz_image *image,
                                    struct sqz_error *err)
{
    struct writer writer = {.path = path, .err = err};
    png_infop info = NULL;
    png_structp png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &writer, stop_writing, ignore,
                                  &writer.out_of_memory, take_libpng_memory, give_libpng_memory);
    if (png)
        info = png_create_info_struct(png);
    if (!info) {
        writer.out_of_memory = true;
    } else if (setjmp(png_jmpbuf(png)) == 0) {
        png_set_write_fn(png, &writer, write_bytes, flush);
        encode(png, info, image);
    }
    if (writer.status == SQZ_OK && (writer.out_of_memory || writer.bytes.failed))
        writer.status = sqz_fail_memory(err, "an encoded PNG image", writer.bytes.length);
    if (writer.status == SQZ_OK)
        writer.status =
            sqz_file_write(path, writer.bytes.data, writer.bytes.length, SQZ_REPLACE_EXISTING, err);
    if (png)
        png_destroy_write_struct(&png, &info);
    sqz_text_release(&writer.bytes);
    return writer.status;
}
