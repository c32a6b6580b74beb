// The words of every option that is a choice among a few. A row of kind SQZ_CHOICE in options.def
// takes option x's words from SQZ_CHOICES_x; options.h makes `enum sqz_choice_x` of the second
// column. '' is the empty text. Further columns are traits of the word.
#ifndef SQZ_TRAIN_OPTIONS_CHOICES_H
#define SQZ_TRAIN_OPTIONS_CHOICES_H

// --- Model ---
#define SQZ_CHOICES_norm(WORD) WORD("none", SQZ_NORM_NONE) WORD("batch", SQZ_NORM_BATCH)
#define SQZ_CHOICES_ckpt_save_policy(WORD) \
    WORD("latest_k", SQZ_SAVE_LATEST_K) WORD("top_k", SQZ_SAVE_TOP_K) WORD("''", SQZ_SAVE_ALL)
#define SQZ_CHOICES_ckpt_format(WORD) \
    WORD("safetensors", SQZ_CKPT_SAFETENSORS) WORD("ckpt", SQZ_CKPT_MINDCV)

// --- Optimizer ---
// What the learning rate is to the update rule: a factor on the gradient, so that it grows with the
// batch; about the length of every weight's step; or something else.
enum sqz_rate_kind { SQZ_RATE_OF_GRADIENT, SQZ_RATE_IS_STEP, SQZ_RATE_OTHER };
#define SQZ_CHOICES_opt(WORD) \
    WORD("sgd", SQZ_OPT_SGD, SQZ_RATE_OF_GRADIENT) \
    WORD("momentum", SQZ_OPT_MOMENTUM, SQZ_RATE_OF_GRADIENT) \
    WORD("nesterov", SQZ_OPT_NESTEROV, SQZ_RATE_OF_GRADIENT) \
    WORD("adam", SQZ_OPT_ADAM, SQZ_RATE_IS_STEP) \
    WORD("adamw", SQZ_OPT_ADAMW, SQZ_RATE_IS_STEP) \
    WORD("lion", SQZ_OPT_LION, SQZ_RATE_IS_STEP) \
    WORD("rmsprop", SQZ_OPT_RMSPROP, SQZ_RATE_OTHER) \
    WORD("adagrad", SQZ_OPT_ADAGRAD, SQZ_RATE_OTHER) \
    WORD("lamb", SQZ_OPT_LAMB, SQZ_RATE_OTHER) \
    WORD("nadam", SQZ_OPT_NADAM, SQZ_RATE_IS_STEP) \
    WORD("adan", SQZ_OPT_ADAN, SQZ_RATE_IS_STEP)
#define SQZ_CHOICES_weight_decay_filter(WORD) \
    WORD("disable", SQZ_DECAY_ALL) \
    WORD("auto", SQZ_DECAY_AUTO) \
    WORD("norm_and_bias", SQZ_DECAY_NOT_NORM_AND_BIAS)

// --- Schedule ---
#define SQZ_CHOICES_scheduler(WORD) \
    WORD("constant", SQZ_SCHEDULE_CONSTANT) \
    WORD("cosine_decay", SQZ_SCHEDULE_COSINE) \
    WORD("warmup_cosine_decay", SQZ_SCHEDULE_WARMUP_COSINE) \
    WORD("exponential_decay", SQZ_SCHEDULE_EXPONENTIAL) \
    WORD("polynomial_decay", SQZ_SCHEDULE_POLYNOMIAL) \
    WORD("step_decay", SQZ_SCHEDULE_STEP) \
    WORD("multi_step_decay", SQZ_SCHEDULE_MULTI_STEP) \
    WORD("one_cycle", SQZ_SCHEDULE_ONE_CYCLE) \
    WORD("cyclic", SQZ_SCHEDULE_CYCLIC)

// --- Loss ---
enum sqz_loss_trait {
    SQZ_LOSS_WEIGHS = 1,   // class_weights
    SQZ_LOSS_MIXES = 2,    // targets of several classes, as mixup and cutmix make them
    SQZ_LOSS_SMOOTHS = 4,  // label_smoothing
    SQZ_LOSS_IS_TAUGHT = 8 // a teacher's answers as targets
};
#define SQZ_CHOICES_loss(WORD) \
    WORD("CE", SQZ_LOSS_CE, \
         SQZ_LOSS_WEIGHS | SQZ_LOSS_MIXES | SQZ_LOSS_SMOOTHS | SQZ_LOSS_IS_TAUGHT) \
    WORD("BCE", SQZ_LOSS_BCE, SQZ_LOSS_WEIGHS | SQZ_LOSS_MIXES | SQZ_LOSS_SMOOTHS) \
    WORD("asl_single_label", SQZ_LOSS_ASL_SINGLE, SQZ_LOSS_SMOOTHS) \
    WORD("asl_multi_label", SQZ_LOSS_ASL_MULTI, SQZ_LOSS_MIXES) \
    WORD("jsd", SQZ_LOSS_JSD, SQZ_LOSS_MIXES | SQZ_LOSS_SMOOTHS)
#define SQZ_CHOICES_reduction(WORD) \
    WORD("mean", SQZ_REDUCTION_MEAN) \
    WORD("sum", SQZ_REDUCTION_SUM) \
    WORD("none", SQZ_REDUCTION_NONE)

// --- Compression ---
#define SQZ_CHOICES_compress_method(WORD) \
    WORD("auto", SQZ_COMPRESS_AUTO) WORD("deep", SQZ_COMPRESS_DEEP)

// --- Precision ---
#define SQZ_CHOICES_amp_level(WORD) \
    WORD("O0", SQZ_AMP_O0) WORD("O1", SQZ_AMP_O1) WORD("O2", SQZ_AMP_O2) WORD("O3", SQZ_AMP_O3)
#define SQZ_CHOICES_loss_scale_type(WORD) \
    WORD("fixed", SQZ_SCALE_TYPE_FIXED) \
    WORD("dynamic", SQZ_SCALE_TYPE_DYNAMIC) \
    WORD("auto", SQZ_SCALE_TYPE_AUTO)

// --- Run, ranks ---
#define SQZ_CHOICES_on_bad(WORD)     WORD("stop", SQZ_ON_BAD_STOP) WORD("skip", SQZ_ON_BAD_SKIP)
#define SQZ_CHOICES_comm_dtype(WORD) WORD("fp32", SQZ_COMM_FP32) WORD("bf16", SQZ_COMM_BF16)

#endif
