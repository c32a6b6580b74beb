// What the parts of `predict` share: the images one after another, a batch of them with its
// results, and the outputs that each image goes to.
#ifndef CLI_PREDICT_H
#define CLI_PREDICT_H

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/predict_cam.h"
#include <stdio.h>

// --- predict_sources.c: which images ---

// One image: a file, the bytes from stdin, or a sample.
struct predict_image {
    char *path;        // owned; NULL for samples that are no files and for stdin
    char title[40];    // what it is called without a path
    const char *truth; // a sample's class, else NULL
    size_t sample;
};
const char *predict_title(const struct predict_image *image);
void predict_image_release(struct predict_image *image);

struct predict_level; // a directory that is being walked
struct predict_sources {
    const struct cli *cli;
    const struct sqz_samples *samples; // borrowed; NULL: files
    size_t at, n;                      // samples or arguments
    bool any_file;                     // of a directory: also what is no image, as for a count
    struct predict_level *levels;      // innermost last, owned
    size_t depth;
    bool reads_stdin;    // an argument "-" was reached
    char *line;          // of stdin, owned
    size_t line_size;    // allocated
    void *data;          // --stdin_image: the encoded image, owned
    size_t size;         // its bytes
    int64_t passed_over; // files of directories that are no images of a kind that is read
    int64_t failed;      // directories and files in them that could not be read
    bool failed_io;      // because of the disk, not because of what they are
};
// samples: how many of `of` are taken, evenly spaced. Complains.
enum sqz_status predict_sources_init(struct predict_sources *sources, const struct cli *cli,
                                     const struct sqz_samples *of, size_t samples);
void predict_sources_release(struct predict_sources *sources);
// The next image; *found false after the last. Complains about directories that cannot be read.
enum sqz_status predict_sources_next(struct predict_sources *sources, struct predict_image *out,
                                     bool *found);
// How many there are about, to tell how far a run is; 0: not known.
int64_t predict_sources_count(const struct cli *cli, const struct sqz_samples *of, size_t samples);
// Whether it is one file or stdin's image, which a classifier that starts quickly serves best.
enum sqz_status predict_sources_is_single(const struct cli *cli, bool *out);

// --- predict_table.c: files that grow row by row ---

// Rows go to "PATH.part", which becomes PATH when it is complete. PATH "-" is stdout.
struct predict_table {
    const char *path;
    char *part; // owned; NULL for stdout
    FILE *file; // NULL: this table is not wanted
    bool cut;   // a cell was too long for the memory
};
// path NULL: nothing is opened. Complains, also when the file exists and --force is not given.
enum sqz_status predict_table_open(struct predict_table *table, const struct cli *cli,
                                   const char *path);
// Complains when the rows could not be written. keep false: what there is goes away.
enum sqz_status predict_table_close(struct predict_table *table, bool keep);
void predict_table_cell(struct predict_table *table, const char *text);

// --- The run ---

struct predict {
    struct cli *cli;
    struct sqz_classifier *classifier;
    struct sqz_model_info info;
    struct predict_sources sources;
    int top;     // classes that are shown
    int batch;   // images that are classified together
    bool prints; // text for each image

    // One of each an image of the batch; buffers of what nobody wants are NULL.
    struct predict_image *images;
    struct sqz_input *inputs;
    struct sqz_classify_result *results;
    struct sqz_error *errors;
    struct sqz_class_score *best;
    float *logits, *probabilities, *embeddings, *class_maps;
    uint8_t *views;

    struct cli_json json; // --json: what is printed at the end
    struct cli_json line; // --jsonl: of one image
    struct predict_table csv, embed;
    bool embed_is_npy;
    const char *copy_to;
    struct predict_cam cam;
    int64_t done, failed, shown, copied;
    int64_t unturned; // images whose EXIF orientation the model ignores
    bool failed_io;   // an image could not be read because of the disk
    bool complete;    // every image had its turn: the tables are whole
};
// predict_run.c: all images through the network and to the outputs. SQZ_E_DATA when some could not
// be read.
enum sqz_status predict_run(struct predict *p);

// predict_outputs.c: opens what the flags ask for; gives image i of the batch to each; ends them.
enum sqz_status predict_outputs_open(struct predict *p);
enum sqz_status predict_outputs_add(struct predict *p, int i);
enum sqz_status predict_outputs_close(struct predict *p, enum sqz_status status);

// predict_text.c: the classes of image i of the batch for a person, with the image for --show.
void predict_print(struct predict *p, int i);

// predict_cam.c: what --cam and its companions ask for; the cells of image i of the batch, as the
// member "cam"; keeps it for the drawing; draws, if that is wanted, and releases. All complain.
enum sqz_status predict_cam_open(struct predict *p);
void predict_cam_json(const struct predict *p, int i, struct cli_json *json);
enum sqz_status predict_cam_add(struct predict *p, int i);
enum sqz_status predict_cam_close(struct predict *p, bool draw);

// predict_copy.c: copies image i of the batch into the directory of its class. Complains.
enum sqz_status predict_copy(struct predict *p, int i);

#endif
