// Class maps of `predict --cam`: what each image keeps until all can be drawn on one scale.
#ifndef CLI_PREDICT_CAM_H
#define CLI_PREDICT_CAM_H

#include "cli/heatmap.h"
#include <squeezenet.h>

enum { PREDICT_CAM_MOST = 100 }; // images of a sheet

struct predict_cam_image {
    char *title;       // owned
    const char *class; // name of the class whose map it is
    uint8_t *view;     // side x side x RGB, owned
    float *cells;      // without the rim, owned
    double logit, probability;
};
struct predict_cam {
    const char *path; // NULL: no drawing is wanted
    bool smooth;
    int class; // -1: the most probable one of each image
    int n, left_out;
    int side, h, w, border; // of views; of whole maps; their rim
    double start, step;     // see struct cli_heatmap, of the cells inside of the rim
    struct predict_cam_image images[PREDICT_CAM_MOST];
};

// predict_cam_draw.c: all images beside their maps, with a legend. Complains.
enum sqz_status predict_cam_draw(const struct predict_cam *cam, bool force);

#endif
