// The one table of published weights. MindCV and torchvision put the first eight hex digits of the
// SHA-256 into the names of their files. Where only those eight digits are known, a file is checked
// against accidents and mixed-up names, not against somebody who made another file to fit them.
#include "formats/published.h"

#define MINDCV      "https://download.mindspore.cn/toolkits/mindcv/squeezenet/"
#define MINDCV_NEW  "https://download-mindspore.osinfra.cn/toolkits/mindcv/squeezenet/"
#define TORCHVISION "https://download.pytorch.org/models/"

// The first of a variant and dialect is the one that option `pretrained` means, as in MindCV.
const struct sqz_published sqz_published_table[] = {
    {"squeezenet1_0", "mindcv", "eb911778", MINDCV "squeezenet1_0-eb911778.ckpt",
     "MindCV, 8 x Ascend 910: top-1 58.67 %, top-5 80.61 %"},
    {"squeezenet1_0", "mindcv", "24010b28", MINDCV_NEW "squeezenet1_0-24010b28-910v2.ckpt",
     "MindCV, 8 x Ascend 910*: top-1 58.75 %, top-5 80.76 %"},
    {"squeezenet1_1", "mindcv", "da256d3a", MINDCV "squeezenet1_1-da256d3a.ckpt",
     "MindCV, 8 x Ascend 910: top-1 58.44 %, top-5 80.84 %"},
    {"squeezenet1_0", "torchvision", "b66bff10", TORCHVISION "squeezenet1_0-b66bff10.pth",
     "torchvision: top-1 58.09 %, top-5 80.42 %"},
    {"squeezenet1_1", "torchvision",
     "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
     TORCHVISION "squeezenet1_1-b8a52dc0.pth", "torchvision: top-1 58.18 %, top-5 80.62 %"},
};

const int sqz_published_count = sizeof sqz_published_table / sizeof *sqz_published_table;
