// Encodes an image as JPEG, with chroma at half the resolution as cameras do.
#include "base/memory.h"
#include "data/image/image.h"
#include "data/image/jpeg_codes.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

// The image is encoded, and its coefficients are then written again with other codes.
struct writer {
    struct jpeg_compress_struct jpeg, again;
    struct jpeg_decompress_struct first;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    unsigned char *data, *data_again; // libjpeg's: malloc
    unsigned long size, size_again;
};

static void stop(j_common_ptr jpeg)
{
    struct writer *writer = jpeg->client_data;
    longjmp(writer->escape, 1);
}

// The smallest EXIF block that says how to turn the image.
static void write_orientation(struct jpeg_compress_struct *jpeg, int orientation)
{
    uint8_t exif[] = {'E',  'x', 'i', 'f', 0, 0,                   // marker
                      'I',  'I', 42,  0,   8, 0, 0, 0,             // TIFF, little-endian
                      1,    0,                                     // one entry
                      0x12, 1,   3,   0,   1, 0, 0, 0, 0, 0, 0, 0, // orientation, one short
                      0,    0,   0,   0};                          // no more
    exif[24] = (uint8_t)orientation;
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, exif, sizeof exif);
}

static void encode(struct writer *writer, const struct sqz_image *image, int quality)
{
    struct jpeg_compress_struct *jpeg = &writer->jpeg;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &writer->data, &writer->size);
    jpeg->image_width = (JDIMENSION)image->w;
    jpeg->image_height = (JDIMENSION)image->h;
    jpeg->input_components = image->c;
    jpeg->in_color_space = image->c == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row =
            image->pixels + (size_t)jpeg->next_scanline * (size_t)image->w * (size_t)image->c;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

static void encode_again(struct writer *writer, int orientation)
{
    struct jpeg_decompress_struct *from = &writer->first;
    struct jpeg_compress_struct *to = &writer->again;
    jpeg_create_decompress(from);
    jpeg_mem_src(from, writer->data, writer->size);
    jpeg_read_header(from, TRUE);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(from);
    jpeg_create_compress(to);
    jpeg_mem_dest(to, &writer->data_again, &writer->size_again);
    jpeg_copy_critical_parameters(from, to);
    sqz_jpeg_choose_codes(from, coefficients, to);
    jpeg_write_coefficients(to, coefficients);
    if (orientation != 1)
        write_orientation(to, orientation);
    jpeg_finish_compress(to);
    jpeg_finish_decompress(from);
}

// false: libjpeg gave up, and the error manager knows why.
static bool try_to_encode(struct writer *writer, const struct sqz_image *image, int quality,
                          int orientation)
{
    if (setjmp(writer->escape) != 0)
        return false;
    encode(writer, image, quality);
    encode_again(writer, orientation);
    return true;
}

enum sqz_status sqz_jpeg_write(const struct sqz_image *image, int quality, int orientation,
                               struct sqz_bytes *out, struct sqz_error *err)
{
    struct writer writer = {0};
    enum sqz_status status = SQZ_OK;
    writer.jpeg.err = jpeg_std_error(&writer.errors);
    writer.errors.error_exit = stop;
    writer.first.err = writer.again.err = writer.jpeg.err;
    writer.jpeg.client_data = writer.first.client_data = writer.again.client_data = &writer;
    if (!try_to_encode(&writer, image, quality, orientation)) {
        char text[JMSG_LENGTH_MAX];
        writer.errors.format_message((j_common_ptr)&writer.jpeg, text);
        status =
            writer.errors.msg_code == JERR_OUT_OF_MEMORY
                ? sqz_fail_memory(err, "an encoded image", 0)
                : sqz_fail(err, SQZ_E_DATA, "An image of %d x %d pixels cannot be encoded: %s.",
                           image->w, image->h, text);
    }
    jpeg_destroy_decompress(&writer.first);
    jpeg_destroy_compress(&writer.again);
    jpeg_destroy_compress(&writer.jpeg);
    if (!status) {
        sqz_bytes_release(out);
        out->data = sqz_new_array(writer.size_again, 1);
        out->size = writer.size_again;
        if (out->data)
            memcpy(out->data, writer.data_again, writer.size_again);
        else
            status = sqz_fail_memory(err, "an encoded image", writer.size_again);
    }
    free(writer.data);
    free(writer.data_again);
    return status;
}
