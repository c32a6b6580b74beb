// JPEG: a bounded look at the header of our own, and decoding of a part of the image through
// libjpeg-turbo, with pixels equal to those of a full decode.
#include "data/image/codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#define ROWS_AT_ONCE 16
#define SCANS_MAX    100 // of a progressive image

enum {
    MARKER_SOF0 = 0xC0,
    MARKER_DHT = 0xC4,
    MARKER_JPG = 0xC8,
    MARKER_DAC = 0xCC,
    MARKER_SOF15 = 0xCF,
    MARKER_RST0 = 0xD0,
    MARKER_RST7 = 0xD7,
    MARKER_EOI = 0xD9,
    MARKER_SOS = 0xDA,
    MARKER_APP1 = 0xE1,
    MARKER_TEM = 0x01
};

static bool is_frame(int marker)
{
    return marker >= MARKER_SOF0 && marker <= MARKER_SOF15 && marker != MARKER_DHT &&
           marker != MARKER_JPG && marker != MARKER_DAC;
}

static bool has_no_body(int marker)
{
    return marker == MARKER_TEM || (marker >= MARKER_RST0 && marker <= MARKER_RST7);
}

// Moves *at past the next marker (garbage before it is skipped, as libjpeg does) and returns it,
// or -1 at the end of the data.
static int next_marker(const uint8_t *data, size_t size, size_t *at)
{
    size_t i = *at;
    for (;;) {
        while (i < size && data[i] != 0xFF)
            i++;
        while (i < size && data[i] == 0xFF)
            i++;
        if (i >= size)
            return -1;
        if (data[i] != 0) {
            *at = i + 1;
            return data[i];
        }
    }
}

static enum sqz_status read_frame(const uint8_t *body, size_t size, struct sqz_image_header *out,
                                  struct sqz_error *err)
{
    if (size < 6)
        return sqz_fail(err, SQZ_E_DATA, "is a damaged JPEG image: its frame header is too short");
    if (body[0] != 8)
        return sqz_fail(err, SQZ_E_DATA,
                        "is a JPEG image with %d bits a sample: only 8 bits are read", body[0]);
    out->h = body[1] << 8 | body[2];
    out->w = body[3] << 8 | body[4];
    if (out->h == 0 || out->w == 0)
        return sqz_fail(err, SQZ_E_DATA, "is a JPEG image whose header says %d x %d pixels", out->w,
                        out->h);
    return SQZ_OK;
}

// *scan_data: where the first scan's data begin, after its header; 0 when that is not within `size`
// bytes.
static enum sqz_status read_header(const uint8_t *data, size_t size, struct sqz_image_header *out,
                                   size_t *scan_data, struct sqz_error *err)
{
    static const uint8_t exif[6] = {'E', 'x', 'i', 'f', 0, 0};
    size_t at = 2; // after the start-of-image marker
    out->orientation = 1;
    *scan_data = 0;
    bool framed = false, turned = false;
    for (;;) {
        int marker = next_marker(data, size, &at);
        if (has_no_body(marker))
            continue;
        if (marker == MARKER_EOI || (marker == MARKER_SOS && !framed))
            return sqz_fail(err, SQZ_E_DATA, "is a JPEG image without an image");
        size_t left = size - at;
        size_t length = marker >= 0 && left >= 2 ? (size_t)(data[at] << 8 | data[at + 1]) : 0;
        if (marker == MARKER_SOS) {
            *scan_data = length >= 2 && length <= left ? at + length : 0;
            return SQZ_OK;
        }
        // A head of a file may end inside the tables that follow the frame header.
        if (marker < 0 || left < 2 || length > left) {
            if (framed)
                return SQZ_OK;
            return sqz_fail(err, SQZ_E_DATA, "is a JPEG image that ends within its header");
        }
        if (length < 2)
            return sqz_fail(err, SQZ_E_DATA,
                            "is a damaged JPEG image: wrong segment length at byte %zu", at);
        const uint8_t *body = data + at + 2;
        size_t bytes = length - 2;
        if (is_frame(marker)) {
            enum sqz_status status = read_frame(body, bytes, out, err);
            if (status)
                return status;
            framed = true;
        } else if (marker == MARKER_APP1 && !turned && bytes > sizeof exif &&
                   memcmp(body, exif, sizeof exif) == 0) {
            out->orientation = sqz_exif_orientation(body + sizeof exif, bytes - sizeof exif);
            turned = true;
        }
        at += length;
    }
}

static enum sqz_status probe(const uint8_t *data, size_t size, struct sqz_image_header *out,
                             struct sqz_error *err)
{
    size_t scan_data;
    return read_header(data, size, out, &scan_data, err);
}

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const struct sqz_decode_job *job;
    struct sqz_image *out;
    struct sqz_error *err;
    enum sqz_status status;
};

static struct reader *reader_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void stop(j_common_ptr jpeg)
{
    struct reader *reader = reader_of(jpeg);
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        reader->status = sqz_fail_memory(reader->err, "decoding a JPEG image", 0);
    else
        reader->status = sqz_fail(reader->err, SQZ_E_DATA, "%s is a damaged JPEG image: %s",
                                  reader->job->name, text);
    longjmp(reader->escape, 1);
}

// libjpeg invents gray pixels for lost data and only warns. What is lost is an error here; what
// merely looks odd (bytes between segments, unusual parameters) occurs in good files.
static void warn(j_common_ptr jpeg, int level)
{
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_BOGUS_ICC:
        return;
    default:
        stop(jpeg);
    }
}

static void discard_text(j_common_ptr jpeg)
{
    (void)jpeg;
}

// A small file can ask for thousands of scans over a large image.
static void count_scans(j_common_ptr jpeg)
{
    struct reader *reader = reader_of(jpeg);
    if (reader->jpeg.input_scan_number <= SCANS_MAX)
        return;
    reader->status = sqz_fail(reader->err, SQZ_E_DATA, "%s is a JPEG image with more than %d scans",
                              reader->job->name, SCANS_MAX);
    longjmp(reader->escape, 1);
}

// Adobe's convention, which Pillow and OpenCV take for granted: inks are stored inverted.
static void rgb_from_cmyk(const uint8_t *in, int n, uint8_t *out)
{
    for (int i = 0; i < n; i++, in += 4, out += 3)
        for (int c = 0; c < 3; c++) {
            unsigned product = (unsigned)(255 - in[c]) * in[3] + 128;
            out[c] = (uint8_t)(in[3] - ((product + (product >> 8)) >> 8));
        }
}

static void gray_from_rgb(const uint8_t *in, int n, uint8_t *out)
{
    for (int i = 0; i < n; i++)
        out[i] = sqz_luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
}

static void choose_output(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    switch (jpeg->jpeg_color_space) {
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        break;
    case JCS_GRAYSCALE:
        jpeg->out_color_space = reader->job->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
        break;
    default:
        jpeg->out_color_space = JCS_RGB;
    }
    jpeg->scale_num = 1;
    jpeg->scale_denom = (unsigned)reader->job->denominator;
}

// `row` holds columns left.. of the image; puts the crop's columns into `out`.
static void put_row(const struct reader *reader, const uint8_t *row, int left, uint8_t *out)
{
    int n = reader->job->crop.w, wanted = reader->job->channels;
    int have = reader->jpeg.output_components;
    const uint8_t *in = row + (size_t)(reader->job->crop.x - left) * (size_t)have;
    if (have == wanted)
        memcpy(out, in, (size_t)n * (size_t)have);
    else if (have == 3)
        gray_from_rgb(in, n, out);
    else if (wanted == 3)
        rgb_from_cmyk(in, n, out);
    else
        for (int i = 0; i < n; i++) {
            uint8_t rgb[3];
            rgb_from_cmyk(in + 4 * i, 1, rgb);
            gray_from_rgb(rgb, 1, out + i);
        }
}

// Narrows the decoder to the crop's columns. Smooth upsampling of chroma looks one sample beyond
// each edge and repeats the last one at its own: a column that is not wanted must be that one.
// Returns the first column that is kept.
static int narrow(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    const struct sqz_rect *crop = &reader->job->crop;
    int left = crop->x > 0 ? crop->x - 1 : 0, right = crop->x + crop->w + 1;
    if (right > (int)jpeg->output_width)
        right = (int)jpeg->output_width;
    if (left == 0 && right == (int)jpeg->output_width)
        return 0;
    JDIMENSION offset = (JDIMENSION)left, width = (JDIMENSION)(right - left);
    jpeg_crop_scanline(jpeg, &offset, &width); // begins at a whole MCU
    return (int)offset;
}

static void skip_rows(struct reader *reader, int rows)
{
    if (rows > 0)
        jpeg_skip_scanlines(&reader->jpeg, (JDIMENSION)rows);
}

// Above the crop nothing is needed: libjpeg-turbo keeps the rows that smooth upsampling looks at.
static void read_rows(struct reader *reader, int left)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    const struct sqz_rect *crop = &reader->job->crop;
    int end = crop->y + crop->h;
    JSAMPARRAY rows = jpeg->mem->alloc_sarray(
        (j_common_ptr)jpeg, JPOOL_IMAGE, jpeg->output_width * (JDIMENSION)jpeg->output_components,
        ROWS_AT_ONCE);
    size_t stride = (size_t)crop->w * (size_t)reader->job->channels;
    skip_rows(reader, crop->y);
    while ((int)jpeg->output_scanline < end) {
        int y = (int)jpeg->output_scanline, ask = end - y;
        int got = (int)jpeg_read_scanlines(jpeg, rows,
                                           (JDIMENSION)(ask < ROWS_AT_ONCE ? ask : ROWS_AT_ONCE));
        for (int i = 0; i < got; i++)
            put_row(reader, rows[i], left,
                    reader->out->pixels + (size_t)(y + i - crop->y) * stride);
    }
}

// The same, straight into the image, with the columns that the decoder had to make anyway.
static void read_wide_rows(struct reader *reader, int left)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    const struct sqz_rect *crop = &reader->job->crop;
    size_t stride = (size_t)reader->out->w * (size_t)reader->out->c;
    int end = crop->y + crop->h;
    *reader->job->part = (struct sqz_rect){crop->x - left, 0, crop->w, crop->h};
    skip_rows(reader, crop->y);
    while ((int)jpeg->output_scanline < end) {
        JSAMPROW rows[ROWS_AT_ONCE];
        int y = (int)jpeg->output_scanline, n = end - y < ROWS_AT_ONCE ? end - y : ROWS_AT_ONCE;
        for (int i = 0; i < n; i++)
            rows[i] = reader->out->pixels + (size_t)(y + i - crop->y) * stride;
        jpeg_read_scanlines(jpeg, rows, (JDIMENSION)n);
    }
}

static void decode(struct reader *reader)
{
    const struct sqz_decode_job *job = reader->job;
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &reader->progress;
    jpeg_mem_src(jpeg, job->data, job->size + job->slack);
    jpeg_read_header(jpeg, TRUE);
    choose_output(reader);
    jpeg_start_decompress(jpeg);
    if ((int)jpeg->output_width != job->w || (int)jpeg->output_height != job->h) {
        reader->status = sqz_fail(
            reader->err, SQZ_E_DATA, "%s is a damaged JPEG image: two headers, %d x %d and %u x %u",
            job->name, job->w, job->h, jpeg->output_width, jpeg->output_height);
        return;
    }
    int left = narrow(reader);
    bool wide = job->part && jpeg->output_components == job->channels;
    reader->status =
        sqz_image_resize_buffer(reader->out, wide ? (int)jpeg->output_width : job->crop.w,
                                job->crop.h, job->channels, reader->err);
    if (reader->status)
        return;
    if (wide)
        read_wide_rows(reader, left);
    else
        read_rows(reader, left);
    if (job->part && !wide)
        *job->part = (struct sqz_rect){0, 0, job->crop.w, job->crop.h};
    if (job->verify || jpeg->output_scanline == jpeg->output_height) {
        skip_rows(reader, (int)(jpeg->output_height - jpeg->output_scanline));
        jpeg_finish_decompress(jpeg);
    }
}

// A file that was cut off has no end marker after the header of its first scan (in a scan's data
// 0xFF is escaped; in its header it is not). Found before decoding, so that a crop which happens to
// end above the gap fails like any other.
static bool is_cut_off(const uint8_t *data, size_t size, size_t scan_data)
{
    for (size_t i = size; i >= scan_data + 2; i--)
        if (data[i - 1] == MARKER_EOI && data[i - 2] == 0xFF)
            return false;
    return true;
}

static enum sqz_status refuse_cut_off(const struct sqz_decode_job *job, struct sqz_error *err)
{
    return sqz_fail(err, SQZ_E_DATA, "%s is a truncated JPEG image: it has no end marker",
                    job->name);
}

static enum sqz_status decode_jpeg(const struct sqz_decode_job *job, struct sqz_image *out,
                                   struct sqz_error *err)
{
    struct sqz_image_header header;
    size_t scan_data;
    enum sqz_status status = read_header(job->data, job->size, &header, &scan_data, err);
    if (status)
        return status;
    if (scan_data == 0 || is_cut_off(job->data, job->size, scan_data))
        return refuse_cut_off(job, err);
    struct reader reader = {.job = job, .out = out, .err = err};
    reader.jpeg.err = jpeg_std_error(&reader.errors);
    reader.errors.error_exit = stop;
    reader.errors.emit_message = warn;
    reader.errors.output_message = discard_text;
    reader.progress.progress_monitor = count_scans;
    reader.jpeg.client_data = &reader;
    if (setjmp(reader.escape) == 0)
        decode(&reader);
    // Whatever was decoded from the slack is not of this image.
    if (reader.status == SQZ_OK && reader.jpeg.src->bytes_in_buffer < job->slack)
        reader.status = refuse_cut_off(job, err);
    jpeg_destroy_decompress(&reader.jpeg);
    return reader.status;
}

const struct sqz_image_codec sqz_jpeg_codec = {
    .probe = probe, .decode = decode_jpeg, .most_denominator = 8, .keeps_columns = true};
