// Huffman codes that are fast to decode. Private to the image code of this directory.
#ifndef SQZ_DATA_JPEG_CODES_H
#define SQZ_DATA_JPEG_CODES_H

#include <stdio.h>

#include <jpeglib.h>

// Gives `to`, whose parameters have been copied from `from`, the shortest codes for these
// coefficients that libjpeg-turbo's decoder finds in one look-up: at most 8 bits, where optimal
// ones have up to 16.
void sqz_jpeg_choose_codes(struct jpeg_decompress_struct *from, jvirt_barray_ptr *coefficients,
                           struct jpeg_compress_struct *to);

#endif
