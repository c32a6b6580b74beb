// A request of the Open Inference Protocol, read.
#ifndef CLI_SERVE_OIP_H
#define CLI_SERVE_OIP_H

#include "cli/serve/json.h"
#include "cli/serve/serve.h"

enum { OIP_OUTPUTS_MAX = 8, OIP_ID_MAX = 256 };
enum oip_kind { OIP_PROBABILITIES, OIP_LOGITS, OIP_FEATURES, OIP_CAM, OIP_KINDS };

struct oip_output {
    enum oip_kind kind;
    bool is_binary;
    int top; // classification extension; 0: the tensor itself
};
struct oip_details {
    char id[OIP_ID_MAX + 1];
    int n;
    struct oip_output outputs[OIP_OUTPUTS_MAX];
};

// --- oip_inputs.c ---

// Fills the job's images from the one input. `binary`: what follows the JSON. Answers on failure.
bool oip_read_inputs(const struct serve_call *call, const json_t *root, const char *binary,
                     size_t size, struct serve_model *model, struct serve_job **out);

// --- oip_answer.c ---

extern const char *const oip_names[OIP_KINDS]; // of the outputs
void oip_answer(struct serve_job *job);

#endif
