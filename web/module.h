// The predictor as a WebAssembly module: what squeezenet.mjs calls. One instance holds one model.
//
// The caller writes a .sqz file to sqz_web_room's memory, opens it, reads its texts (they are JSON,
// which JavaScript parses by itself), fills a struct sqz_web_config from them and builds the
// network; then for each image: sqz_web_image, the pixels, sqz_web_run. Functions that return int
// return 0, or an enum sqz_status with the sentence of sqz_web_error. Addresses hold until the next
// call that allocates; the memory may move in JavaScript's eyes whenever it grows.
#ifndef SQZ_WEB_MODULE_H
#define SQZ_WEB_MODULE_H

#include <stddef.h>
#include <stdint.h>

enum { SQZ_WEB_NAME = 32, SQZ_WEB_SIDE = 16384 };

// Everything 4 bytes wide, so that JavaScript can count the offsets.
struct sqz_web_config {
    char variant[SQZ_WEB_NAME], dialect[SQZ_WEB_NAME], stem[SQZ_WEB_NAME]; // names, NUL at the end
    int32_t resize_mode, resize, image_size, interpolation; // enums of base/preprocess.h
    int32_t bgr, channels;
    float mean[3], std[3];
};
struct sqz_web_info {
    int32_t classes, image_size;
    int32_t map_height, map_width; // of a class map
    float map_start, map_step;     // where its cells lie in the network's input, in pixels
    uint32_t texts, texts_size;    // address and bytes of the file's texts (docs/sqz-format.md)
    uint32_t logits, maps, view;   // classes floats; map_height x map_width x classes; RGB bytes
};

uint8_t *sqz_web_room(size_t bytes); // for the file; NULL without memory
int sqz_web_open(size_t bytes);      // checks header, SHA-256 and directory
struct sqz_web_config *sqz_web_config(void);
int sqz_web_build(void);
const struct sqz_web_info *sqz_web_info(void);
uint8_t *sqz_web_image(int width, int height); // room for RGBA; NULL: too large
int sqz_web_run(void);
const char *sqz_web_error(void);

#endif
