// The one table of subcommands.
#include "cli/commands.h"

const struct cli_command cli_commands[] = {
    {"train", NULL, "train or fine-tune on a directory of images",
     "[DIR] [-c RECIPE.yaml] [--option value]...",
     "Trains a network. DIR holds train/ and val/ (or test/) with one directory a class, or the "
     "class "
     "directories\n"
     "themselves (then one image in five is held out), or MNIST or CIFAR files. Without a recipe "
     "the\n"
     "built-in one suits a directory of photos.\n\n"
     "  squeezenet train photos/                              from scratch\n"
     "  squeezenet train photos/ --ckpt_path v11.safetensors  start from published weights\n"
     "  squeezenet train --resume ckpt/run-1                  go on with a stopped run",
     cli_train_flags, true, 0, 1, cli_train},
    {"validate", NULL, "measure top-1, top-5 and loss on labelled images",
     "MODEL [DIR] [-c RECIPE.yaml] [--option value]...",
     "Measures a model on a split of a dataset. Directories are matched to the model's classes by "
     "name.\n"
     "Without -c the model's own preprocessing and the plain cross-entropy are used.\n\n"
     "  squeezenet validate best.safetensors --data_dir photos/\n"
     "  squeezenet validate v11.safetensors --data_dir imagenet --classes synset_words.txt --json\n"
     "  squeezenet validate v10.sqz --against v10.safetensors --data_dir imagenet\n"
     "  squeezenet validate best.safetensors --data_dir photos/ --require top1=0.9   exit status 1 "
     "if missed\n"
     "  squeezenet validate best.safetensors --data_dir photos/ --per_class classes.csv "
     "--confusion "
     "matrix.csv",
     cli_validate_flags, true, 0, 2, cli_validate},
    {"predict", "infer", "print the most probable classes of images", "MODEL [IMAGE | DIR | -]...",
     "Classifies images with the preprocessing and the class names of the model file. Directories\n"
     "are searched for images, and so is what lies below them; - reads paths from stdin. Memory\n"
     "does not grow with the number of images; one that cannot be read is told, the others are\n"
     "classified, and the exit status is 65.\n\n"
     "  squeezenet predict best.safetensors cat.jpg dog.png\n"
     "  squeezenet predict best.safetensors photos/ --csv photos.csv --embed photos.npy\n"
     "  find . -name '*.jpg' -print0 | squeezenet predict best.safetensors - --null --jsonl\n"
     "  squeezenet predict best.safetensors inbox/ --copy_to sorted/\n"
     "  squeezenet predict best.safetensors --show cat.jpg            draws the image, too\n"
     "  squeezenet predict best.safetensors cat.jpg --cam cat.png     where the class is seen\n"
     "  squeezenet predict best.safetensors --data_dir photos/ --samples 5",
     cli_predict_flags, false, 0, 1 << 20, cli_predict},
    {"calibrate", NULL, "make probabilities mean something; learn to say unknown",
     "MODEL [DIR] -o FILE [--option value]...",
     "Fits the temperature of the softmax to half of the validation images and folds it into the\n"
     "last convolution; the other half reports. The most probable classes stay as they are. With "
     "a\n"
     "target, or with images of none of the classes, a threshold for \"unknown\" is stored, "
     "too.\n\n"
     "  squeezenet calibrate best.safetensors --data_dir photos/ -o calibrated.safetensors\n"
     "  squeezenet calibrate best.safetensors photos/ -o careful.safetensors --target_precision "
     "0.98\n"
     "  squeezenet calibrate best.sqz photos/ -o best-95.sqz --unknown_dir other_photos/",
     cli_calibrate_flags, true, 1, 2, cli_calibrate},
    {"compress", NULL, "write a compressed model file", "MODEL -o OUT.sqz [--calibrate DIR]",
     "Writes a .sqz file, which every command takes as a model. With some hundred images the\n"
     "loss is measured and kept below a bound (--max_kl, --max_drop), or spread best over the\n"
     "bytes of a --size. Patches hold what changes between two such files.\n\n"
     "  squeezenet compress v11.safetensors -o v11.sqz --calibrate photos/ --size 450kB\n"
     "  squeezenet compress v10.safetensors -o v10.sqz --calibrate photos/ --max_kl 0.05\n"
     "  squeezenet compress compressed_SqueezeNet.net -o v10.sqz --method lossless\n"
     "  squeezenet compress best.safetensors -o ants.sqz --finetune photos/ --size 60kB\n"
     "  squeezenet compress --update_from v10.sqz tuned.safetensors -o tuned.sqzp\n"
     "  squeezenet compress --apply tuned.sqzp v10.sqz -o tuned.sqz",
     cli_compress_flags, false, 1, 1, cli_compress},
    {"convert", NULL, "convert between weight formats", "IN|URL OUT",
     "Reads any known weight file (its format is found by content) and writes the format of OUT's "
     "suffix.\n"
     "A URL is fetched into the user's cache first; \"squeezenet info\" lists published ones.\n\n"
     "  squeezenet convert https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth "
     "v11.safetensors\n"
     "  squeezenet convert squeezenet_v1.1.param v11.safetensors --classes synset_words.txt\n"
     "  squeezenet convert squeezenet1_1.pth squeezenet1_1.ckpt\n"
     "  squeezenet convert compressed_SqueezeNet.net v10.safetensors --classes synset_words.txt",
     cli_convert_flags, false, 2, 2, cli_convert},
    {"export", NULL, "write a model for a microcontroller or as a web page",
     "MODEL -o OUT [--format c|flat|web] | --list",
     "With --format web, OUT is one HTML file with the model and the whole program, which "
     "classifies in\n"
     "the browser without a server. A model that was compressed before makes a small page.\n\n"
     "Else it writes a model that compress --int8 made for the runtime of microcontrollers: one C\n"
     "header, no allocation, some 40 kB of memory. With --format c, OUT is a directory with the "
     "model, the "
     "runtime,\n"
     "an example and a Makefile, which runs here, in an emulator and on a board.\n\n"
     "  squeezenet compress best.safetensors --int8 --calibrate photos/ -o int8.sqz\n"
     "  squeezenet export int8.sqz -o firmware --image cat.jpg\n"
     "  make -C firmware && (cd firmware && ./classify)\n"
     "  squeezenet export int8.sqz --format flat -o model.bin\n"
     "  squeezenet export v11.sqz --format web -o page.html",
     cli_export_flags, false, 0, 1, cli_export},
    {"info", NULL, "show a model's layers and costs, or this machine", "[MODEL | VARIANT]",
     "Prints layers, shapes, parameters, multiply-adds, memory and preprocessing of a model file "
     "or of a\n"
     "network of the zoo; without an argument, what this machine offers and what this program "
     "knows.\n\n"
     "  squeezenet info\n"
     "  squeezenet info squeezenet1_1 --num_classes 10\n"
     "  squeezenet info best.safetensors",
     cli_info_flags, false, 0, 1, cli_info},
    {"data", NULL, "check, pack, lay out or draw a dataset",
     "check DIR | pack DIR OUT | imagenet TRAIN.tar VAL.tar DEVKIT.tar.gz OUT | synth DIR",
     "check decodes every image and lists what is corrupt, no image, tiny, or an empty class, "
     "with the\n"
     "number of images of each class. pack writes class directories as one file of shrunk images, "
     "which is\n"
     "taken wherever a dataset is. imagenet lays out ImageNet-1K from its published archives. "
     "synth draws a\n"
     "dataset of shapes and textures to play with.\n\n"
     "  squeezenet data check photos/\n"
     "  squeezenet data pack photos/ photos.pack --shorter 256\n"
     "  squeezenet data imagenet ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar \\\n"
     "      ILSVRC2012_devkit_t12.tar.gz imagenet/\n"
     "  squeezenet data synth shapes/ --seed 1 --train_per_class 500 --val_per_class 100",
     cli_data_flags, false, 2, 5, cli_data},
    {"bench", NULL, "measure latency, throughput, training step, loader, start-up",
     "[MODEL | VARIANT]",
     "Measures on this machine, beside the FMA peak found in the same run. A VARIANT gets random "
     "weights.\n\n"
     "  squeezenet bench squeezenet1_1                                 one image, all cores\n"
     "  squeezenet bench squeezenet1_0 --task train --batch 32\n"
     "  squeezenet bench --task load --data_dir imagenet --threads 2\n"
     "  squeezenet bench v11.safetensors --task start --image cat.jpg",
     cli_bench_flags, false, 0, 1, cli_bench},
    {"serve", NULL, "answer requests over HTTP", "MODEL | NAME=MODEL ...",
     "Classifies images that other programs send. The server listens on this machine only, on "
     "port\n"
     "8080, and speaks plain HTTP, TensorFlow Serving's predict and the Open Inference Protocol.\n"
     "SIGHUP reads the models again; SIGTERM and Ctrl-C answer what waits, then end.\n\n"
     "  squeezenet serve best.safetensors\n"
     "  curl --data-binary @cat.jpg http://127.0.0.1:8080/v1/predict\n"
     "  squeezenet serve v11=v11.safetensors small=v11.sqz --port 9000\n"
     "  squeezenet serve best.safetensors --host 0.0.0.0 --api_key_file key.txt --log json",
     cli_serve_flags, false, 1, 1 << 20, cli_serve},
    {NULL, NULL, NULL, NULL, NULL, NULL, false, 0, 0, NULL},
};
